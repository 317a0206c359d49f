"""Run Command: what is refused before anything runs."""

import sys

import harness
from harness import ACCOUNT, admin, cli, client, equal, get, refused

IMAGE = "ami-0123456789abcdef0"
DOCUMENT = "AWS-RunShellScript"
NOBODY = "00000000-0000-0000-0000-000000000000"


def launch(count=1, region="us-east-1", **arguments):
    ec2 = client("ec2", region)
    return [one["InstanceId"] for one in ec2.run_instances(ImageId=IMAGE, MinCount=count, MaxCount=count, **arguments)["Instances"]]


def send(ssm, **arguments):
    given = {"DocumentName": DOCUMENT, "Parameters": {"commands": ["true"]}, **arguments}
    return ssm.send_command(**given)["Command"]


def test_an_instance_without_a_profile_is_not_managed():
    ssm = client("ssm")
    [one] = launch()
    equal(ssm.describe_instance_information()["InstanceInformationList"], [])
    refused(
        "InvalidInstanceId", send, ssm=ssm, InstanceIds=[one],
        message=f"Instances [[{one}]] not in a valid state for account {ACCOUNT}",
    )
    refused("InvalidInstanceId", send, ssm=ssm, InstanceIds=["i-12345678"])
    refused("ValidationException", send, ssm=ssm, InstanceIds=["web"])


def test_what_cannot_be_sent_is_refused():
    ssm = client("ssm")
    [one] = launch()
    ids = {"InstanceIds": [one]}
    refused("InvalidDocument", send, ssm=ssm, DocumentName="AWS-RunPowerShellScript", **ids)
    refused("InvalidDocumentVersion", send, ssm=ssm, DocumentVersion="7", **ids)
    refused("InvalidParameters", send, ssm=ssm, Parameters={}, **ids)
    refused("InvalidParameters", send, ssm=ssm, Parameters={"commands": ["true"], "colour": ["red"]}, **ids)
    refused("InvalidParameters", send, ssm=ssm, Parameters={"commands": ["true"], "executionTimeout": ["0"]}, **ids)
    refused("InvalidParameters", send, ssm=ssm, Parameters={"commands": ["true"], "executionTimeout": ["172801"]}, **ids)
    refused("InvalidParameters", send, ssm=ssm, Parameters={"commands": ["true"], "workingDirectory": ["/", "/tmp"]}, **ids)
    refused("DuplicateInstanceId", send, ssm=ssm, InstanceIds=[one, one])
    refused("ValidationException", send, ssm=ssm)
    refused("ValidationException", send, ssm=ssm, Targets=[{"Key": "colour", "Values": ["red"]}])
    refused("ValidationException", send, ssm=ssm, Targets=[{"Key": "tag:App", "Values": ["chat"]}], **ids)
    refused("ValidationException", send, ssm=ssm, TimeoutSeconds=2_592_001, **ids)
    refused("ValidationException", send, ssm=ssm, Comment="x" * 101, **ids)
    for share in ("0", "101%", "many"):
        refused("ValidationException", send, ssm=ssm, MaxConcurrency=share, **ids)
    refused("ValidationException", send, ssm=ssm, MaxErrors="-1", **ids)
    refused("InvalidOutputFolder", send, ssm=ssm, OutputS3BucketName="bucket", **ids)
    refused("UnknownOperationException", ssm.list_documents)
    equal(ssm.list_commands()["Commands"], [])


def test_a_command_for_nobody_succeeds():
    ssm = client("ssm")
    command = send(ssm, Targets=[{"Key": "tag:App", "Values": ["chat"]}], Comment="nobody", TimeoutSeconds=60)
    equal((command["Status"], command["StatusDetails"], command["TargetCount"]), ("Success", "NoInstancesInTag", 0))
    equal((command["ExpiresAfter"] - command["RequestedDateTime"]).total_seconds(), 3660)
    [listed] = ssm.list_commands(CommandId=command["CommandId"])["Commands"]
    equal(listed, command)
    equal(ssm.list_command_invocations(CommandId=command["CommandId"], Details=True)["CommandInvocations"], [])
    ssm.cancel_command(CommandId=command["CommandId"])
    equal(client("ssm", "eu-west-1").list_commands()["Commands"], [])


def test_commands_are_filtered_and_come_in_pages():
    ssm = client("ssm")
    admin("/_elbws/clock", b'{"fixed":"2026-02-03T04:05:06Z"}')
    nobody = [{"Key": "tag:App", "Values": ["chat"]}]
    sent = []
    for _ in range(3):
        sent.append(send(ssm, Targets=nobody)["CommandId"])
        admin("/_elbws/clock", b'{"advance_ms":1000}')
    def listed(*filters):
        wanted = [{"key": key, "value": value} for key, value in filters]
        return [command["CommandId"] for command in ssm.list_commands(Filters=wanted)["Commands"]]
    pages = list(ssm.get_paginator("list_commands").paginate(PaginationConfig={"PageSize": 2}))
    equal([[one["CommandId"] for one in page["Commands"]] for page in pages], [[sent[2], sent[1]], [sent[0]]])
    equal(listed(("InvokedAfter", "2026-02-03T04:05:06Z"), ("InvokedBefore", "2026-02-03T04:05:08Z")), [sent[1]])
    equal(listed(("Status", "Success")), [sent[2], sent[1], sent[0]])
    equal(listed(("ExecutionStage", "Executing")), [])
    equal(listed(("DocumentName", "AWS-Other")), [])
    refused("InvalidNextToken", ssm.list_commands, NextToken="x")
    refused("ValidationException", ssm.list_commands, MaxResults=51)
    admin("/_elbws/clock", b'{"advance_ms":2592000000}')
    equal(ssm.list_commands()["Commands"], [])


def test_unknown_commands_are_refused_each_in_its_way():
    ssm = client("ssm")
    refused("InvocationDoesNotExist", ssm.get_command_invocation, CommandId=NOBODY, InstanceId="i-12345678")
    refused("InvalidCommandId", ssm.list_commands, CommandId=NOBODY)
    refused("InvalidCommandId", ssm.list_command_invocations, CommandId=NOBODY)
    refused("InvalidCommandId", ssm.cancel_command, CommandId=NOBODY)
    refused("InvalidPluginName", ssm.get_command_invocation, CommandId=NOBODY, InstanceId="i-12345678", PluginName="other")


def test_filters_of_managed_instances_are_checked():
    ssm = client("ssm")
    describe = ssm.describe_instance_information
    refused("InvalidFilterKey", describe, Filters=[{"Key": "Colour", "Values": ["red"]}])
    both = {"Filters": [{"Key": "tag:App", "Values": ["chat"]}], "InstanceInformationFilterList": [{"key": "PingStatus", "valueSet": ["Online"]}]}
    refused("ValidationException", describe, **both)
    refused("ValidationException", describe, MaxResults=51)
    equal(describe(Filters=both["Filters"])["InstanceInformationList"], [])


def test_throttling_is_told_as_systems_manager_tells_it():
    ssm = client("ssm")
    admin("/_elbws/faults", b'{"operation":"ListCommands","service":"ssm","effect":"throttle"}')
    refused("ThrottlingException", ssm.list_commands)
    equal(get("/_elbws/calls")[-1]["service"], "ssm")
    equal(cli("ssm", "list-commands", "--query", "length(Commands)").stdout.strip(), "0")


harness.run(sys.modules[__name__])
