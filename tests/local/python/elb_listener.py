"""Listeners of Classic load balancers, and what they refuse."""

import sys

import harness
from classic import certificate, create, describe, listener
from harness import admin, client, equal, refused

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


def secure(arn, port=443, instance_protocol="TCP"):
    return listener(port, 80, "SSL", InstanceProtocol=instance_protocol, SSLCertificateId=arn)


def on_port(elb, port):
    [found] = [one for one in describe(elb)["ListenerDescriptions"] if one["Listener"]["LoadBalancerPort"] == port]
    return found


def test_a_secure_listener_reads_back_as_it_is():
    elb = client("elb")
    arn = certificate()
    create(elb, listeners=[secure(arn), listener(8443, 81, "HTTPS", SSLCertificateId=arn)])
    equal(
        on_port(elb, 443),
        {
            "Listener": {
                "Protocol": "SSL",
                "LoadBalancerPort": 443,
                "InstanceProtocol": "TCP",
                "InstancePort": 80,
                "SSLCertificateId": arn,
            },
            "PolicyNames": ["ELBSecurityPolicy-2016-08"],
        },
    )
    equal(on_port(elb, 8443)["Listener"]["InstanceProtocol"], "HTTP")
    equal(describe(elb)["Policies"]["OtherPolicies"], ["ELBSecurityPolicy-2016-08"])
    refused("InvalidConfigurationRequest", elb.delete_load_balancer_policy, status=409, **WEB, PolicyName="ELBSecurityPolicy-2016-08")
    add = elb.create_load_balancer_listeners
    add(**WEB, Listeners=[secure(arn)])
    refused("DuplicateListener", add, **WEB, Listeners=[secure(certificate("other.example.com"))])
    refused("ValidationError", add, **WEB, Listeners=[listener(81, 81, SSLCertificateId=arn)])


def test_a_certificate_is_replaced_in_place():
    elb = client("elb")
    first, second = certificate(), certificate("other.example.com")
    create(elb, listeners=[secure(first), listener()])
    replace = elb.set_load_balancer_listener_ssl_certificate
    replace(**WEB, LoadBalancerPort=443, SSLCertificateId=second)
    found = on_port(elb, 443)
    equal((found["Listener"]["SSLCertificateId"], found["PolicyNames"]), (second, ["ELBSecurityPolicy-2016-08"]))
    refused("ListenerNotFound", replace, **WEB, LoadBalancerPort=8443, SSLCertificateId=second)
    refused("InvalidConfigurationRequest", replace, status=409, **WEB, LoadBalancerPort=80, SSLCertificateId=second)
    refused("CertificateNotFound", replace, **WEB, LoadBalancerPort=443, SSLCertificateId=second[:-12] + "0" * 12)
    refused("LoadBalancerNotFound", replace, LoadBalancerName="nobody", LoadBalancerPort=443, SSLCertificateId=second)


def test_a_negotiation_policy_takes_the_place_of_the_default():
    elb = client("elb")
    create(elb, listeners=[secure(certificate(), instance_protocol="SSL")])
    reference = [{"AttributeName": "Reference-Security-Policy", "AttributeValue": "ELBSecurityPolicy-TLS-1-2-2017-01"}]
    kind = "SSLNegotiationPolicyType"
    elb.create_load_balancer_policy(**WEB, PolicyName="tls", PolicyTypeName=kind, PolicyAttributes=reference)
    put = elb.set_load_balancer_policies_of_listener
    put(**WEB, LoadBalancerPort=443, PolicyNames=["tls"])
    equal(on_port(elb, 443)["PolicyNames"], ["tls"])
    refused("InvalidConfigurationRequest", put, status=409, **WEB, LoadBalancerPort=443, PolicyNames=["tls", "ELBSecurityPolicy-2016-08"])
    elb.delete_load_balancer_policy(**WEB, PolicyName="ELBSecurityPolicy-2016-08")

    key = [{"AttributeName": "PublicKey", "AttributeValue": "MIIB"}]
    elb.create_load_balancer_policy(**WEB, PolicyName="key", PolicyTypeName="PublicKeyPolicyType", PolicyAttributes=key)
    names = [{"AttributeName": "PublicKeyPolicyName", "AttributeValue": "key"}]
    elb.create_load_balancer_policy(**WEB, PolicyName="auth", PolicyTypeName="BackendServerAuthenticationPolicyType", PolicyAttributes=names)
    elb.set_load_balancer_policies_for_backend_server(**WEB, InstancePort=80, PolicyNames=["auth"])
    equal(describe(elb)["BackendServerDescriptions"], [{"InstancePort": 80, "PolicyNames": ["auth"]}])


def test_a_new_certificate_takes_a_while_to_show():
    elb = client("elb")
    admin("/_elbws/clock", b'{"fixed":"2026-03-19T03:24:02Z"}')
    admin("/_elbws/settings", b'{"certificate_visibility_delay_ms":5000}')
    arn = certificate()
    refused("CertificateNotFound", create, elb=elb, listeners=[secure(arn)])
    admin("/_elbws/clock", b'{"advance_ms":4999}')
    refused("CertificateNotFound", create, elb=elb, listeners=[secure(arn)])
    admin("/_elbws/clock", b'{"advance_ms":1}')
    create(elb, listeners=[secure(arn)])


harness.run(sys.modules[__name__])
