"""What the scripts here share: clients of the local AWS, and the running of a module's test functions."""

import json
import os
import subprocess
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ACCOUNT = "123456789012"


def client(service, region="us-east-1"):
    return boto3.client(service, region_name=region, config=Config(retries={"total_max_attempts": 1}))


def refused(expected, call, *, status=400, message=None, **arguments):
    """Calls an operation that must be refused with that code."""
    try:
        call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        text = error.response["Error"]["Message"]
        assert code == expected, f"{code} ({text}) in place of {expected}"
        found = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert found == status, f"{expected} has HTTP status {found}, not {status}"
        if message is not None:
            assert message in text, f"{text!r} does not contain {message!r}"
        return text
    raise AssertionError(f"accepted, where {expected} was expected")


def equal(found, expected):
    assert found == expected, f"found {found!r}\nexpected {expected!r}"


def cli(*arguments, region="us-east-1"):
    """Runs the AWS CLI that is installed beside this Python."""
    command = [os.path.join(os.path.dirname(sys.executable), "aws"), "--region", region, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def admin(path, body=b"{}"):
    request = urllib.request.Request(ENDPOINT + path, data=body, method="POST")
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def get(path):
    with urllib.request.urlopen(ENDPOINT + path) as answer:
        return json.load(answer)


def check_codes():
    """Every error so far must be one that the service's model declares for its operation."""
    for call in get("/_elbws/calls"):
        if call["code"] is None or call["service"] not in ("elb", "elbv2"):
            continue
        operation = client(call["service"]).meta.service_model.operation_model(call["operation"])
        declared = {shape.metadata["error"]["code"] for shape in operation.error_shapes}
        assert call["code"] in declared | {"ValidationError"}, f"{call['operation']} does not declare {call['code']}"


def run(module):
    """Runs every test function of a module, each on an account that is empty."""
    tests = {name: test for name, test in vars(module).items() if name.startswith("test_")}
    failed = 0
    for name, test in tests.items():
        admin("/_elbws/reset", b"")
        try:
            test()
            check_codes()
        except Exception as error:  # every failure is reported, not only the first
            failed += 1
            line = error.__traceback__
            while line.tb_next and "harness" not in line.tb_next.tb_frame.f_code.co_filename:
                line = line.tb_next
            print(f"{name}: line {line.tb_lineno}: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"{len(tests)} tests, {failed} failed")
    sys.exit(1 if failed or not tests else 0)
