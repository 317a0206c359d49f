"""Policies of Classic load balancers, on listeners and on instance ports."""

import sys

import harness
from classic import create, describe, listener
from harness import client, equal, refused

WEB = {"LoadBalancerName": "web"}


def policy(elb, name="proxy", kind="ProxyProtocolPolicyType", attributes=(("ProxyProtocol", "true"),), balancer="web"):
    return elb.create_load_balancer_policy(
        LoadBalancerName=balancer,
        PolicyName=name,
        PolicyTypeName=kind,
        PolicyAttributes=[{"AttributeName": key, "AttributeValue": value} for key, value in attributes],
    )


def read(elb, *names):
    found = elb.describe_load_balancer_policies(**WEB, PolicyNames=list(names))["PolicyDescriptions"]
    return {
        one["PolicyName"]: [(a["AttributeName"], a["AttributeValue"]) for a in one["PolicyAttributeDescriptions"]]
        for one in found
    }


def backend(elb):
    return {one["InstancePort"]: one["PolicyNames"] for one in describe(elb)["BackendServerDescriptions"]}


def on_port(elb, port, *names):
    elb.set_load_balancer_policies_for_backend_server(**WEB, InstancePort=port, PolicyNames=list(names))


def test_policies_are_created_once():
    elb = client("elb")
    create(elb)
    policy(elb, attributes=[("ProxyProtocol", "True")])
    equal(read(elb), {"proxy": [("ProxyProtocol", "true")]})
    policy(elb, attributes=[("ProxyProtocol", "TRUE")])
    refused("DuplicatePolicyName", policy, elb=elb, attributes=[("ProxyProtocol", "false")])
    refused("PolicyTypeNotFound", policy, elb=elb, name="x", kind="NoSuchType")
    refused("LoadBalancerNotFound", policy, elb=elb, balancer="nobody")
    invalid = {"expected": "InvalidConfigurationRequest", "call": policy, "status": 409, "elb": elb, "name": "x"}
    refused(**invalid, attributes=[])
    refused(**invalid, attributes=[("ProxyProtocol", "perhaps")])
    refused(**invalid, attributes=[("Color", "blue")])
    refused(**invalid, attributes=[("ProxyProtocol", "true"), ("ProxyProtocol", "true")])
    refused("ValidationError", policy, elb=elb, name="a policy")
    for number in range(99):
        policy(elb, name=f"p{number}")
    refused("TooManyPolicies", policy, elb=elb, name="one-more")


def test_policies_of_a_port_are_replaced_as_a_set():
    elb = client("elb")
    create(elb, listeners=[listener(80, 8080), listener(81, 8081)])
    policy(elb)
    policy(elb, "other")
    on_port(elb, 8080, "proxy", "other")
    on_port(elb, 8081, "proxy")
    equal(backend(elb), {8080: ["proxy", "other"], 8081: ["proxy"]})
    on_port(elb, 8080, "other")
    equal(backend(elb), {8080: ["other"], 8081: ["proxy"]})
    on_port(elb, 8080)
    equal(backend(elb), {8081: ["proxy"]})
    refused(
        "PolicyNotFound",
        on_port_with,
        message="There is no policy with name nothing for load balancer web",
        elb=elb,
        names=["nothing"],
    )
    refused("InvalidConfigurationRequest", on_port_with, status=409, message="No listener configured on this port", elb=elb, port=9999)
    refused("LoadBalancerNotFound", on_port_with, elb=elb, balancer="nobody")


def on_port_with(elb, port=8080, names=("proxy",), balancer="web"):
    elb.set_load_balancer_policies_for_backend_server(LoadBalancerName=balancer, InstancePort=port, PolicyNames=list(names))


def test_policies_outlive_the_listener_of_their_port():
    elb = client("elb")
    create(elb, listeners=[listener(80, 8080), listener(81, 8081)])
    policy(elb)
    on_port(elb, 8080, "proxy")
    elb.delete_load_balancer_listeners(**WEB, LoadBalancerPorts=[80])
    equal(backend(elb), {8080: ["proxy"]})
    refused("InvalidConfigurationRequest", elb.delete_load_balancer_policy, status=409, **WEB, PolicyName="proxy")
    on_port(elb, 8080)
    equal(backend(elb), {})
    elb.delete_load_balancer_policy(**WEB, PolicyName="proxy")
    elb.delete_load_balancer_policy(**WEB, PolicyName="proxy")
    equal(read(elb), {})
    refused("LoadBalancerNotFound", elb.delete_load_balancer_policy, LoadBalancerName="nobody", PolicyName="proxy")


def test_the_wrong_kind_cannot_be_enabled():
    elb = client("elb")
    create(elb, listeners=[listener(80, 8080, "HTTP"), listener(81, 8081)])
    policy(elb)
    elb.create_app_cookie_stickiness_policy(**WEB, PolicyName="app", CookieName="session")
    elb.create_lb_cookie_stickiness_policy(**WEB, PolicyName="browser")
    elb.create_lb_cookie_stickiness_policy(**WEB, PolicyName="minute", CookieExpirationPeriod=60)
    policy(elb, "key", "PublicKeyPolicyType", [("PublicKey", "MIIB")])
    policy(elb, "auth", "BackendServerAuthenticationPolicyType", [("PublicKeyPolicyName", "key")])
    refused("InvalidConfigurationRequest", policy, status=409, elb=elb, name="x", kind="BackendServerAuthenticationPolicyType", attributes=[("PublicKeyPolicyName", "proxy")])
    for name in ["app", "key", "auth"]:
        refused("InvalidConfigurationRequest", on_port_with, status=409, message=f"{name} cannot be enabled", elb=elb, names=[name])

    def on_listener(port, *names, balancer="web"):
        elb.set_load_balancer_policies_of_listener(LoadBalancerName=balancer, LoadBalancerPort=port, PolicyNames=list(names))

    def listener_refused(code, *arguments, status=400, **more):
        refused(code, lambda: on_listener(*arguments, **more), status=status)

    on_listener(80, "minute")
    equal(describe(elb)["ListenerDescriptions"][0]["PolicyNames"], ["minute"])
    refused("InvalidConfigurationRequest", elb.delete_load_balancer_policy, status=409, **WEB, PolicyName="minute")
    listener_refused("InvalidConfigurationRequest", 80, "minute", "app", status=409)
    listener_refused("InvalidConfigurationRequest", 80, "proxy", status=409)
    listener_refused("InvalidConfigurationRequest", 81, "app", status=409)
    listener_refused("PolicyNotFound", 80, "nothing")
    listener_refused("ListenerNotFound", 8443, "app")
    listener_refused("LoadBalancerNotFound", 80, "app", balancer="nobody")
    on_listener(80)
    equal(describe(elb)["ListenerDescriptions"][0]["PolicyNames"], [])
    refused("InvalidConfigurationRequest", elb.delete_load_balancer_policy, status=409, **WEB, PolicyName="key")
    equal(
        describe(elb)["Policies"],
        {
            "AppCookieStickinessPolicies": [{"PolicyName": "app", "CookieName": "session"}],
            "LBCookieStickinessPolicies": [{"PolicyName": "browser"}, {"PolicyName": "minute", "CookieExpirationPeriod": 60}],
            "OtherPolicies": ["auth", "key", "proxy"],
        },
    )


def test_cookie_policies_are_checked():
    elb = client("elb")
    create(elb)
    app, browser = elb.create_app_cookie_stickiness_policy, elb.create_lb_cookie_stickiness_policy
    refused("InvalidConfigurationRequest", browser, status=409, **WEB, PolicyName="x", CookieExpirationPeriod=0)
    refused("LoadBalancerNotFound", browser, LoadBalancerName="nobody", PolicyName="x")
    refused("LoadBalancerNotFound", app, LoadBalancerName="nobody", PolicyName="x", CookieName="c")
    app(**WEB, PolicyName="x", CookieName="c")
    refused("DuplicatePolicyName", app, **WEB, PolicyName="x", CookieName="d")
    refused("DuplicatePolicyName", browser, **WEB, PolicyName="x")


def test_negotiation_policies_refer_to_predefined_ones():
    elb = client("elb")
    create(elb)
    kind = "SSLNegotiationPolicyType"
    policy(elb, "tls", kind, [("Reference-Security-Policy", "ELBSecurityPolicy-TLS-1-2-2017-01")])
    attributes = dict(read(elb, "tls")["tls"])
    equal(attributes["Reference-Security-Policy"], "ELBSecurityPolicy-TLS-1-2-2017-01")
    equal((attributes["Protocol-TLSv1.2"], attributes["Protocol-TLSv1.1"]), ("true", "false"))
    refused("InvalidConfigurationRequest", policy, status=409, elb=elb, name="x", kind=kind, attributes=[("Reference-Security-Policy", "Mine")])
    policy(elb, "own", kind, [("Protocol-TLSv1.2", "true"), ("AES128-GCM-SHA256", "true")])
    equal(read(elb, "own")["own"], [("Protocol-TLSv1.2", "true"), ("AES128-GCM-SHA256", "true")])


def test_what_aws_defines_is_described():
    elb = client("elb")
    types = {one["PolicyTypeName"]: one for one in elb.describe_load_balancer_policy_types()["PolicyTypeDescriptions"]}
    equal(
        sorted(types),
        [
            "AppCookieStickinessPolicyType",
            "BackendServerAuthenticationPolicyType",
            "LBCookieStickinessPolicyType",
            "ProxyProtocolPolicyType",
            "PublicKeyPolicyType",
            "SSLNegotiationPolicyType",
        ],
    )
    proxy = types["ProxyProtocolPolicyType"]
    equal(
        proxy["PolicyAttributeTypeDescriptions"],
        [{"AttributeName": "ProxyProtocol", "AttributeType": "Boolean", "Cardinality": "ONE"}],
    )
    equal(
        proxy["Description"],
        "Policy that controls whether to include the IP address and port of the originating request for TCP messages. "
        "This policy operates on TCP/SSL listeners only",
    )
    assert all(one["Description"] and one["PolicyAttributeTypeDescriptions"] for one in types.values())
    describe_types = elb.describe_load_balancer_policy_types
    equal(describe_types(PolicyTypeNames=["ProxyProtocolPolicyType"])["PolicyTypeDescriptions"], [proxy])
    refused("PolicyTypeNotFound", describe_types, PolicyTypeNames=["NoSuchType"])

    predefined = [one["PolicyName"] for one in elb.describe_load_balancer_policies()["PolicyDescriptions"]]
    assert "ELBSecurityPolicy-2016-08" in predefined and "ELBSample-LBCookieStickinessPolicy" in predefined
    refused("PolicyNotFound", elb.describe_load_balancer_policies, PolicyNames=["Mine"])
    refused("LoadBalancerNotFound", elb.describe_load_balancer_policies, LoadBalancerName="nobody")
    create(elb)
    refused("PolicyNotFound", elb.describe_load_balancer_policies, **WEB, PolicyNames=["Mine"])


harness.run(sys.modules[__name__])
