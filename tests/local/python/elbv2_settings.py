"""Attributes, tags, static addresses, limits and policies, and what the AWS CLI makes of all that."""

import json
import sys

import boto3
import harness
from balancing import create, forward, group, listen, refusing, vpc
from botocore.config import Config
from botocore.exceptions import ClientError
from classic import certificate, default_subnets, launch
from harness import admin, cli, client, equal, refused

ec2, elb = client("ec2"), client("elbv2")

# Gateway Load Balancers, trust stores, and what belongs to neither a WebSocket nor elbws.
NOT_SERVED = {
    "AddTrustStoreRevocations", "CreateTrustStore", "DeleteSharedTrustStoreAssociation", "DeleteTrustStore",
    "DescribeTrustStoreAssociations", "DescribeTrustStoreRevocations", "GetTrustStoreCaCertificatesBundle",
    "GetTrustStoreRevocationContent", "ModifyCapacityReservation", "ModifyIpPools", "ModifyTrustStore",
    "RemoveTrustStoreRevocations",
}


def attributes(call, **arn):
    return {one["Key"]: one["Value"] for one in call(**arn)["Attributes"]}


def given(**values):
    return [{"Key": key, "Value": value} for key, value in values.items()]


def test_every_other_operation_of_the_model_is_served():
    raw = boto3.client("elbv2", region_name="us-east-1", config=Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    operations = set(raw.meta.service_model.operation_names)
    equal(len(operations), 51)
    equal(NOT_SERVED - operations, set())
    served = 0
    for operation in sorted(operations - NOT_SERVED):
        try:
            raw._make_api_call(operation, {})
        except ClientError as error:
            equal((operation, error.response["Error"]["Code"]), (operation, "ValidationError"))
        served += 1
    equal(served, 39)
    for operation in sorted(NOT_SERVED):
        refused("InvalidAction", raw._make_api_call, operation_name=operation, api_params={})
    admin("/_elbws/reset", b"")


def test_attributes_of_load_balancers():
    web, net = create(elb), create(elb, "net", "network")
    found = attributes(elb.describe_load_balancer_attributes, LoadBalancerArn=web)
    equal(len(found), 24)
    for key, value in {
        "idle_timeout.timeout_seconds": "60", "client_keep_alive.seconds": "3600", "deletion_protection.enabled": "false",
        "routing.http.desync_mitigation_mode": "defensive", "routing.http2.enabled": "true", "access_logs.s3.bucket": "",
        "routing.http.xff_header_processing.mode": "append", "load_balancing.cross_zone.enabled": "true",
    }.items():
        equal((key, found[key]), (key, value))
    change = given(**{"idle_timeout.timeout_seconds": "4000", "routing.http.drop_invalid_header_fields.enabled": "True"})
    answer = {one["Key"]: one["Value"] for one in elb.modify_load_balancer_attributes(LoadBalancerArn=web, Attributes=change)["Attributes"]}
    found.update({"idle_timeout.timeout_seconds": "4000", "routing.http.drop_invalid_header_fields.enabled": "true"})
    equal(answer, found)
    equal(attributes(elb.describe_load_balancer_attributes, LoadBalancerArn=web), found)
    for key, value, message in [
        ("idle_timeout.timeout_seconds", "4001", "must be between '1' and '4000' inclusive"),
        ("client_keep_alive.seconds", "59", "must be between '60' and '604800' inclusive"),
        ("routing.http.desync_mitigation_mode", "x", "must be one of"),
        ("routing.http2.enabled", "yes", "must be 'true' or 'false'"),
        ("load_balancing.cross_zone.enabled", "use", "must be"),
        ("none", "true", "Load balancer attribute key 'none' is not recognized"),
        ("dns_record.client_routing_policy", "any_availability_zone", "is not supported by load balancers with type 'application'"),
    ]:
        refused("ValidationError", elb.modify_load_balancer_attributes, message=message, LoadBalancerArn=web, Attributes=given(**{key: value}))
    twice = given(**{"routing.http2.enabled": "true"}) * 2
    refused("ValidationError", elb.modify_load_balancer_attributes, LoadBalancerArn=web, Attributes=twice)
    for change in [{"access_logs.s3.enabled": "true"}, {"connection_logs.s3.enabled": "true"}, {"load_balancing.cross_zone.enabled": "false"}]:
        refused("InvalidConfigurationRequest", elb.modify_load_balancer_attributes, LoadBalancerArn=web, Attributes=given(**change))
    logs = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "b", "access_logs.s3.prefix": "p"}
    elb.modify_load_balancer_attributes(LoadBalancerArn=web, Attributes=given(**logs))
    found = attributes(elb.describe_load_balancer_attributes, LoadBalancerArn=net)
    equal(len(found), 9)
    equal(found["load_balancing.cross_zone.enabled"], "false")
    refused(
        "ValidationError", elb.modify_load_balancer_attributes, message="with type 'network'",
        LoadBalancerArn=net, Attributes=given(**{"idle_timeout.timeout_seconds": "60"}),
    )


def test_what_no_load_balancer_has_is_answered_so():
    """Inventories and Terraform ask for these of every load balancer."""
    arn = create(elb)
    equal(elb.describe_capacity_reservation(LoadBalancerArn=arn)["CapacityReservationState"], [])
    refused("LoadBalancerNotFound", elb.describe_capacity_reservation, LoadBalancerArn=arn[:-1] + "x")
    equal(elb.describe_trust_stores()["TrustStores"], [])
    refused("TrustStoreNotFound", elb.describe_trust_stores, Names=["clients"])
    refused("ResourceNotFound", elb.get_resource_policy, ResourceArn=arn)
    refused("ValidationError", elb.get_resource_policy, ResourceArn="x")


def test_what_is_not_served_is_refused_and_not_passed_over():
    arn, web, subnets = create(elb), group(elb), default_subnets()
    listener = listen(elb, arn, forward(web))
    rewrite = [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/ws/", "Replace": "/"}]}}]
    condition = [{"Field": "path-pattern", "Values": ["/ws/*"]}]
    make = dict(ListenerArn=listener, Priority=1, Conditions=condition, Actions=forward(web))
    [rule] = elb.create_rule(**make, Transforms=[])["Rules"]
    elb.modify_rule(RuleArn=rule["RuleArn"], ResetTransforms=True)
    refused("ValidationError", elb.modify_rule, RuleArn=rule["RuleArn"])
    made = dict(Name="other", Subnets=[subnets["a"], subnets["b"]])
    targets = dict(TargetGroupArn=web, Targets=[{"Id": launch("a")[0], "QuicServerId": "0x0123456789abcdef"}])
    for call, arguments, name in [
        (elb.create_rule, {**make, "Priority": 2, "Transforms": rewrite}, "Transforms"),
        (elb.modify_rule, {"RuleArn": rule["RuleArn"], "Transforms": rewrite}, "Transforms"),
        (elb.create_load_balancer, {**made, "IpamPools": {"Ipv4IpamPoolId": "ipam-pool-0123456789abcdef0"}}, "IpamPools"),
        (elb.create_load_balancer, {**made, "CustomerOwnedIpv4Pool": "ipv4pool-coip-0123456789abcdef0"}, "CustomerOwnedIpv4Pool"),
        (elb.create_load_balancer, {**made, "EnablePrefixForIpv6SourceNat": "on"}, "EnablePrefixForIpv6SourceNat"),
        (elb.set_subnets, {"LoadBalancerArn": arn, "Subnets": made["Subnets"], "EnablePrefixForIpv6SourceNat": "on"}, "EnablePrefixForIpv6SourceNat"),
        (elb.create_target_group, {"Name": "x", "Protocol": "HTTP", "Port": 80, "VpcId": vpc(), "TargetControlPort": 3000}, "TargetControlPort"),
        (elb.register_targets, targets, "QuicServerId"),
    ]:
        refused("ValidationError", call, message=f"{name} is not served by the local AWS", **arguments)


def test_deletion_protection():
    arn = create(elb)
    protect = lambda value: elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=given(**{"deletion_protection.enabled": value})
    )
    protect("true")
    message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
    refused("OperationNotPermitted", elb.delete_load_balancer, message=message, LoadBalancerArn=arn)
    protect("false")
    elb.delete_load_balancer(LoadBalancerArn=arn)


def test_attributes_of_target_groups():
    web, tcp, ip, udp = group(elb), group(elb, "tcp", "TCP"), group(elb, "ip", "TCP", TargetType="ip"), group(elb, "udp", "UDP")
    describe = lambda arn: attributes(elb.describe_target_group_attributes, TargetGroupArn=arn)
    modify = lambda arn, **values: elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=given(**values))
    found = describe(web)
    equal((found["stickiness.type"], found["deregistration_delay.timeout_seconds"]), ("lb_cookie", "300"))
    equal([describe(arn)["preserve_client_ip.enabled"] for arn in [tcp, ip, udp]], ["true", "false", "true"])
    equal(describe(udp)["deregistration_delay.connection_termination.enabled"], "true")
    modify(tcp, **{"proxy_protocol_v2.enabled": "true", "preserve_client_ip.enabled": "false"})
    equal(describe(tcp)["proxy_protocol_v2.enabled"], "true")
    sticky = {"stickiness.enabled": "true", "stickiness.type": "app_cookie", "stickiness.app_cookie.cookie_name": "session"}
    modify(web, **sticky)
    equal({key: value for key, value in describe(web).items() if key in sticky}, sticky)
    modify(web, **{"stickiness.enabled": "false"})
    modify(web, **{"slow_start.duration_seconds": "30"})
    algorithm = "load_balancing.algorithm.type"
    for arn, code, values in [
        (web, "ValidationError", {"slow_start.duration_seconds": "29"}),
        (web, "ValidationError", {"deregistration_delay.timeout_seconds": "3601"}),
        (web, "ValidationError", {"stickiness.lb_cookie.duration_seconds": "604801"}),
        (web, "ValidationError", {"proxy_protocol_v2.enabled": "true"}),
        (web, "ValidationError", {algorithm: "x"}),
        (web, "InvalidConfigurationRequest", {algorithm: "least_outstanding_requests"}),
        (web, "InvalidConfigurationRequest", {"load_balancing.algorithm.anomaly_mitigation": "on"}),
        (web, "InvalidConfigurationRequest", {"stickiness.type": "source_ip"}),
        (web, "InvalidConfigurationRequest", {"stickiness.app_cookie.cookie_name": "AWSALBAPP-1"}),
        (tcp, "InvalidConfigurationRequest", {"stickiness.type": "lb_cookie"}),
        (tcp, "InvalidConfigurationRequest", {"target_health_state.unhealthy.draining_interval_seconds": "5"}),
        (tcp, "ValidationError", {algorithm: "round_robin"}),
        (udp, "InvalidConfigurationRequest", {"preserve_client_ip.enabled": "false"}),
    ]:
        refused(code, elb.modify_target_group_attributes, TargetGroupArn=arn, Attributes=given(**values))
    modify(web, **{"slow_start.duration_seconds": "0", algorithm: "least_outstanding_requests"})
    forwarding, inspection = "routing.http2.rst_stream_error_forwarding.enabled", "waf.http2.traffic_inspection_behavior"
    newer, grpc = group(elb, "newer", ProtocolVersion="HTTP2"), group(elb, "grpc", ProtocolVersion="GRPC")
    equal([describe(newer)[key] for key in [forwarding, inspection]], ["false", "inspect_immediately"])
    equal(describe(grpc)[forwarding], "false")
    modify(newer, **{inspection: "inspect_after_sufficient_data"})
    refused("ValidationError", elb.modify_target_group_attributes, TargetGroupArn=newer, Attributes=given(**{inspection: "x"}))
    for arn, key in [(grpc, inspection), (web, forwarding)]:
        refused(
            "ValidationError", elb.modify_target_group_attributes, message="is not supported by target groups",
            TargetGroupArn=arn, Attributes=given(**{key: "true"}),
        )


def test_attributes_of_listeners():
    web, net, tcp = create(elb), create(elb, "net", "network"), group(elb, "tcp", "TCP")
    arn = certificate()
    secure = {"Certificates": [{"CertificateArn": arn}]}
    describe = lambda arn: attributes(elb.describe_listener_attributes, ListenerArn=arn)
    http, https = listen(elb, web, refusing()), listen(elb, web, refusing(), 443, "HTTPS", **secure)
    equal((len(describe(http)), len(describe(https))), (11, 19))
    hsts = "routing.http.response.strict_transport_security.header_value"
    elb.modify_listener_attributes(ListenerArn=https, Attributes=given(**{hsts: "max-age=31536000"}))
    equal(describe(https)[hsts], "max-age=31536000")
    plain, tls = listen(elb, net, forward(tcp), 80, "TCP"), listen(elb, net, forward(tcp), 443, "TLS", **secure)
    equal(describe(plain), {"tcp.idle_timeout.seconds": "350"})
    elb.modify_listener_attributes(ListenerArn=plain, Attributes=given(**{"tcp.idle_timeout.seconds": "6000"}))
    equal(describe(plain), {"tcp.idle_timeout.seconds": "6000"})
    for value in ["59", "6001", "x"]:
        refused("ValidationError", elb.modify_listener_attributes, ListenerArn=plain, Attributes=given(**{"tcp.idle_timeout.seconds": value}))
    refused("ValidationError", elb.describe_listener_attributes, ListenerArn=tls)
    refused("ValidationError", elb.modify_listener_attributes, ListenerArn=tls, Attributes=given(**{"tcp.idle_timeout.seconds": "350"}))


def test_tags():
    balancer, web = create(elb), group(elb)
    listener = listen(elb, balancer, forward(web), Tags=given(a="1"))
    [rule] = elb.create_rule(
        ListenerArn=listener, Priority=1, Actions=refusing(), Conditions=[{"Field": "path-pattern", "Values": ["/"]}],
        Tags=given(a="1"),
    )["Rules"]
    arns = [balancer, web, listener, rule["RuleArn"]]

    def tags():
        found = elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
        equal([one["ResourceArn"] for one in found], arns)
        return [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in found]

    equal(tags(), [{}, {}, {"a": "1"}, {"a": "1"}])
    elb.add_tags(ResourceArns=arns, Tags=given(a="2", b=""))
    equal(tags(), [{"a": "2", "b": ""}] * 4)
    elb.remove_tags(ResourceArns=arns[:1], TagKeys=["a", "none"])
    equal(tags()[0], {"b": ""})
    refused("DuplicateTagKeys", elb.add_tags, ResourceArns=arns, Tags=given(a="1") * 2)
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    refused("TooManyTags", elb.add_tags, ResourceArns=arns, Tags=many)
    refused("TooManyTags", elb.create_target_group, Name="x", Tags=many + given(a="1"), Protocol="HTTP", Port=80, VpcId="vpc-1")
    refused("ValidationError", elb.add_tags, ResourceArns=["x"], Tags=given(a="1"))
    refused("ValidationError", elb.describe_tags, ResourceArns=arns * 6)
    refused("TargetGroupNotFound", elb.describe_tags, ResourceArns=[web[:-1] + "x"])
    refused("LoadBalancerNotFound", elb.add_tags, ResourceArns=[web, balancer[:-1] + "x"], Tags=given(c="3"))
    equal(tags()[1], {"a": "2", "b": ""})


def test_static_addresses():
    subnets = default_subnets()
    allocation = ec2.allocate_address(Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": given(App="chat")}])
    id = allocation["AllocationId"]
    mapping = lambda letter, **more: [{"SubnetId": subnets[letter], **more}]
    arn = create(elb, "net", "network", SubnetMappings=mapping("a", AllocationId=id))
    [found] = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    [zone] = found["AvailabilityZones"]
    equal(zone["LoadBalancerAddresses"], [{"IpAddress": allocation["PublicIp"], "AllocationId": id}])
    [address] = ec2.describe_addresses(Filters=[{"Name": "tag:App", "Values": ["chat"]}])["Addresses"]
    [interface] = ec2.describe_network_interfaces(NetworkInterfaceIds=[address["NetworkInterfaceId"]])["NetworkInterfaces"]
    equal(interface["Association"]["PublicIp"], allocation["PublicIp"])
    equal((interface["Description"], address["AssociationId"]), ("ELB " + arn.split(":loadbalancer/")[1], interface["Association"]["AssociationId"]))
    refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=id)
    make = lambda **more: dict(Name="other", Type="network", **more)
    refused("ResourceInUse", elb.create_load_balancer, **make(SubnetMappings=mapping("a", AllocationId=id)))
    unknown = "eipalloc-0123456789abcdef0"
    refused("AllocationIdNotFound", elb.create_load_balancer, **make(SubnetMappings=mapping("a", AllocationId=unknown)))
    refused("InvalidConfigurationRequest", elb.create_load_balancer, **make(Scheme="internal", SubnetMappings=mapping("a", AllocationId=id)))
    refused("InvalidConfigurationRequest", elb.create_load_balancer, **make(SubnetMappings=mapping("a", PrivateIPv4Address="172.31.0.10")))
    both = mapping("a", AllocationId=id) + mapping("b")
    refused("InvalidConfigurationRequest", elb.create_load_balancer, Name="web", SubnetMappings=both)
    refused("InvalidConfigurationRequest", elb.set_subnets, LoadBalancerArn=arn, SubnetMappings=mapping("a"))
    second = ec2.allocate_address()["AllocationId"]
    elb.set_subnets(LoadBalancerArn=arn, SubnetMappings=mapping("a", AllocationId=id) + mapping("b", AllocationId=second))
    equal(create(elb, "net", "network", SubnetMappings=mapping("b", AllocationId=second) + mapping("a", AllocationId=id)), arn)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    ec2.release_address(AllocationId=id)
    refused("InvalidAllocationID.NotFound", ec2.release_address, AllocationId=id)
    for _ in range(4):
        ec2.allocate_address()
    refused("AddressLimitExceeded", ec2.allocate_address)


def test_private_addresses_of_an_internal_one():
    subnets = default_subnets()
    static = lambda address: [{"SubnetId": subnets["a"], "PrivateIPv4Address": address}]
    arn = create(elb, "net", "network", Scheme="internal", SubnetMappings=static("172.31.0.10"))
    [found] = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    assert found["DNSName"].startswith("internal-net-"), found["DNSName"]
    equal(found["AvailabilityZones"][0]["LoadBalancerAddresses"], [{"PrivateIPv4Address": "172.31.0.10"}])
    [interface] = ec2.describe_network_interfaces(Filters=[{"Name": "private-ip-address", "Values": ["172.31.0.10"]}])["NetworkInterfaces"]
    equal(interface["RequesterId"], "amazon-aws")
    for address, code in [("172.31.0.10", "ResourceInUse"), ("172.31.0.3", "InvalidConfigurationRequest"),
                          ("172.31.16.10", "InvalidConfigurationRequest"), ("x", "ValidationError")]:
        refused(code, elb.create_load_balancer, Name="other", Type="network", Scheme="internal", SubnetMappings=static(address))


def test_policies_and_limits():
    policies = {one["Name"]: one for one in elb.describe_ssl_policies()["SslPolicies"]}
    strict = policies["ELBSecurityPolicy-TLS13-1-2-Res-2021-06"]
    equal(strict["SslProtocols"], ["TLSv1.3", "TLSv1.2"])
    equal(len(strict["Ciphers"]), 7)
    equal(strict["Ciphers"][0], {"Name": "TLS_AES_128_GCM_SHA256", "Priority": 1})
    equal(len(policies["ELBSecurityPolicy-2016-08"]["Ciphers"]), 18)
    fips = policies["ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09"]
    equal([one["Name"] for one in fips["Ciphers"][:2]], ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
    equal((len(fips["Ciphers"]), len(policies["ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-2023-04"]["Ciphers"])), (6, 14))
    refused("SSLPolicyNotFound", elb.describe_ssl_policies, Names=["x"])
    limits = {one["Name"]: one["Max"] for one in elb.describe_account_limits()["Limits"]}
    equal((limits["application-load-balancers"], limits["rules-per-application-load-balancer"]), ("50", "100"))
    first = elb.describe_account_limits(PageSize=1)
    equal(len(first["Limits"]), 1)
    assert first["NextMarker"]


def told(*arguments):
    answer = cli("elbv2", *arguments, "--output", "json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout) if answer.stdout.strip() else None


def test_the_command_line_builds_a_load_balancer():
    admin("/_elbws/settings", b'{"assume_healthy":true}')
    subnets = default_subnets()
    balancer = told("create-load-balancer", "--name", "web", "--subnets", subnets["a"], subnets["b"])["LoadBalancers"][0]["LoadBalancerArn"]
    equal(cli("elbv2", "wait", "load-balancer-available", "--load-balancer-arns", balancer).returncode, 0)
    web = group(elb)
    instances = launch("a", 2)
    told("register-targets", "--target-group-arn", web, "--targets", *(f"Id={id},Port=8080" for id in instances))
    arn = certificate()
    listener = told(
        "create-listener", "--load-balancer-arn", balancer, "--protocol", "HTTPS", "--port", "443",
        "--certificates", f"CertificateArn={arn}", "--ssl-policy", "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "--default-actions", f"Type=forward,TargetGroupArn={web}",
    )["Listeners"][0]["ListenerArn"]
    told(
        "create-listener", "--load-balancer-arn", balancer, "--protocol", "HTTP", "--port", "80", "--default-actions",
        "Type=redirect,RedirectConfig={Protocol=HTTPS,Port=443,StatusCode=HTTP_301}",
    )
    told(
        "create-rule", "--listener-arn", listener, "--priority", "10", "--conditions", "Field=path-pattern,Values=/ws/*",
        "--actions", f"Type=forward,TargetGroupArn={web}",
    )
    told("modify-load-balancer-attributes", "--load-balancer-arn", balancer, "--attributes", "Key=idle_timeout.timeout_seconds,Value=4000")
    equal(cli("elbv2", "wait", "target-in-service", "--target-group-arn", web).returncode, 0)
    states = told("describe-target-health", "--target-group-arn", web, "--query", "TargetHealthDescriptions[].TargetHealth.State")
    equal(states, ["healthy", "healthy"])
    failed = cli("elbv2", "delete-target-group", "--target-group-arn", web)
    assert "(ResourceInUse)" in failed.stderr, failed.stderr
    told("delete-load-balancer", "--load-balancer-arn", balancer)
    told("delete-target-group", "--target-group-arn", web)


harness.run(sys.modules[__name__])
