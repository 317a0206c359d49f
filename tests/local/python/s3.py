"""S3: buckets, objects and presigned URLs."""

import base64
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import boto3
import harness
from botocore.config import Config
from harness import ENDPOINT, admin, cli, equal, refused

CONFIG = Config(retries={"total_max_attempts": 1}, signature_version="s3v4", s3={"addressing_style": "path"})
s3 = boto3.client("s3", region_name="us-east-1", config=CONFIG)
eu = boto3.client("s3", region_name="eu-west-1", config=CONFIG)


def fetch(url, method="GET", data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_buckets():
    refused("404", s3.head_bucket, status=404, Bucket="artifacts")
    s3.create_bucket(Bucket="artifacts")
    s3.create_bucket(Bucket="artifacts")
    eu.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    refused("BucketAlreadyOwnedByYou", eu.create_bucket, status=409, Bucket="elsewhere")
    equal(s3.head_bucket(Bucket="elsewhere")["BucketRegion"], "eu-west-1")
    equal(s3.get_bucket_location(Bucket="elsewhere")["LocationConstraint"], "eu-west-1")
    equal(s3.get_bucket_location(Bucket="artifacts")["LocationConstraint"], None)
    equal([one["Name"] for one in s3.list_buckets()["Buckets"]], ["artifacts", "elsewhere"])
    for name in ["Upper-case", "a..b"]:
        refused("InvalidBucketName", s3.create_bucket, Bucket=name)
    s3.put_object(Bucket="artifacts", Key="a", Body=b"1")
    refused("BucketNotEmpty", s3.delete_bucket, status=409, Bucket="artifacts")
    s3.delete_object(Bucket="artifacts", Key="a")
    s3.delete_bucket(Bucket="artifacts")
    refused("NoSuchBucket", s3.put_object, status=404, Bucket="artifacts", Key="a", Body=b"1")


def test_objects_come_back_as_they_were_put():
    s3.create_bucket(Bucket="artifacts")
    body = os.urandom(5 << 20)
    key = "proxy/" + hashlib.sha256(body).hexdigest() + " + ü.bin"
    made = s3.put_object(Bucket="artifacts", Key=key, Body=body, ContentType="application/x-elf", Metadata={"arch": "x86_64"})
    for found in [s3.head_object(Bucket="artifacts", Key=key), s3.get_object(Bucket="artifacts", Key=key)]:
        equal((found["ContentLength"], found["ContentType"], found["Metadata"]), (len(body), "application/x-elf", {"arch": "x86_64"}))
        equal(found["ETag"], made["ETag"])
    equal(hashlib.sha256(found["Body"].read()).digest(), hashlib.sha256(body).digest())
    s3.put_object(Bucket="artifacts", Key=key, Body=io.BytesIO(b"anew"))
    equal(s3.get_object(Bucket="artifacts", Key=key)["Body"].read(), b"anew")
    refused("BadDigest", s3.put_object, Bucket="artifacts", Key=key, Body=b"other", ChecksumSHA256=base64.b64encode(bytes(32)).decode())
    equal(s3.get_object(Bucket="artifacts", Key=key)["Body"].read(), b"anew")
    whole = base64.b64encode(hashlib.sha256(body).digest()).decode()
    s3.put_object(Bucket="artifacts", Key=key, Body=body, ChecksumSHA256=whole)
    s3.put_object(Bucket="artifacts", Key="empty", Body=b"")
    equal(s3.get_object(Bucket="artifacts", Key="empty")["Body"].read(), b"")
    refused("NoSuchKey", s3.get_object, status=404, Bucket="artifacts", Key="none")
    refused("404", s3.head_object, status=404, Bucket="artifacts", Key="none")
    s3.delete_object(Bucket="artifacts", Key="none")
    refused("NotImplemented", s3.get_object_acl, status=501, Bucket="artifacts", Key=key)


def test_objects_are_listed():
    s3.create_bucket(Bucket="artifacts")
    for number in range(5):
        s3.put_object(Bucket="artifacts", Key=f"a/{number}", Body=b"same")
    s3.put_object(Bucket="artifacts", Key="b", Body=b"same")
    s3.delete_object(Bucket="artifacts", Key="b")
    equal(s3.get_object(Bucket="artifacts", Key="a/0")["Body"].read(), b"same")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="artifacts", Prefix="a/", PaginationConfig={"PageSize": 2}))
    equal([one["Key"] for page in pages for one in page["Contents"]], [f"a/{number}" for number in range(5)])
    equal([page["KeyCount"] for page in pages], [2, 2, 1])


def test_a_presigned_url_is_good_for_what_was_signed():
    admin("/_elbws/clock", b'{"system":true}')
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="a b/ü.bin", Body=b"content")
    named = {"Bucket": "artifacts", "Key": "a b/ü.bin"}
    url = s3.generate_presigned_url("get_object", Params=named, ExpiresIn=60)
    assert url.startswith(ENDPOINT), url
    equal(fetch(url), (200, b"content"))
    equal(subprocess.run(["curl", "-fsS", url], capture_output=True, check=True).stdout, b"content")
    for other in [url.replace("a%20b", "a%20c"), url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), url[:-1] + "x"]:
        status, body = fetch(other)
        equal((status, b"SignatureDoesNotMatch" in body), (403, True))
    equal(fetch(url, "PUT", b"x")[0], 403)
    status, body = fetch(url.replace("X-Amz-Credential=local", "X-Amz-Credential=other"))
    equal((status, b"InvalidAccessKeyId" in body), (403, True))
    put = s3.generate_presigned_url("put_object", Params={"Bucket": "artifacts", "Key": "n"}, ExpiresIn=60)
    subprocess.run(["curl", "-fsS", "-T", "-", put], input=b"sent", check=True)
    equal(s3.get_object(Bucket="artifacts", Key="n")["Body"].read(), b"sent")
    admin("/_elbws/clock", b'{"advance_ms":61000}')
    status, body = fetch(url)
    equal((status, b"Request has expired" in body), (403, True))
    equal(fetch(ENDPOINT + "/artifacts/n")[0], 403)


def test_the_command_line():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "file")
        with open(path, "wb") as file:
            file.write(b"x" * 100_000)
        for arguments in [["mb", "s3://artifacts"], ["cp", path, "s3://artifacts/file"], ["cp", "s3://artifacts/file", path + "2"]]:
            answer = cli("s3", *arguments)
            equal((arguments[0], answer.returncode, answer.stderr), (arguments[0], 0, ""))
        with open(path + "2", "rb") as file:
            equal(file.read(), b"x" * 100_000)
        assert "file" in cli("s3", "ls", "s3://artifacts/").stdout
    admin("/_elbws/reset", b"")
    refused("404", s3.head_bucket, status=404, Bucket="artifacts")


harness.run(sys.modules[__name__])
