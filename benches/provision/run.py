#!/usr/bin/env python3
"""Times plan and apply of the blog post's stack: elbws, the AWS CLI and Ansible, in turn, against one local AWS.

usage: run.py ELBWS VENV [ROUNDS]

ELBWS is the release binary; VENV is a Python environment with the PyPI packages ansible, awscli and boto3.
Every round starts each tool from the same account: a certificate, a running instance, nothing else.
Prints medians and the medians of the per-round ratios.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.request

elbws, venv = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
here = pathlib.Path(__file__).resolve().parent
spec = here.parent.parent / "specs" / "classic.yaml"

server = subprocess.Popen(
    [elbws, "local", "--port", "0", "--assume-healthy"], stderr=subprocess.PIPE, text=True
)
endpoint = server.stderr.readline().split()[-1]
environment = {
    "PATH": f"{venv}/bin:{os.environ['PATH']}",
    "HOME": os.environ["HOME"],
    "LANG": "C.UTF-8",
    "AWS_ENDPOINT_URL": endpoint,
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_PAGER": "",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
}


def run(command, quiet=True):
    result = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        sys.exit(f"{command} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def timed(command):
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def account():
    """Empties the account and returns the ARN of the certificate that it then starts with."""
    urllib.request.urlopen(urllib.request.Request(endpoint + "/_elbws/reset", method="POST")).read()
    run(["aws", "ec2", "run-instances", "--image-id", "ami-12345678",
         "--tag-specifications", "ResourceType=instance,Tags=[{Key=App,Value=ws-chat}]"])
    return run(["aws", "acm", "list-certificates", "--output", "text",
                "--query", "CertificateSummaryList[0].CertificateArn"]).strip()


def ansible(certificate, *options):
    return ["ansible-playbook", "-e", f"certificate={certificate}", *options, str(here / "playbook.yaml")]


figures = {}
try:
    for _ in range(rounds):
        certificate = account()
        tools = {
            "elbws": ([elbws, "apply", str(spec), "--yes"], [elbws, "plan", str(spec)]),
            "AWS CLI": (["bash", str(here / "apply.sh")], ["bash", str(here / "plan.sh")]),
            "Ansible": (ansible(certificate), ansible(certificate, "--check")),
        }
        for name, (apply, plan) in tools.items():
            certificate = account()
            if name == "Ansible":
                apply, plan = ansible(certificate), ansible(certificate, "--check")
            figures.setdefault(("apply", name), []).append(timed(apply))
            figures.setdefault(("plan", name), []).append(timed(plan))
finally:
    server.terminate()
    server.wait()

print(f"{rounds} rounds, wall seconds, medians; ratio: median of elbws / tool per round")
print(f"{'':6} {'elbws':>8} {'AWS CLI':>8} {'Ansible':>8}   {'/ AWS CLI':>10} {'/ Ansible':>10}")
for verb in ("plan", "apply"):
    ours = figures[(verb, "elbws")]
    medians = [statistics.median(figures[(verb, name)]) for name in ("elbws", "AWS CLI", "Ansible")]
    ratios = [
        statistics.median(a / b for a, b in zip(ours, figures[(verb, name)])) for name in ("AWS CLI", "Ansible")
    ]
    print(f"{verb:6} " + " ".join(f"{m:8.3f}" for m in medians) + "   " + " ".join(f"{r:10.4f}" for r in ratios))
