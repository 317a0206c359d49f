"""Classic load balancers: creating, describing, deleting, and where they stand."""

import datetime
import sys

import harness
from classic import ZONES, create, default_subnets, describe, listener, other_vpc
from harness import ACCOUNT, admin, client, equal, refused


def group(name, vpc):
    return client("ec2").create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]


def describe_default(ec2):
    """The default security group of the default VPC."""
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["SecurityGroups"]
    [found] = [one for one in groups if one["GroupName"] == "default"]
    return found


def interfaces(name):
    found = client("ec2").describe_network_interfaces(Filters=[{"Name": "description", "Values": ["ELB " + name]}])
    return found["NetworkInterfaces"]


def test_a_new_load_balancer_has_aws_defaults():
    elb, ec2 = client("elb"), client("ec2")
    admin("/_elbws/clock", b'{"fixed":"2026-03-19T03:24:02.650Z"}')
    dns_name = create(elb, listeners=[listener(80, 8080, "http")])["DNSName"]
    assert dns_name.startswith("web-") and dns_name.endswith(".us-east-1.elb.localhost"), dns_name
    assert dns_name.split(".")[0].removeprefix("web-").isdigit(), dns_name
    subnets = default_subnets()
    [vpc] = ec2.describe_vpcs()["Vpcs"]
    [default] = ec2.describe_security_groups()["SecurityGroups"]
    equal(
        describe(elb),
        {
            "LoadBalancerName": "web",
            "DNSName": dns_name,
            "CanonicalHostedZoneName": dns_name,
            "CanonicalHostedZoneNameID": "Z35SXDOTRQ7X7K",
            "ListenerDescriptions": [
                {
                    "Listener": {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP", "InstancePort": 8080},
                    "PolicyNames": [],
                }
            ],
            "Policies": {"AppCookieStickinessPolicies": [], "LBCookieStickinessPolicies": [], "OtherPolicies": []},
            "BackendServerDescriptions": [],
            "AvailabilityZones": ZONES,
            "Subnets": [subnets["a"], subnets["b"]],
            "VPCId": vpc["VpcId"],
            "Instances": [],
            "HealthCheck": {
                "Target": "TCP:8080",
                "Interval": 30,
                "Timeout": 5,
                "UnhealthyThreshold": 2,
                "HealthyThreshold": 10,
            },
            "SourceSecurityGroup": {"OwnerAlias": ACCOUNT, "GroupName": "default"},
            "SecurityGroups": [default["GroupId"]],
            "CreatedTime": datetime.datetime(2026, 3, 19, 3, 24, 2, 650000, tzinfo=datetime.timezone.utc),
            "Scheme": "internet-facing",
        },
    )


def test_an_internal_one_says_so_in_its_name():
    elb = client("elb", "eu-west-1")
    dns_name = create(elb, Scheme="internal", AvailabilityZones=["eu-west-1a"])["DNSName"]
    assert dns_name.startswith("internal-web-") and ".eu-west-1." in dns_name, dns_name
    found = describe(elb)
    equal((found["Scheme"], "CanonicalHostedZoneName" in found), ("internal", False))
    equal(client("elb").describe_load_balancers()["LoadBalancerDescriptions"], [])


def test_names_are_checked():
    elb = client("elb")
    for name, message in [
        ("x" * 33, "LoadBalancer name cannot be longer than 32 characters"),
        ("web_1", "LoadBalancer name cannot contain characters that are not letters, or digits or the dash."),
        ("-web", "dash"),
        ("web-", "dash"),
        ("internal-web", "internal-"),
    ]:
        refused("ValidationError", create, elb=elb, name=name, message=message)
    create(elb, "x" * 32)


def test_a_place_is_given_one_way():
    elb = client("elb")
    subnets = default_subnets()
    refused(
        "ValidationError",
        elb.create_load_balancer,
        message="Either AvailabilityZones or SubnetIds must be specified",
        LoadBalancerName="web",
        Listeners=[listener()],
    )
    refused(
        "ValidationError",
        create,
        message="Only one of SubnetIds or AvailabilityZones may be specified",
        elb=elb,
        AvailabilityZones=ZONES,
        Subnets=[subnets["a"]],
    )
    refused("ValidationError", create, message="us-east-1z", elb=elb, AvailabilityZones=["us-east-1z"])
    refused("SubnetNotFound", create, elb=elb, Subnets=["subnet-0123"])
    vpc, other = other_vpc()
    refused("InvalidConfigurationRequest", create, status=409, elb=elb, Subnets=[subnets["b"], other])
    refused("InvalidSubnet", create, message=f"VPC {vpc} has no internet gateway", elb=elb, Subnets=[other])
    create(elb, Subnets=[other], Scheme="internal")
    refused("InvalidScheme", create, elb=elb, name="other", Scheme="sideways")
    second = client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a")
    refused(
        "InvalidConfigurationRequest",
        create,
        status=409,
        message="ELB cannot be attached to multiple subnets in the same AZ.",
        elb=elb,
        name="other",
        Scheme="internal",
        Subnets=[other, second["Subnet"]["SubnetId"]],
    )


def test_the_same_create_again_succeeds_and_another_does_not():
    elb = client("elb")
    tags = [{"Key": "App", "Value": "chat"}]
    first = create(elb, Tags=tags)["DNSName"]
    equal(create(elb, Tags=tags)["DNSName"], first)
    for change in [
        {"listeners": [listener(81)]},
        {"listeners": [listener(), listener(81)]},
        {"AvailabilityZones": ["us-east-1a"]},
        {"Scheme": "internal"},
        {"Tags": [{"Key": "App", "Value": "other"}]},
    ]:
        message = "already exists and it is configured with different parameters"
        refused("DuplicateLoadBalancerName", create, message=message, elb=elb, **{"Tags": tags, **change})


def test_security_groups_must_be_of_the_vpc():
    elb, ec2 = client("elb"), client("ec2")
    vpc, _ = other_vpc()
    default = describe_default(ec2)
    elsewhere = group("elsewhere", vpc)
    refused("InvalidSecurityGroup", create, elb=elb, SecurityGroups=["sg-0123"])
    refused("InvalidSecurityGroup", create, elb=elb, SecurityGroups=[elsewhere])
    own = group("own", default["VpcId"])
    create(elb, SecurityGroups=[own])
    found = describe(elb)
    equal((found["SecurityGroups"], found["SourceSecurityGroup"]["GroupName"]), ([own], "own"))

    refused("DependencyViolation", ec2.delete_security_group, GroupId=own)
    apply = elb.apply_security_groups_to_load_balancer
    refused("InvalidSecurityGroup", apply, LoadBalancerName="web", SecurityGroups=[elsewhere])
    refused("LoadBalancerNotFound", apply, LoadBalancerName="nobody", SecurityGroups=[own])
    equal(apply(LoadBalancerName="web", SecurityGroups=[default["GroupId"]])["SecurityGroups"], [default["GroupId"]])
    ec2.delete_security_group(GroupId=own)
    more = [group(f"g{number}", default["VpcId"]) for number in range(6)]
    refused("InvalidConfigurationRequest", apply, status=409, LoadBalancerName="web", SecurityGroups=more)


def test_interfaces_come_and_go_with_it():
    elb, ec2 = client("elb"), client("ec2")
    create(elb)
    subnets = default_subnets()
    found = interfaces("web")
    equal({one["SubnetId"] for one in found}, {subnets["a"], subnets["b"]})
    equal({(one["RequesterId"], one["RequesterManaged"], one["Status"]) for one in found}, {("amazon-elb", True, "in-use")})
    kept = {one["SubnetId"]: one["NetworkInterfaceId"] for one in found}
    elb.attach_load_balancer_to_subnets(LoadBalancerName="web", Subnets=[subnets["c"]])
    elb.detach_load_balancer_from_subnets(LoadBalancerName="web", Subnets=[subnets["a"]])
    now = {one["SubnetId"]: one["NetworkInterfaceId"] for one in interfaces("web")}
    equal(now.keys(), {subnets["b"], subnets["c"]})
    equal(now[subnets["b"]], kept[subnets["b"]])
    elb.delete_load_balancer(LoadBalancerName="web")
    equal(interfaces("web"), [])


def test_subnets_are_attached_and_detached():
    elb = client("elb")
    create(elb)
    subnets = default_subnets()
    attach, detach = elb.attach_load_balancer_to_subnets, elb.detach_load_balancer_from_subnets
    equal(
        attach(LoadBalancerName="web", Subnets=[subnets["c"], subnets["a"]])["Subnets"],
        [subnets["a"], subnets["b"], subnets["c"]],
    )
    equal(describe(elb)["AvailabilityZones"], ["us-east-1a", "us-east-1b", "us-east-1c"])
    refused("SubnetNotFound", attach, LoadBalancerName="web", Subnets=["subnet-0123"])
    refused("LoadBalancerNotFound", attach, LoadBalancerName="nobody", Subnets=[subnets["a"]])
    second = client("ec2").create_subnet(VpcId=describe(elb)["VPCId"], CidrBlock="172.31.240.0/24", AvailabilityZone="us-east-1a")
    refused("InvalidConfigurationRequest", attach, status=409, message="multiple subnets in the same AZ", LoadBalancerName="web", Subnets=[second["Subnet"]["SubnetId"]])
    equal(detach(LoadBalancerName="web", Subnets=[subnets["a"], subnets["b"]])["Subnets"], [subnets["c"]])
    refused("InvalidConfigurationRequest", detach, status=409, LoadBalancerName="web", Subnets=[subnets["c"]])
    refused("LoadBalancerNotFound", detach, LoadBalancerName="nobody", Subnets=[subnets["c"]])


def test_zones_are_enabled_and_disabled():
    elb = client("elb")
    create(elb)
    enable, disable = elb.enable_availability_zones_for_load_balancer, elb.disable_availability_zones_for_load_balancer
    equal(
        enable(LoadBalancerName="web", AvailabilityZones=["us-east-1b", "us-east-1f"])["AvailabilityZones"],
        ["us-east-1a", "us-east-1b", "us-east-1f"],
    )
    equal(
        disable(LoadBalancerName="web", AvailabilityZones=["us-east-1a", "us-east-1e"])["AvailabilityZones"],
        ["us-east-1b", "us-east-1f"],
    )
    refused("ValidationError", enable, LoadBalancerName="web", AvailabilityZones=["us-east-1z"])
    refused("LoadBalancerNotFound", enable, LoadBalancerName="nobody", AvailabilityZones=["us-east-1a"])
    refused("InvalidConfigurationRequest", disable, status=409, LoadBalancerName="web", AvailabilityZones=["us-east-1b", "us-east-1f"])
    refused("LoadBalancerNotFound", disable, LoadBalancerName="nobody", AvailabilityZones=["us-east-1a"])


def test_zones_are_for_the_default_vpc():
    elb = client("elb")
    _, subnet = other_vpc()
    create(elb, Subnets=[subnet], Scheme="internal")
    for call in [elb.enable_availability_zones_for_load_balancer, elb.disable_availability_zones_for_load_balancer]:
        refused("ValidationError", call, LoadBalancerName="web", AvailabilityZones=["us-east-1b"])


def test_deleting_one_that_is_not_there_succeeds():
    elb = client("elb")
    create(elb)
    elb.delete_load_balancer(LoadBalancerName="web")
    elb.delete_load_balancer(LoadBalancerName="web")
    message = "There is no ACTIVE Load Balancer named 'web'"
    refused("LoadBalancerNotFound", elb.describe_load_balancers, message=message, LoadBalancerNames=["web"])


def test_pages_and_the_quota():
    elb = client("elb")
    for number in range(20):
        create(elb, f"web-{number:02}")
    refused("TooManyLoadBalancers", create, message=f"Exceeded quota of account {ACCOUNT}", elb=elb, name="one-more")
    create(elb, "web-07")  # it is there already
    first = elb.describe_load_balancers(PageSize=7)
    equal(len(first["LoadBalancerDescriptions"]), 7)
    pages = list(elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 7}))
    equal([len(page["LoadBalancerDescriptions"]) for page in pages], [7, 7, 6])
    assert "NextMarker" not in elb.describe_load_balancers(PageSize=20)
    refused("ValidationError", elb.describe_load_balancers, message="less than or equal to 400", PageSize=401)
    admin("/_elbws/settings", b'{"load_balancer_quota":21}')
    create(elb, "one-more")


def test_limits_are_those_of_a_new_account():
    elb = client("elb")
    equal(
        elb.describe_account_limits()["Limits"],
        [
            {"Name": "classic-listeners", "Max": "100"},
            {"Name": "classic-load-balancers", "Max": "20"},
            {"Name": "classic-registered-instances", "Max": "1000"},
        ],
    )
    page = elb.describe_account_limits(PageSize=2)
    equal([one["Name"] for one in elb.describe_account_limits(Marker=page["NextMarker"])["Limits"]], ["classic-registered-instances"])


harness.run(sys.modules[__name__])
