"""Application and Network Load Balancers: creating, describing, moving and deleting them."""

import sys

import harness
from balancing import create, listen, refusing, vpc
from classic import default_subnets, other_vpc
from harness import admin, cli, client, equal, refused

ec2, elb = client("ec2"), client("elbv2")


def describe(arn):
    [found] = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    return found


def security_group(name="web", **more):
    more.setdefault("VpcId", vpc())
    return ec2.create_security_group(GroupName=name, Description=name, **more)["GroupId"]


def test_an_application_load_balancer_reads_back_as_it_was_made():
    own = security_group()
    subnets = [default_subnets()[letter] for letter in "ab"]
    [made] = elb.create_load_balancer(
        Name="web", Subnets=subnets, SecurityGroups=[own], Tags=[{"Key": "App", "Value": "chat"}]
    )["LoadBalancers"]
    equal(made["State"], {"Code": "provisioning"})
    found = describe(made["LoadBalancerArn"])
    equal(found["State"], {"Code": "active"})
    assert found["LoadBalancerArn"].startswith("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/")
    assert found["DNSName"].startswith("web-") and found["DNSName"].endswith(".us-east-1.elb.localhost"), found["DNSName"]
    equal(found["CanonicalHostedZoneId"], "Z35SXDOTRQ7X7K")
    equal((found["Type"], found["Scheme"], found["IpAddressType"]), ("application", "internet-facing", "ipv4"))
    equal((found["VpcId"], found["SecurityGroups"]), (vpc(), [own]))
    equal([zone["ZoneName"] for zone in found["AvailabilityZones"]], ["us-east-1a", "us-east-1b"])
    equal([zone["SubnetId"] for zone in found["AvailabilityZones"]], subnets)
    equal(elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[made["LoadBalancerArn"]]), None)


def test_provisioning_takes_as_long_as_it_is_set_to():
    admin("/_elbws/clock", b'{"fixed":"2026-01-02T03:04:05Z"}')
    admin("/_elbws/settings", b'{"load_balancer_provisioning_ms":5000}')
    arn = create(elb)
    equal(describe(arn)["State"]["Code"], "provisioning")
    admin("/_elbws/clock", b'{"advance_ms":5000}')
    equal(describe(arn)["State"]["Code"], "active")


def test_the_same_create_again_succeeds_and_another_is_a_duplicate():
    arn = create(elb, Tags=[{"Key": "a", "Value": "1"}])
    equal(create(elb, letters="ba", Tags=[{"Key": "a", "Value": "1"}]), arn)
    for other in [{}, {"Scheme": "internal"}, {"type": "network"}, {"letters": "abc"}, {"SecurityGroups": [security_group()]}]:
        subnets = [default_subnets()[letter] for letter in other.pop("letters", "ab")]
        arguments = {"Name": "web", "Subnets": subnets, "Type": other.pop("type", "application"), **other}
        message = "A load balancer with the same name 'web' exists, but with different settings"
        refused("DuplicateLoadBalancerName", elb.create_load_balancer, message=message, **arguments)


def test_names_are_checked():
    subnets = [default_subnets()[letter] for letter in "ab"]
    for name in ["a" * 33, "a_b", "-a", "a-", "internal-a"]:
        refused("ValidationError", elb.create_load_balancer, message=f"'{name}'", Name=name, Subnets=subnets)
    create(elb, "a" * 32)


def test_subnets_are_checked():
    subnets = default_subnets()
    make = lambda **more: {"Name": "web", **more}
    two = "At least two subnets in two different Availability Zones must be specified"
    refused("ValidationError", elb.create_load_balancer, message=two, **make())
    refused("ValidationError", elb.create_load_balancer, message=two, **make(Subnets=[subnets["a"]]))
    refused("ValidationError", elb.create_load_balancer, **make(Type="network"))
    refused(
        "ValidationError", elb.create_load_balancer,
        **make(Subnets=[subnets["a"]], SubnetMappings=[{"SubnetId": subnets["b"]}]),
    )
    same = "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
    other = ec2.create_subnet(VpcId=vpc(), CidrBlock="172.31.96.0/20", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    refused("InvalidConfigurationRequest", elb.create_load_balancer, message=same, **make(Subnets=[subnets["a"], other]))
    refused("SubnetNotFound", elb.create_load_balancer, **make(Subnets=[subnets["a"], "subnet-0123456789abcdef0"]))
    elsewhere, inner = other_vpc()
    second = ec2.create_subnet(VpcId=elsewhere, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    refused("InvalidConfigurationRequest", elb.create_load_balancer, **make(Subnets=[subnets["b"], inner]))
    message = f"VPC {elsewhere} has no internet gateway"
    refused("InvalidSubnet", elb.create_load_balancer, message=message, **make(Subnets=[inner, second]))
    create(elb, "inside", Subnets=[inner, second], Scheme="internal")
    small = ec2.create_subnet(VpcId=elsewhere, CidrBlock="10.0.2.0/28", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    for number in range(4):
        ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, SubnetId=small)
    refused(
        "InvalidSubnet", elb.create_load_balancer, message="at least 8 free IP addresses",
        **make(Subnets=[small, second], Scheme="internal"),
    )


def test_types_schemes_and_address_types_are_words_of_the_model():
    subnets = [default_subnets()[letter] for letter in "ab"]
    for field in ["Type", "Scheme", "IpAddressType"]:
        refused("ValidationError", elb.create_load_balancer, message="enum value set", Name="web", Subnets=subnets, **{field: "x"})
    refused("ValidationError", elb.create_load_balancer, message="gateway", Name="web", Subnets=subnets, Type="gateway")


def test_security_groups_are_checked_and_replaced():
    arn = create(elb)
    default = describe(arn)["SecurityGroups"]
    equal(len(default), 1)
    one, two = security_group("one"), security_group("two")
    equal(elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[one, two])["SecurityGroupIds"], [one, two])
    equal(describe(arn)["SecurityGroups"], [one, two])
    invalid = "One or more security groups are invalid"
    elsewhere, _ = other_vpc()
    foreign = security_group("foreign", VpcId=elsewhere)
    for wrong in ["sg-0123456789abcdef0", foreign]:
        refused("InvalidConfigurationRequest", elb.set_security_groups, message=invalid, LoadBalancerArn=arn, SecurityGroups=[wrong])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=one)
    elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[two])
    ec2.delete_security_group(GroupId=one)


def test_a_network_load_balancer_has_groups_from_the_start_or_never():
    without = create(elb, "without", "network", letters="a")
    equal(describe(without)["SecurityGroups"], [])
    own = security_group()
    refused("InvalidConfigurationRequest", elb.set_security_groups, LoadBalancerArn=without, SecurityGroups=[own])
    arn = create(elb, "with", "network", letters="a", SecurityGroups=[own])
    found = describe(arn)
    equal((found["Type"], found["CanonicalHostedZoneId"]), ("network", "Z26RNL4JYFTOTI"))
    switch = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"
    answer = elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[own], **{switch: "off"})
    equal(answer[switch], "off")
    equal(describe(arn)[switch], "off")


def test_network_interfaces_follow_the_load_balancer():
    own = security_group()
    web = create(elb, "web", SecurityGroups=[own])
    net = create(elb, "net", "network", letters="c", SecurityGroups=[own])

    def interfaces():
        found = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [own]}])["NetworkInterfaces"]
        return sorted((one["Description"], one["AvailabilityZone"], one["RequesterId"], one["InterfaceType"]) for one in found)

    of_web = "ELB " + web.split(":loadbalancer/")[1]
    of_net = "ELB " + net.split(":loadbalancer/")[1]
    equal(
        interfaces(),
        [
            (of_web, "us-east-1a", "amazon-elb", "interface"),
            (of_web, "us-east-1b", "amazon-elb", "interface"),
            (of_net, "us-east-1c", "amazon-aws", "network_load_balancer"),
        ],
    )
    subnets = default_subnets()
    answer = elb.set_subnets(LoadBalancerArn=web, Subnets=[subnets["b"], subnets["d"]])
    equal([zone["ZoneName"] for zone in answer["AvailabilityZones"]], ["us-east-1b", "us-east-1d"])
    equal([zone for _, zone, _, _ in interfaces()], ["us-east-1b", "us-east-1d", "us-east-1c"])
    refused("ValidationError", elb.set_subnets, LoadBalancerArn=web, Subnets=[subnets["b"]])
    elb.delete_load_balancer(LoadBalancerArn=web)
    equal([zone for _, zone, _, _ in interfaces()], ["us-east-1c"])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=own)
    elb.delete_load_balancer(LoadBalancerArn=net)
    ec2.delete_security_group(GroupId=own)


def test_an_address_type_can_be_changed():
    arn = create(elb)
    equal(elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="dualstack")["IpAddressType"], "dualstack")
    equal(describe(arn)["IpAddressType"], "dualstack")
    refused("ValidationError", elb.set_ip_address_type, LoadBalancerArn=arn, IpAddressType="ipv6")


def test_what_is_not_there_is_not_found():
    create(elb)
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/0123456789abcdef"
    refused("LoadBalancerNotFound", elb.describe_load_balancers, message="'[none]' not found", Names=["none", "web"])
    refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[arn])
    refused("LoadBalancerNotFound", elb.set_subnets, LoadBalancerArn=arn, Subnets=[])
    refused("ValidationError", elb.describe_load_balancers, message="'web' is not a valid load balancer ARN", LoadBalancerArns=["web"])
    equal(elb.delete_load_balancer(LoadBalancerArn=arn)["ResponseMetadata"]["HTTPStatusCode"], 200)


def test_load_balancers_come_in_pages_and_by_name():
    arns = {create(elb, f"web-{number}") for number in range(5)}
    create(client("elbv2", "eu-west-1"), "far", Subnets=[
        subnet for letter, subnet in default_subnets("eu-west-1").items() if letter in "ab"
    ])
    pages = list(elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2}))
    equal([len(page["LoadBalancers"]) for page in pages], [2, 2, 1])
    equal({one["LoadBalancerArn"] for page in pages for one in page["LoadBalancers"]}, arns)
    refused("ValidationError", elb.describe_load_balancers, PageSize=401)
    found = elb.describe_load_balancers(Names=["web-1", "web-3"])["LoadBalancers"]
    equal(sorted(one["LoadBalancerName"] for one in found), ["web-1", "web-3"])


def test_a_deleted_one_takes_its_listeners_along():
    arn = create(elb)
    listener = listen(elb, arn, refusing())
    elb.delete_load_balancer(LoadBalancerArn=arn)
    equal(elb.describe_load_balancers()["LoadBalancers"], [])
    refused("ListenerNotFound", elb.describe_listeners, ListenerArns=[listener])
    equal(cli("elbv2", "wait", "load-balancers-deleted", "--load-balancer-arns", arn).returncode, 0)


def test_the_internet_gateway_stays_while_a_load_balancer_faces_the_internet():
    create(elb, "net", "network", letters="a")
    [gateway] = ec2.describe_internet_gateways()["InternetGateways"]
    refused("DependencyViolation", ec2.detach_internet_gateway, InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc())


harness.run(sys.modules[__name__])
