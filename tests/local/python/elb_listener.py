"""Listeners of Classic load balancers, and what they refuse."""

import sys

import harness
from classic import create, describe, listener
from harness import client, equal, refused

WEB = {"LoadBalancerName": "web"}


def listeners(elb):
    return {
        one["Listener"]["LoadBalancerPort"]: (
            one["Listener"]["Protocol"],
            one["Listener"]["InstanceProtocol"],
            one["Listener"]["InstancePort"],
        )
        for one in describe(elb)["ListenerDescriptions"]
    }


def test_listeners_come_and_go():
    elb = client("elb")
    create(elb)
    add = elb.create_load_balancer_listeners
    add(**WEB, Listeners=[listener(8080, 81, "http", InstanceProtocol="HTTPS"), listener(25, 25)])
    equal(listeners(elb), {25: ("TCP", "TCP", 25), 80: ("TCP", "TCP", 80), 8080: ("HTTP", "HTTPS", 81)})
    add(**WEB, Listeners=[listener(25, 25)])
    message = "A listener already exists for web with LoadBalancerPort 25, but with a different InstancePort, Protocol, or SSLCertificateId"
    refused("DuplicateListener", add, message=message, **WEB, Listeners=[listener(26, 26), listener(25, 26)])
    equal(sorted(listeners(elb)), [25, 80, 8080])
    elb.delete_load_balancer_listeners(**WEB, LoadBalancerPorts=[25, 80, 4711])
    equal(sorted(listeners(elb)), [8080])
    refused("LoadBalancerNotFound", add, LoadBalancerName="nobody", Listeners=[listener()])
    refused("LoadBalancerNotFound", elb.delete_load_balancer_listeners, LoadBalancerName="nobody", LoadBalancerPorts=[80])


def test_wrong_listeners_are_refused():
    elb = client("elb")
    create(elb)

    def check(code, *wrong, status=400, message=None):
        more = {"status": status, "message": message}
        refused(code, elb.create_load_balancer_listeners, **more, **WEB, Listeners=list(wrong))
        refused(code, create, **more, elb=elb, name="new", listeners=list(wrong))

    arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
    check("UnsupportedProtocol", listener(81, 81, "UDP"))
    check("ValidationError", listener(81, 81, "TCP", InstanceProtocol="HTTP"))
    check("ValidationError", listener(81, 81, "HTTPS", InstanceProtocol="SSL", SSLCertificateId=arn))
    check("ValidationError", listener(70000, 81), message="Member must have value less than or equal to 65535")
    check("ValidationError", listener(81, 70000), message="'70000' at 'listeners.1.member.instancePort'")
    check("ValidationError", listener(81, 81, "SSL"), message="Secure Listeners need to specify a SSLCertificateId")
    check("CertificateNotFound", listener(81, 81, "SSL", SSLCertificateId=arn), message="Server Certificate not found for the key: " + arn)
    check("InvalidConfigurationRequest", listener(81, 81), listener(82, 81, InstanceProtocol="SSL"), status=409)
    check("InvalidConfigurationRequest", listener(81, 81), listener(81, 82), status=409)
    equal(len(elb.describe_load_balancers()["LoadBalancerDescriptions"]), 1)
    equal(sorted(listeners(elb)), [80])
    many = [listener(1000 + number, 80) for number in range(100)]
    refused("InvalidConfigurationRequest", elb.create_load_balancer_listeners, status=409, **WEB, Listeners=many)
    elb.create_load_balancer_listeners(**WEB, Listeners=many[:99])


harness.run(sys.modules[__name__])
