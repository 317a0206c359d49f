"""The two commands of the blog post, word for word, and what reads back after them."""

import json
import os
import subprocess
import sys

import harness
from classic import as_instances, certificate, create, describe, launch, listener
from harness import client, equal

CREATE = r"""
aws elb create-load-balancer-policy \
    --load-balancer-name $ELB_NAME \
    --policy-name $ELB_NAME-proxy-protocol \
    --policy-type-name ProxyProtocolPolicyType \
    --policy-attributes AttributeName=ProxyProtocol,AttributeValue=True
"""

ATTACH = r"""
aws elb set-load-balancer-policies-for-backend-server \
    --load-balancer-name $ELB_NAME \
    --instance-port 80 \
    --policy-names $ELB_NAME-proxy-protocol
"""


def shell(script):
    environment = dict(os.environ, ELB_NAME="ws-chat", AWS_DEFAULT_REGION="us-east-1")
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    equal((done.returncode, done.stderr), (0, ""))
    return done.stdout


def test_the_blog_post():
    elb = client("elb")
    secure = listener(443, 80, "SSL", InstanceProtocol="TCP", SSLCertificateId=certificate())
    create(elb, "ws-chat", [secure, listener(80, 80)])
    elb.register_instances_with_load_balancer(LoadBalancerName="ws-chat", Instances=as_instances(launch()))

    equal(shell(CREATE), "")
    equal(shell(ATTACH), "")

    described = json.loads(shell("aws elb describe-load-balancers --load-balancer-names $ELB_NAME"))
    [found] = described["LoadBalancerDescriptions"]
    equal(found["BackendServerDescriptions"], [{"InstancePort": 80, "PolicyNames": ["ws-chat-proxy-protocol"]}])
    equal(found["Policies"]["OtherPolicies"], ["ELBSecurityPolicy-2016-08", "ws-chat-proxy-protocol"])
    equal(
        [one["Listener"]["Protocol"] + " " + one["Listener"]["InstanceProtocol"] for one in found["ListenerDescriptions"]],
        ["TCP TCP", "SSL TCP"],
    )
    policies = json.loads(shell("aws elb describe-load-balancer-policies --load-balancer-name $ELB_NAME --policy-names $ELB_NAME-proxy-protocol"))
    equal(
        policies["PolicyDescriptions"],
        [
            {
                "PolicyName": "ws-chat-proxy-protocol",
                "PolicyTypeName": "ProxyProtocolPolicyType",
                "PolicyAttributeDescriptions": [{"AttributeName": "ProxyProtocol", "AttributeValue": "true"}],
            }
        ],
    )
    health = json.loads(shell("aws elb describe-instance-health --load-balancer-name $ELB_NAME"))
    equal(health["InstanceStates"][0]["State"], "OutOfService")
    equal(json.loads(shell("aws elb describe-tags --load-balancer-names $ELB_NAME"))["TagDescriptions"][0]["Tags"], [])

    # Both again, as a reader of the post might: AWS does not mind, and nothing changes.
    equal(shell(CREATE + ATTACH), "")
    equal(json.loads(shell("aws elb describe-load-balancers"))["LoadBalancerDescriptions"], [found])

    shell("aws elb set-load-balancer-policies-for-backend-server --load-balancer-name $ELB_NAME --instance-port 80 --policy-names '[]'")
    equal(describe(elb, "ws-chat")["BackendServerDescriptions"], [])


harness.run(sys.modules[__name__])
