"""Target groups, their health checks and their targets."""

import sys

import harness
from balancing import create, forward, group, listen, refusing, vpc
from classic import launch, other_vpc
from harness import admin, client, equal, refused

ec2, elb = client("ec2"), client("elbv2")


def describe(arn):
    [found] = elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    return found


def health(arn, *targets):
    more = {"Targets": list(targets)} if targets else {}
    found = elb.describe_target_health(TargetGroupArn=arn, **more)["TargetHealthDescriptions"]
    return [(one["Target"]["Id"], one["Target"]["Port"], one["TargetHealth"]["State"], one["TargetHealth"].get("Reason")) for one in found]


def register(arn, *ids, **more):
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one, **more} for one in ids])


def test_a_group_reads_back_with_the_defaults_of_its_protocol():
    found = describe(group(elb))
    assert found.pop("TargetGroupArn").startswith("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/")
    equal(
        found,
        {
            "TargetGroupName": "web", "Protocol": "HTTP", "Port": 80, "VpcId": vpc(), "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": "traffic-port", "HealthCheckEnabled": True, "HealthCheckIntervalSeconds": 30,
            "HealthCheckTimeoutSeconds": 5, "HealthyThresholdCount": 5, "UnhealthyThresholdCount": 2, "HealthCheckPath": "/",
            "Matcher": {"HttpCode": "200"}, "LoadBalancerArns": [], "TargetType": "instance", "ProtocolVersion": "HTTP1",
            "IpAddressType": "ipv4",
        },
    )
    tcp = describe(group(elb, "tcp", "TCP"))
    assert "HealthCheckPath" not in tcp and "Matcher" not in tcp and "ProtocolVersion" not in tcp, tcp
    equal((tcp["HealthCheckProtocol"], tcp["HealthCheckTimeoutSeconds"]), ("TCP", 10))
    over = describe(group(elb, "over", "TCP", HealthCheckProtocol="HTTP", TargetType="ip"))
    equal((over["HealthCheckTimeoutSeconds"], over["Matcher"], over["HealthCheckPath"]), (6, {"HttpCode": "200-399"}, "/"))
    grpc = describe(group(elb, "grpc", ProtocolVersion="GRPC"))
    equal((grpc["Matcher"], grpc["HealthCheckPath"]), ({"GrpcCode": "12"}, "/AWS.ALB/healthcheck"))


def test_the_same_create_again_succeeds_and_another_is_a_duplicate():
    arn = group(elb, Tags=[{"Key": "a", "Value": "1"}])
    equal(group(elb, Tags=[{"Key": "a", "Value": "1"}]), arn)
    message = "A target group with the same name 'web' exists, but with different settings"
    for other in [{"Port": 81}, {"Protocol": "HTTPS"}, {"TargetType": "ip"}, {"HealthCheckPath": "/x"}, {}]:
        arguments = {"Name": "web", "Protocol": "HTTP", "Port": 80, "VpcId": vpc(), **other}
        refused("DuplicateTargetGroupName", elb.create_target_group, message=message, **arguments)


def test_what_a_group_must_have():
    right = {"Name": "web", "Protocol": "HTTP", "Port": 80, "VpcId": vpc()}
    for name, message in [("Port", "A port must be specified"), ("Protocol", "A protocol must be specified"), ("VpcId", "A VPC ID must be specified")]:
        arguments = {key: value for key, value in right.items() if key != name}
        refused("ValidationError", elb.create_target_group, message=message, **arguments)
    for wrong, message in [
        ({"Name": "a" * 33}, "cannot be longer than '32' characters"),
        ({"Name": "a_b"}, "alphanumeric characters and hyphens(-)"),
        ({"VpcId": "vpc-0123456789abcdef0"}, "is not found"),
        ({"Protocol": "GENEVE"}, "GENEVE"),
        ({"TargetType": "lambda"}, "lambda"),
        ({"TargetType": "alb"}, "not supported for target type 'alb'"),
        ({"ProtocolVersion": "HTTP3"}, "HTTP1, HTTP2, GRPC"),
        ({"Protocol": "TCP", "ProtocolVersion": "HTTP1"}, "cannot be specified"),
        ({"Port": 65536}, "less than or equal to 65535"),
    ]:
        refused("ValidationError", elb.create_target_group, message=message, **{**right, **wrong})


def test_health_checks_are_checked_and_changed():
    arn = group(elb)
    changed = dict(
        HealthCheckProtocol="HTTPS", HealthCheckPort="8081", HealthCheckPath="/healthz", HealthCheckIntervalSeconds=10,
        HealthCheckTimeoutSeconds=4, HealthyThresholdCount=2, UnhealthyThresholdCount=3, Matcher={"HttpCode": "200,204-299"},
    )
    [answer] = elb.modify_target_group(TargetGroupArn=arn, **changed)["TargetGroups"]
    equal({key: answer[key] for key in changed}, changed)
    equal(describe(arn), answer)
    for wrong, message in [
        ({"HealthCheckIntervalSeconds": 301}, "less than or equal to 300"),
        ({"HealthCheckTimeoutSeconds": 121}, "less than or equal to 120"),
        ({"HealthCheckTimeoutSeconds": 10}, "must be smaller than the interval"),
        ({"HealthyThresholdCount": 11}, "less than or equal to 10"),
        ({"UnhealthyThresholdCount": 11}, "less than or equal to 10"),
        ({"HealthCheckPath": "x"}, "must begin with"),
        ({"HealthCheckPort": "x"}, "must be either 'traffic-port'"),
        ({"HealthCheckProtocol": "TCP"}, "not supported for target groups with protocol 'HTTP'"),
        ({"Matcher": {"HttpCode": "600"}}, "between 200 and 499"),
        ({"Matcher": {"GrpcCode": "12"}}, "GRPC"),
        ({"HealthCheckEnabled": False}, "disabled"),
    ]:
        refused("ValidationError", elb.modify_target_group, message=message, TargetGroupArn=arn, **wrong)
    equal(describe(arn), answer)
    tcp = group(elb, "tcp", "TCP")
    refused("ValidationError", elb.modify_target_group, TargetGroupArn=tcp, HealthCheckPath="/")
    elb.modify_target_group(TargetGroupArn=tcp, HealthCheckProtocol="HTTP")
    equal(describe(tcp)["Matcher"], {"HttpCode": "200-399"})


def test_groups_come_in_pages_and_by_name_and_load_balancer():
    arns = [group(elb, f"web-{number}") for number in range(5)]
    pages = list(elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2}))
    equal(sorted(one["TargetGroupArn"] for page in pages for one in page["TargetGroups"]), sorted(arns))
    equal([len(page["TargetGroups"]) for page in pages], [2, 2, 1])
    equal([one["TargetGroupName"] for one in elb.describe_target_groups(Names=["web-3"])["TargetGroups"]], ["web-3"])
    balancer = create(elb)
    listen(elb, balancer, forward(arns[1]))
    equal([one["TargetGroupName"] for one in elb.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]], ["web-1"])
    missing = "One or more target groups not found"
    refused("TargetGroupNotFound", elb.describe_target_groups, message=missing, Names=["none"])
    refused("TargetGroupNotFound", elb.describe_target_groups, message=missing, TargetGroupArns=[arns[0][:-1] + "x"])
    refused("ValidationError", elb.describe_target_groups, message="'x' is not a valid target group ARN", TargetGroupArns=["x"])
    refused("ValidationError", elb.describe_target_groups, Names=["web-1"], TargetGroupArns=arns[:1])
    refused("TargetGroupNotFound", elb.register_targets, TargetGroupArn=arns[0][:-1] + "x", Targets=[{"Id": "i-1234abcd"}])


def test_targets_are_unused_until_a_load_balancer_uses_the_group():
    admin("/_elbws/settings", b'{"assume_healthy":true}')
    arn, [instance] = group(elb), launch("a")
    register(arn, instance)
    register(arn, instance, Port=8080)
    equal(health(arn), [(instance, 80, "unused", "Target.NotInUse"), (instance, 8080, "unused", "Target.NotInUse")])
    balancer = create(elb, letters="ab")
    listener = listen(elb, balancer, forward(arn))
    equal(health(arn), [(instance, 80, "healthy", None), (instance, 8080, "healthy", None)])
    asked = {"Id": instance, "Port": 81}
    equal(health(arn, asked), [(instance, 81, "unused", "Target.NotRegistered")])
    [far] = launch("f")
    register(arn, far)
    equal(health(arn)[2], (far, 80, "unused", "Target.NotInUse"))
    ec2.stop_instances(InstanceIds=[instance])
    equal(health(arn)[0], (instance, 80, "unused", "Target.InvalidState"))
    ec2.terminate_instances(InstanceIds=[instance])
    equal(health(arn)[0], (instance, 80, "unused", "Target.InvalidState"))
    elb.delete_listener(ListenerArn=listener)
    equal({state for _, _, state, _ in health(arn)}, {"unused"})


def test_a_deregistered_target_drains_for_the_delay():
    admin("/_elbws/settings", b'{"assume_healthy":true}')
    admin("/_elbws/clock", b'{"fixed":"2026-01-02T03:04:05Z"}')
    arn, [one, two] = group(elb), launch("a", 2)
    elb.modify_target_group_attributes(
        TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}]
    )
    listen(elb, create(elb), forward(arn))
    register(arn, one, two)
    out = lambda *ids: elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": id} for id in ids])
    out(one)
    equal(health(arn), [(one, 80, "draining", "Target.DeregistrationInProgress"), (two, 80, "healthy", None)])
    register(arn, one)
    equal(health(arn)[0], (one, 80, "healthy", None))
    out(one, "i-0123456789abcdef0")
    admin("/_elbws/clock", b'{"advance_ms":59000}')
    out(one)
    equal(health(arn)[0][2], "draining")
    admin("/_elbws/clock", b'{"advance_ms":1000}')
    equal(health(arn), [(two, 80, "healthy", None)])


def test_targets_of_a_group_that_is_not_used_leave_at_once():
    arn, [instance] = group(elb), launch("a")
    register(arn, instance)
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": instance}])
    equal(health(arn), [])


def test_instances_are_checked():
    arn, [instance] = group(elb), launch("a")
    _, inner = other_vpc()
    [foreign] = ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, SubnetId=inner)["Instances"]
    [stopped] = launch("a")
    ec2.stop_instances(InstanceIds=[stopped])
    for code, target, message in [
        ("ValidationError", {"Id": "web-1"}, "Instance ID 'web-1' is not valid"),
        ("InvalidTarget", {"Id": "i-0123456789abcdef0"}, "does not exist"),
        ("InvalidTarget", {"Id": foreign["InstanceId"]}, "are not in the target group VPC"),
        ("InvalidTarget", {"Id": stopped}, "are not in a running state"),
        ("ValidationError", {"Id": instance, "Port": 65536}, "less than or equal to 65535"),
        ("ValidationError", {"Id": instance, "AvailabilityZone": "all"}, "Availability Zone"),
    ]:
        refused(code, elb.register_targets, message=message, TargetGroupArn=arn, Targets=[{"Id": instance}, target])
    equal(health(arn), [])
    refused("ValidationError", elb.register_targets, TargetGroupArn=arn, Targets=[])


def test_addresses_are_checked():
    arn, [instance] = group(elb, TargetType="ip"), launch("a")
    [described] = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    own = described["Instances"][0]["PrivateIpAddress"]
    register(arn, own, "172.31.0.10")
    register(arn, "10.1.2.3", AvailabilityZone="all")
    equal([one[0] for one in health(arn)], [own, "172.31.0.10", "10.1.2.3"])
    for target in [{"Id": "10.1.2.3", "Port": 1}, {"Id": "8.8.8.8", "AvailabilityZone": "all"}, {"Id": "x"}, {"Id": own, "AvailabilityZone": "x"}]:
        refused("ValidationError", elb.register_targets, TargetGroupArn=arn, Targets=[target])


def test_a_load_balancer_can_be_a_target():
    arn = group(elb, "front", "TCP", TargetType="alb")
    balancer = create(elb)
    refused("InvalidTarget", elb.register_targets, message="must have a listener", TargetGroupArn=arn, Targets=[{"Id": balancer}])
    listen(elb, balancer, refusing())
    register(arn, balancer)
    refused("ResourceInUse", elb.delete_load_balancer, LoadBalancerArn=balancer)
    second = create(elb, "second")
    listen(elb, second, refusing())
    refused("TooManyTargets", elb.register_targets, TargetGroupArn=arn, Targets=[{"Id": second}])
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": balancer}])
    elb.delete_load_balancer(LoadBalancerArn=balancer)


harness.run(sys.modules[__name__])
