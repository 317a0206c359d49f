"""Listeners and rules: protocols, certificates, actions, conditions and priorities."""

import sys

import harness
from balancing import create, forward, group, listen, refusing
from classic import certificate, other_vpc
from harness import admin, client, equal, refused

elb, acm = client("elbv2"), client("acm")


def describe(arn):
    [found] = elb.describe_listeners(ListenerArns=[arn])["Listeners"]
    return found


def path(*values):
    return [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}]


def rule(listener, priority, actions=None, conditions=None):
    [made] = elb.create_rule(
        ListenerArn=listener, Priority=priority, Actions=actions or refusing(), Conditions=conditions or path(f"/{priority}")
    )["Rules"]
    return made["RuleArn"]


def priorities(listener):
    return [one["Priority"] for one in elb.describe_rules(ListenerArn=listener)["Rules"]]


def test_a_forward_reads_back_in_both_ways():
    balancer, web = create(elb), group(elb)
    arn = listen(elb, balancer, forward(web), Tags=[{"Key": "a", "Value": "1"}])
    found = describe(arn)
    equal((found["LoadBalancerArn"], found["Port"], found["Protocol"]), (balancer, 80, "HTTP"))
    [action] = found["DefaultActions"]
    equal(
        action,
        {
            "Type": "forward",
            "TargetGroupArn": web,
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": web, "Weight": 1}],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        },
    )
    assert "Certificates" not in found and "SslPolicy" not in found, found
    equal(elb.describe_target_groups(TargetGroupArns=[web])["TargetGroups"][0]["LoadBalancerArns"], [balancer])
    equal(listen(elb, balancer, forward(web), Tags=[{"Key": "a", "Value": "1"}]), arn)
    message = f"A listener already exists on this port for this load balancer '{balancer}'"
    refused(
        "DuplicateListener", elb.create_listener, message=message,
        LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=refusing(),
    )


def test_weighted_groups_and_their_stickiness():
    balancer, one, two = create(elb), group(elb, "one"), group(elb, "two")
    config = {
        "TargetGroups": [{"TargetGroupArn": one, "Weight": 10}, {"TargetGroupArn": two, "Weight": 0}],
        "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 3600},
    }
    arn = listen(elb, balancer, [{"Type": "forward", "ForwardConfig": config, "Order": 1}])
    equal(describe(arn)["DefaultActions"], [{"Type": "forward", "Order": 1, "ForwardConfig": config}])
    for change, message in [
        ({"TargetGroups": [{"TargetGroupArn": one, "Weight": 1000}]}, "less than or equal to 999"),
        ({"TargetGroups": [{"TargetGroupArn": one}] * 2}, "only be specified once"),
        ({"TargetGroups": [{"TargetGroupArn": one}], "TargetGroupStickinessConfig": {"Enabled": True}}, "between '1' and '604800'"),
        ({"TargetGroups": []}, "must be specified"),
    ]:
        refused(
            "ValidationError", elb.modify_listener, message=message,
            ListenerArn=arn, DefaultActions=[{"Type": "forward", "ForwardConfig": change}],
        )
    six = [group(elb, f"g{number}") for number in range(6)]
    refused("ValidationError", elb.modify_listener, message="at most 5", ListenerArn=arn, DefaultActions=forward(*six))


def test_redirects_and_fixed_responses():
    balancer = create(elb)
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    arn = listen(elb, balancer, [{"Type": "redirect", "RedirectConfig": redirect}])
    equal(
        describe(arn)["DefaultActions"],
        [{"Type": "redirect", "RedirectConfig": {**redirect, "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}"}}],
    )
    for config in [{}, {"Port": "80"}, {"Protocol": "HTTP"}, {"Query": "a=b"}]:
        refused(
            "InvalidLoadBalancerAction", elb.modify_listener, message="creates a loop", ListenerArn=arn,
            DefaultActions=[{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", **config}}],
        )
    for config in [{"StatusCode": "HTTP_303"}, {"Port": "x"}, {"Path": "x"}, {"Host": "h" * 129}, {"Protocol": "WS"}]:
        refused(
            "ValidationError", elb.modify_listener, ListenerArn=arn,
            DefaultActions=[{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", **config}}],
        )
    answer = refusing(404, ContentType="text/plain", MessageBody="not here")
    elb.modify_listener(ListenerArn=arn, DefaultActions=answer)
    equal(describe(arn)["DefaultActions"], answer)
    for wrong in [refusing(301), refusing(404, MessageBody="x" * 1025), refusing(404, ContentType="image/png")]:
        refused("ValidationError", elb.modify_listener, ListenerArn=arn, DefaultActions=wrong)
    refused("ValidationError", elb.modify_listener, message="enum", ListenerArn=arn, DefaultActions=[{"Type": "x"}])
    refused("InvalidLoadBalancerAction", elb.modify_listener, ListenerArn=arn, DefaultActions=refusing() * 2)


def test_protocols_are_those_of_the_type():
    web, net = create(elb), create(elb, "net", "network")
    arguments = {"Port": 80, "DefaultActions": refusing()}
    for balancer, protocol, known in [(web, "TCP", "HTTPS, HTTP"), (net, "HTTP", "UDP, TCP, TCP_UDP, TLS")]:
        message = f"Listener protocol '{protocol}' must be one of '{known}'"
        refused("ValidationError", elb.create_listener, message=message, LoadBalancerArn=balancer, Protocol=protocol, **arguments)
    refused("ValidationError", elb.create_listener, message="enum", LoadBalancerArn=web, Protocol="X", **arguments)
    refused("ValidationError", elb.create_listener, LoadBalancerArn=web, Port=80, DefaultActions=refusing())
    refused("ValidationError", elb.create_listener, LoadBalancerArn=web, Protocol="HTTP", DefaultActions=refusing())
    refused("InvalidLoadBalancerAction", elb.create_listener, LoadBalancerArn=net, Protocol="TCP", **arguments)


def test_groups_must_fit_the_listener():
    web, net = create(elb), create(elb, "net", "network")
    http, tcp, tls, udp = group(elb), group(elb, "tcp", "TCP"), group(elb, "tls", "TLS"), group(elb, "udp", "UDP")
    grpc = group(elb, "grpc", ProtocolVersion="GRPC")
    for balancer, protocol, wrong in [(web, "HTTP", tcp), (net, "TCP", http), (net, "TCP", tls), (net, "TCP", udp), (net, "UDP", tcp)]:
        message = f"The listener and the following target groups have incompatible protocols: '{wrong}'"
        refused(
            "IncompatibleProtocols", elb.create_listener, message=message,
            LoadBalancerArn=balancer, Protocol=protocol, Port=80, DefaultActions=forward(wrong),
        )
    refused(
        "InvalidConfigurationRequest", elb.create_listener, message="GRPC",
        LoadBalancerArn=web, Protocol="HTTP", Port=80, DefaultActions=forward(grpc),
    )
    elsewhere, _ = other_vpc()
    foreign = group(elb, "foreign", VpcId=elsewhere)
    refused(
        "InvalidConfigurationRequest", elb.create_listener, message="is in a different VPC than load balancer",
        LoadBalancerArn=web, Protocol="HTTP", Port=80, DefaultActions=forward(foreign),
    )
    listen(elb, web, forward(http))
    listen(elb, web, forward(http), port=81)
    second = create(elb, "second")
    message = f"The following target groups cannot be associated with more than one load balancer: '{http}'"
    refused(
        "TargetGroupAssociationLimit", elb.create_listener, message=message,
        LoadBalancerArn=second, Protocol="HTTP", Port=80, DefaultActions=forward(http),
    )
    for wrong, code in [("web", "ValidationError"), (http[:-1] + "x", "TargetGroupNotFound")]:
        refused(code, elb.create_listener, LoadBalancerArn=second, Protocol="HTTP", Port=80, DefaultActions=forward(wrong))


def test_secure_listeners_need_a_certificate():
    balancer, arn = create(elb), certificate()
    arguments = {"LoadBalancerArn": balancer, "Protocol": "HTTPS", "Port": 443, "DefaultActions": refusing()}
    refused("ValidationError", elb.create_listener, message="A certificate must be specified for HTTPS listeners", **arguments)
    missing = arn[:-1] + "x"
    refused(
        "CertificateNotFound", elb.create_listener, message=f"Certificate '{missing}' not found",
        Certificates=[{"CertificateArn": missing}], **arguments,
    )
    arguments["Certificates"] = [{"CertificateArn": arn}]
    refused("SSLPolicyNotFound", elb.create_listener, SslPolicy="x", **arguments)
    refused("ValidationError", elb.create_listener, message="HTTP listeners", **{**arguments, "Protocol": "HTTP"})
    refused("ValidationError", elb.create_listener, message="ALPN", AlpnPolicy=["None"], **arguments)
    [made] = elb.create_listener(**arguments)["Listeners"]
    equal((made["SslPolicy"], made["Certificates"]), ("ELBSecurityPolicy-2016-08", [{"CertificateArn": arn}]))
    equal(made["MutualAuthentication"], {"Mode": "off"})
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=arn)
    equal(acm.describe_certificate(CertificateArn=arn)["Certificate"]["InUseBy"], [balancer])
    elb.delete_listener(ListenerArn=made["ListenerArn"])
    acm.delete_certificate(CertificateArn=arn)


def test_a_new_certificate_is_seen_after_a_while():
    admin("/_elbws/settings", b'{"certificate_visibility_delay_ms":1000}')
    admin("/_elbws/clock", b'{"fixed":"2026-01-02T03:04:05Z"}')
    balancer, arn = create(elb), certificate()
    arguments = dict(LoadBalancerArn=balancer, Protocol="HTTPS", Port=443, DefaultActions=refusing(), Certificates=[{"CertificateArn": arn}])
    refused("CertificateNotFound", elb.create_listener, **arguments)
    admin("/_elbws/clock", b'{"advance_ms":1000}')
    elb.create_listener(**arguments)


def test_a_listener_changes_in_place():
    balancer, one, two = create(elb), certificate(), certificate("other.example.com")
    arn = listen(elb, balancer, refusing(), 443, "HTTPS", Certificates=[{"CertificateArn": one}])
    listen(elb, balancer, refusing(), 81)
    elb.modify_listener(ListenerArn=arn, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")
    equal(describe(arn)["SslPolicy"], "ELBSecurityPolicy-TLS13-1-2-2021-06")
    elb.modify_listener(ListenerArn=arn, Certificates=[{"CertificateArn": two}])
    equal(describe(arn)["Certificates"], [{"CertificateArn": two}])
    listed = elb.describe_listener_certificates(ListenerArn=arn)["Certificates"]
    equal(listed, [{"CertificateArn": two, "IsDefault": True}, {"CertificateArn": one, "IsDefault": False}])
    refused("DuplicateListener", elb.modify_listener, ListenerArn=arn, Port=81)
    refused("ValidationError", elb.modify_listener, ListenerArn=arn, Protocol="HTTP", Certificates=[{"CertificateArn": two}])
    [plain] = elb.modify_listener(ListenerArn=arn, Protocol="HTTP", Port=82)["Listeners"]
    assert "SslPolicy" not in plain and "Certificates" not in plain, plain
    equal((plain["Port"], elb.describe_listener_certificates(ListenerArn=arn)["Certificates"]), (82, []))
    refused("ValidationError", elb.modify_listener, message="A certificate must be specified", ListenerArn=arn, Protocol="HTTPS")


def test_more_certificates_by_name():
    arns = sorted(certificate(f"{letter}.example.com") for letter in "abc")
    balancer = create(elb)
    arn = listen(elb, balancer, refusing(), 443, "HTTPS", Certificates=[{"CertificateArn": arns[0]}])
    more = [{"CertificateArn": arn} for arn in arns[1:]]
    answer = elb.add_listener_certificates(ListenerArn=arn, Certificates=more)["Certificates"]
    equal(answer, [{**one, "IsDefault": False} for one in more])
    elb.add_listener_certificates(ListenerArn=arn, Certificates=more[:1])
    pages = list(elb.get_paginator("describe_listener_certificates").paginate(ListenerArn=arn, PaginationConfig={"PageSize": 2}))
    equal([one["CertificateArn"] for page in pages for one in page["Certificates"]], arns)
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=arns[2])
    refused("OperationNotPermitted", elb.remove_listener_certificates, ListenerArn=arn, Certificates=[{"CertificateArn": arns[0]}])
    refused("CertificateNotFound", elb.add_listener_certificates, ListenerArn=arn, Certificates=[{"CertificateArn": arns[0] + "x"}])
    elb.remove_listener_certificates(ListenerArn=arn, Certificates=more[1:])
    equal(len(elb.describe_listener_certificates(ListenerArn=arn)["Certificates"]), 2)
    acm.delete_certificate(CertificateArn=arns[2])
    plain = listen(elb, balancer, refusing())
    refused("ValidationError", elb.add_listener_certificates, ListenerArn=plain, Certificates=more)
    many = [{"CertificateArn": certificate(f"{number}.example.com")} for number in range(25)]
    refused("TooManyCertificates", elb.add_listener_certificates, ListenerArn=arn, Certificates=many)


def test_alpn_is_for_tls_listeners():
    balancer, tcp, arn = create(elb, "net", "network"), group(elb, "tcp", "TCP"), certificate()
    secure = {"protocol": "TLS", "Certificates": [{"CertificateArn": arn}]}
    made = listen(elb, balancer, forward(tcp), 443, AlpnPolicy=["HTTP2Preferred"], **secure)
    equal(describe(made)["AlpnPolicy"], ["HTTP2Preferred"])
    elb.modify_listener(ListenerArn=made, AlpnPolicy=["None"])
    equal(describe(made)["AlpnPolicy"], ["None"])
    assert "AlpnPolicy" not in describe(listen(elb, balancer, forward(tcp), 444, **secure))
    refused("ALPNPolicyNotFound", elb.modify_listener, ListenerArn=made, AlpnPolicy=["http/1.1"])
    refused(
        "UnsupportedProtocol", elb.create_rule, ListenerArn=made, Priority=1, Actions=forward(tcp), Conditions=path("/"),
    )
    elb.modify_listener(ListenerArn=made, Protocol="TCP")
    assert "AlpnPolicy" not in describe(made)


def test_listeners_are_found_by_load_balancer_and_by_arn():
    balancer = create(elb)
    arns = sorted(listen(elb, balancer, refusing(), port) for port in [80, 81, 82])
    pages = list(elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer, PaginationConfig={"PageSize": 2}))
    equal([one["ListenerArn"] for page in pages for one in page["Listeners"]], arns)
    refused("ValidationError", elb.describe_listeners, message="either listener ARNs or a load balancer ARN")
    refused("ListenerNotFound", elb.describe_listeners, ListenerArns=[arns[0][:-1] + "x"])
    refused("ValidationError", elb.describe_listeners, message="not a valid listener ARN", ListenerArns=["x"])
    refused("LoadBalancerNotFound", elb.describe_listeners, LoadBalancerArn=balancer[:-1] + "x")
    elb.delete_listener(ListenerArn=arns[0])
    refused("ListenerNotFound", elb.delete_listener, ListenerArn=arns[0])


def test_a_load_balancer_has_fifty_listeners_at_most():
    balancer = create(elb)
    for port in range(1000, 1050):
        listen(elb, balancer, refusing(), port)
    refused("TooManyListeners", elb.create_listener, LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=refusing())


def test_conditions_read_back():
    listener = listen(elb, create(elb), refusing())
    conditions = [
        {"Field": "host-header", "Values": ["a.example.com"]},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Kind", "Values": ["a*"]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a", "Value": "b"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
    ]
    arn = rule(listener, 10, conditions=conditions)
    [found] = elb.describe_rules(RuleArns=[arn])["Rules"]
    conditions[0]["HostHeaderConfig"] = {"Values": ["a.example.com"]}
    equal(found["Conditions"], conditions)
    equal((found["Priority"], found["IsDefault"]), ("10", False))
    elb.modify_rule(RuleArn=arn, Conditions=path("/ws/*", "/chat"))
    [found] = elb.describe_rules(RuleArns=[arn])["Rules"]
    values = ["/ws/*", "/chat"]
    equal(found["Conditions"], [{"Field": "path-pattern", "Values": values, "PathPatternConfig": {"Values": values}}])


def test_conditions_are_checked():
    listener = listen(elb, create(elb), refusing())
    query = lambda *values: [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": value} for value in values]}}]
    for conditions, message in [
        (path(), "must be specified"),
        (path("/" + "a" * 128), "not valid"),
        (path("/a b"), "not valid"),
        (path("/a") + path("/b"), "can only have one 'path-pattern' condition"),
        (query(*"abcdef"), "can only have '5' condition values"),
        (path(*"abc") + query(*"abc"), "can only have '5' condition values"),
        ([{"Field": "x", "Values": ["a"]}], "must be one of"),
        ([{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}}], "not valid"),
        ([{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}}], "not valid"),
        ([{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["a"]}}], "host-header"),
        ([{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a b", "Values": ["a"]}}], "not valid"),
    ]:
        refused("ValidationError", elb.create_rule, message=message, ListenerArn=listener, Priority=1, Actions=refusing(), Conditions=conditions)
    refused("ValidationError", elb.create_rule, ListenerArn=listener, Priority=50001, Actions=refusing(), Conditions=path("/"))


def test_priorities_are_unique_and_change_places():
    listener = listen(elb, create(elb), refusing())
    arns = {priority: rule(listener, priority) for priority in [20, 3, 100]}
    equal(priorities(listener), ["3", "20", "100", "default"])
    refused(
        "PriorityInUse", elb.create_rule, message="Priority '20' is currently in use",
        ListenerArn=listener, Priority=20, Actions=refusing(), Conditions=path("/"),
    )
    pair = lambda before, after: {"RuleArn": arns[before], "Priority": after}
    moved = elb.set_rule_priorities(RulePriorities=[pair(3, 20), pair(20, 3), pair(100, 50)])["Rules"]
    equal(sorted((one["RuleArn"], one["Priority"]) for one in moved), sorted([(arns[3], "20"), (arns[20], "3"), (arns[100], "50")]))
    equal(priorities(listener), ["3", "20", "50", "default"])
    refused("PriorityInUse", elb.set_rule_priorities, RulePriorities=[pair(3, 50)])
    refused("PriorityInUse", elb.set_rule_priorities, RulePriorities=[pair(3, 7), pair(20, 7)])
    refused("ValidationError", elb.set_rule_priorities, RulePriorities=[pair(3, 7), pair(3, 8)])
    refused("RuleNotFound", elb.set_rule_priorities, RulePriorities=[{"RuleArn": arns[3] + "x", "Priority": 7}])
    equal(priorities(listener), ["3", "20", "50", "default"])
    pages = list(elb.get_paginator("describe_rules").paginate(ListenerArn=listener, PaginationConfig={"PageSize": 3}))
    equal([one["Priority"] for page in pages for one in page["Rules"]], ["3", "20", "50", "default"])


def test_the_default_rule_stays():
    listener = listen(elb, create(elb), refusing())
    [default] = elb.describe_rules(ListenerArn=listener)["Rules"]
    equal((default["Priority"], default["IsDefault"], default["Conditions"]), ("default", True, []))
    arn = default["RuleArn"]
    refused("OperationNotPermitted", elb.delete_rule, message=f"Default rule '{arn}' cannot be deleted", RuleArn=arn)
    refused("OperationNotPermitted", elb.modify_rule, RuleArn=arn, Actions=refusing(404))
    refused("OperationNotPermitted", elb.set_rule_priorities, RulePriorities=[{"RuleArn": arn, "Priority": 1}])
    other = rule(listener, 1)
    elb.delete_rule(RuleArn=other)
    refused("RuleNotFound", elb.delete_rule, RuleArn=other)
    refused("RuleNotFound", elb.describe_rules, RuleArns=[other])
    refused("ValidationError", elb.describe_rules)


def test_a_rule_keeps_its_group_in_use():
    listener, web = listen(elb, create(elb), refusing()), group(elb)
    arn = rule(listener, 1, actions=forward(web))
    message = f"Target group '{web}' is currently in use by a listener or a rule"
    refused("ResourceInUse", elb.delete_target_group, message=message, TargetGroupArn=web)
    refused("ValidationError", elb.modify_rule, RuleArn=arn)
    elb.modify_rule(RuleArn=arn, Actions=refusing())
    elb.delete_target_group(TargetGroupArn=web)
    elb.delete_target_group(TargetGroupArn=web)


def test_a_load_balancer_has_a_hundred_rules_at_most():
    listener = listen(elb, create(elb), refusing())
    for priority in range(1, 101):
        rule(listener, priority)
    refused("TooManyRules", elb.create_rule, ListenerArn=listener, Priority=101, Actions=refusing(), Conditions=path("/"))


def test_a_load_balancer_has_a_hundred_target_groups_at_most():
    groups = [group(elb, f"web-{number}") for number in range(101)]
    balancer = create(elb)
    listener = listen(elb, balancer, refusing())
    for priority in range(20):
        five = groups[5 * priority : 5 * priority + 5]
        elb.create_rule(ListenerArn=listener, Priority=priority + 1, Actions=forward(*five), Conditions=path("/"))
    more = dict(ListenerArn=listener, Priority=50, Conditions=path("/"))
    refused("TooManyUniqueTargetGroupsPerLoadBalancer", elb.create_rule, Actions=forward(groups[100]), **more)
    refused(
        "TooManyUniqueTargetGroupsPerLoadBalancer", elb.modify_listener, ListenerArn=listener, DefaultActions=forward(groups[100]),
    )
    elb.create_rule(Actions=forward(groups[0]), **more)


harness.run(sys.modules[__name__])
