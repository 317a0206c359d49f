"""The AWS CLI's own spellings: files, shorthand, queries and waiters."""

import json
import os
import subprocess
import sys
import tempfile

import harness
from harness import cli, equal


def told(*arguments, **options):
    """Runs a command that must succeed, and returns its JSON."""
    answer = cli(*arguments, "--output", "json", **options)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout) if answer.stdout.strip() else None


def openssl_pair(directory, name):
    key, certificate = os.path.join(directory, "key.pem"), os.path.join(directory, "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-days", "30", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},DNS:*.{name}"],
        check=True, capture_output=True,
    )
    return key, certificate


def test_certificates_come_from_files():
    with tempfile.TemporaryDirectory() as directory:
        key, certificate = openssl_pair(directory, "chat.example.com")
        arn = told(
            "acm", "import-certificate", "--certificate", "fileb://" + certificate, "--private-key", "fileb://" + key,
            "--tags", "Key=App,Value=chat",
        )["CertificateArn"]
        found = told("acm", "describe-certificate", "--certificate-arn", arn)["Certificate"]
        equal(found["SubjectAlternativeNames"], ["chat.example.com", "*.chat.example.com"])
        listed = told("acm", "list-certificates", "--certificate-statuses", "ISSUED", "--query", "CertificateSummaryList[].DomainName")
        equal(listed, ["chat.example.com"])
        uploaded = told(
            "iam", "upload-server-certificate", "--server-certificate-name", "chat", "--path", "/ws/",
            "--certificate-body", "file://" + certificate, "--private-key", "file://" + key,
        )
        equal(uploaded["ServerCertificateMetadata"]["Path"], "/ws/")
        answer = cli("iam", "get-server-certificate", "--server-certificate-name", "other")
        assert answer.returncode != 0
        assert "(NoSuchEntity)" in answer.stderr, answer.stderr


def test_a_group_and_an_instance_are_made_by_shorthand():
    group = told("ec2", "create-security-group", "--group-name", "web", "--description", "The web")["GroupId"]
    rule = told("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "80", "--cidr", "0.0.0.0/0")
    equal(rule["SecurityGroupRules"][0]["FromPort"], 80)
    told("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "all", "--source-group", group)
    told(
        "ec2", "authorize-security-group-ingress", "--group-id", group,
        "--ip-permissions", "IpProtocol=tcp,FromPort=443,ToPort=443,Ipv6Ranges=[{CidrIpv6=::/0,Description=all}]",
    )
    permissions = told("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"][0]["IpPermissions"]
    equal([permission["IpProtocol"] for permission in permissions], ["tcp", "-1", "tcp"])
    instances = told(
        "ec2", "run-instances", "--image-id", "ami-0123456789abcdef0", "--count", "2", "--instance-type", "t3.micro",
        "--security-group-ids", group, "--tag-specifications", "ResourceType=instance,Tags=[{Key=App,Value=chat}]",
        "--user-data", "#!/bin/sh", "--no-associate-public-ip-address",
    )["Instances"]
    ids = sorted(instance["InstanceId"] for instance in instances)
    equal(cli("ec2", "wait", "instance-running", "--instance-ids", *ids).returncode, 0)
    found = told(
        "ec2", "describe-instances", "--filters", "Name=tag:App,Values=chat", "Name=instance-state-name,Values=running",
        "--query", "Reservations[].Instances[].InstanceId",
    )
    equal(sorted(found), ids)
    told("ec2", "revoke-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "80", "--cidr", "0.0.0.0/0")
    answer = cli("ec2", "delete-security-group", "--group-id", group)
    assert "(DependencyViolation)" in answer.stderr, answer.stderr
    told("ec2", "terminate-instances", "--instance-ids", *ids)
    equal(cli("ec2", "wait", "instance-terminated", "--instance-ids", *ids).returncode, 0)
    told("ec2", "delete-security-group", "--group-id", group)


harness.run(sys.modules[__name__])
