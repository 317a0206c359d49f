"""VPCs, subnets, gateways, route tables, zones, regions, tags and images."""

import sys

import harness
from harness import ACCOUNT, cli, client, equal, refused


def default_vpc(ec2):
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return vpc


def test_every_region_has_a_default_network():
    for region, letters in [("us-east-1", "abcdef"), ("eu-west-1", "abc"), ("ca-central-1", "abd")]:
        ec2 = client("ec2", region)
        vpc = default_vpc(ec2)
        equal(vpc["CidrBlock"], "172.31.0.0/16")
        equal(vpc["OwnerId"], ACCOUNT)
        subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
        equal(sorted(subnet["AvailabilityZone"] for subnet in subnets), [region + letter for letter in letters])
        equal({subnet["AvailableIpAddressCount"] for subnet in subnets}, {4091})
        equal({subnet["VpcId"] for subnet in subnets}, {vpc["VpcId"]})
        [gateway] = ec2.describe_internet_gateways()["InternetGateways"]
        equal(gateway["Attachments"], [{"State": "available", "VpcId": vpc["VpcId"]}])
        [table] = ec2.describe_route_tables()["RouteTables"]
        equal(
            [(route["DestinationCidrBlock"], route["GatewayId"], route["State"]) for route in table["Routes"]],
            [("172.31.0.0/16", "local", "active"), ("0.0.0.0/0", gateway["InternetGatewayId"], "active")],
        )
        equal(table["Associations"][0]["Main"], True)
        [group] = ec2.describe_security_groups()["SecurityGroups"]
        equal((group["GroupName"], group["VpcId"]), ("default", vpc["VpcId"]))
        equal(group["IpPermissions"][0]["UserIdGroupPairs"], [{"UserId": ACCOUNT, "GroupId": group["GroupId"]}])
        equal(group["IpPermissionsEgress"][0]["IpRanges"], [{"CidrIp": "0.0.0.0/0"}])


def test_every_network_has_an_acl_whose_entries_can_be_changed():
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]

    def described():
        [acl] = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"]
        return acl

    acl = described()
    equal((acl["VpcId"], acl["IsDefault"]), (vpc, True))
    equal([association["SubnetId"] for association in acl["Associations"]], [subnet])
    shown = [(entry["Egress"], entry["RuleNumber"], entry["RuleAction"]) for entry in acl["Entries"]]
    equal(shown, [(True, 100, "allow"), (True, 32767, "deny"), (False, 100, "allow"), (False, 32767, "deny")])
    name = acl["NetworkAclId"]
    entry = dict(NetworkAclId=name, RuleNumber=90, Egress=False, Protocol="6", CidrBlock="10.0.0.1/8")
    ports = {"From": 80, "To": 81}
    refused("MissingParameter", ec2.create_network_acl_entry, RuleAction="deny", **entry)
    ec2.create_network_acl_entry(RuleAction="deny", PortRange=ports, **entry)
    refused("NetworkAclEntryAlreadyExists", ec2.create_network_acl_entry, RuleAction="deny", PortRange=ports, **entry)
    [made] = [found for found in described()["Entries"] if found["RuleNumber"] == 90]
    equal((made["CidrBlock"], made["PortRange"], made["Protocol"]), ("10.0.0.0/8", ports, "6"))
    ec2.replace_network_acl_entry(RuleAction="allow", PortRange=ports, **entry)
    [made] = [found for found in described()["Entries"] if found["RuleNumber"] == 90]
    equal(made["RuleAction"], "allow")
    ec2.delete_network_acl_entry(NetworkAclId=name, RuleNumber=90, Egress=False)
    refused("InvalidNetworkAclEntry.NotFound", ec2.delete_network_acl_entry, NetworkAclId=name, RuleNumber=90, Egress=False)
    refused("InvalidNetworkAclID.NotFound", ec2.describe_network_acls, NetworkAclIds=["acl-0123456789abcdef0"])
    refused("InvalidParameterValue", ec2.create_network_acl_entry, RuleAction="deny", **(entry | {"RuleNumber": 32767}))
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_zones_and_regions():
    ec2 = client("ec2")
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    equal([zone["ZoneName"][-1] for zone in zones], list("abcdef"))
    equal({zone["State"] for zone in zones}, {"available"})
    [zone] = ec2.describe_availability_zones(ZoneNames=["us-east-1b"])["AvailabilityZones"]
    equal((zone["ZoneId"], zone["NetworkBorderGroup"]), ("use1-az2", "us-east-1"))
    [zone] = ec2.describe_availability_zones(Filters=[{"Name": "zone-id", "Values": ["use1-az3"]}])["AvailabilityZones"]
    equal(zone["ZoneName"], "us-east-1c")
    refused("InvalidParameterValue", ec2.describe_availability_zones, ZoneNames=["us-east-1z"])
    refused("InvalidParameterValue", ec2.describe_availability_zones, Filters=[{"Name": "colour", "Values": ["x"]}])
    names = [region["RegionName"] for region in ec2.describe_regions()["Regions"]]
    equal(len(names), 17)
    assert "us-east-1" in names and "af-south-1" not in names
    assert len(ec2.describe_regions(AllRegions=True)["Regions"]) == 34
    [region] = ec2.describe_regions(RegionNames=["eu-west-1"])["Regions"]
    equal(region["Endpoint"], "ec2.eu-west-1.amazonaws.com")
    refused("InvalidParameterValue", ec2.describe_regions, RegionNames=["mars-1"])
    refused("InvalidParameterValue", ec2.describe_regions, Filters=[{"Name": "tag:a", "Values": ["x"]}])


def test_a_second_vpc_is_built_and_taken_down():
    ec2 = client("ec2")
    vpc = ec2.create_vpc(
        CidrBlock="10.1.2.3/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "second"}]}],
    )["Vpc"]
    equal((vpc["CidrBlock"], vpc["IsDefault"], vpc["Tags"]), ("10.1.0.0/16", False, [{"Key": "Name", "Value": "second"}]))
    vpc_id = vpc["VpcId"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["SecurityGroups"]
    equal([group["GroupName"] for group in groups], ["default"])
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.1.1.0/24", AvailabilityZone="us-east-1c")["Subnet"]
    equal((subnet["AvailabilityZone"], subnet["AvailableIpAddressCount"], subnet["DefaultForAz"]), ("us-east-1c", 251, False))
    refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=vpc_id, CidrBlock="10.1.1.128/25")
    refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=vpc_id, CidrBlock="10.2.0.0/24")
    refused("InvalidParameterValue", ec2.create_subnet, VpcId=vpc_id, CidrBlock="10.1.3.0/24", AvailabilityZone="us-east-1z")
    refused("InvalidVpcID.NotFound", ec2.create_subnet, VpcId="vpc-0123456789abcdef0", CidrBlock="10.1.3.0/24")

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    refused("Gateway.NotAttached", ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc_id)
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    refused("Resource.AlreadyAssociated", ec2.attach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc_id)
    other = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    refused("InvalidParameterValue", ec2.attach_internet_gateway, InternetGatewayId=other, VpcId=vpc_id)
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    [found] = ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
    equal(found["InternetGatewayId"], gateway)

    refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc_id)
    refused("DependencyViolation", ec2.delete_internet_gateway, InternetGatewayId=gateway)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    refused("InvalidInternetGatewayID.NotFound", ec2.delete_internet_gateway, InternetGatewayId=gateway)
    ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    refused("InvalidSubnetID.NotFound", ec2.delete_subnet, SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc_id)
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[vpc_id])
    equal(ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["SecurityGroups"], [])


def test_bad_blocks_and_ids_are_refused():
    ec2 = client("ec2")
    refused("InvalidVpc.Range", ec2.create_vpc, CidrBlock="10.0.0.0/8")
    refused("InvalidParameterValue", ec2.create_vpc, CidrBlock="ten")
    refused("InvalidVpcId.Malformed", ec2.describe_vpcs, VpcIds=["vpc-xyz"])
    refused("InvalidSubnetID.Malformed", ec2.describe_subnets, SubnetIds=["s-0123456789abcdef0"])
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=["vpc-12345678"])
    refused("InvalidRouteTableID.NotFound", ec2.describe_route_tables, RouteTableIds=["rtb-12345678"])


def test_unknown_filters_are_refused_everywhere():
    ec2 = client("ec2")
    unknown = [{"Name": "colour", "Values": ["red"]}]
    for describe in [
        ec2.describe_vpcs,
        ec2.describe_subnets,
        ec2.describe_internet_gateways,
        ec2.describe_route_tables,
        ec2.describe_security_groups,
        ec2.describe_security_group_rules,
        ec2.describe_instances,
        ec2.describe_instance_status,
        ec2.describe_network_interfaces,
        ec2.describe_tags,
        ec2.describe_images,
        ec2.describe_availability_zones,
        ec2.describe_regions,
    ]:
        refused("InvalidParameterValue", describe, message="The filter 'colour' is invalid", Filters=unknown)


def test_filters_take_wildcards_and_tags():
    ec2 = client("ec2")
    def zones(name, *values):
        subnets = ec2.describe_subnets(Filters=[{"Name": name, "Values": list(values)}])["Subnets"]
        return sorted(subnet["AvailabilityZone"][-1] for subnet in subnets)
    equal(zones("availability-zone", "us-east-1a", "us-east-1f"), ["a", "f"])
    equal(zones("cidr-block", "172.31.?.0/20"), ["a"])
    equal(zones("cidr-block", "172.31.*"), list("abcdef"))
    equal(zones("availability-zone-id", "use1-az4"), ["d"])
    [subnet] = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1b"]}])["Subnets"]
    ec2.create_tags(Resources=[subnet["SubnetId"]], Tags=[{"Key": "Tier", "Value": "public"}])
    equal(zones("tag:Tier", "pub*"), ["b"])
    equal(zones("tag-key", "Tier"), ["b"])
    equal(zones("tag:Tier", "private"), [])


def test_pages():
    ec2 = client("ec2")
    vpc_id = default_vpc(ec2)["VpcId"]
    first = ec2.describe_subnets(MaxResults=5)
    equal(len(first["Subnets"]), 5)
    second = ec2.describe_subnets(MaxResults=5, NextToken=first["NextToken"])
    equal(len(second["Subnets"]), 1)
    assert "NextToken" not in second
    pages = ec2.get_paginator("describe_subnets").paginate(PaginationConfig={"PageSize": 5})
    equal(len({subnet["SubnetId"] for page in pages for subnet in page["Subnets"]}), 6)
    refused("InvalidNextToken", ec2.describe_subnets, MaxResults=5, NextToken="nonsense")
    # botocore does not check maxima and minima of integers, so these reach the server.
    answer = cli("ec2", "describe-vpcs", "--max-results", "1001", "--no-paginate")
    assert "InvalidParameterValue" in answer.stderr, answer
    assert vpc_id


def test_tags_are_created_described_and_deleted():
    ec2 = client("ec2")
    vpc_id = default_vpc(ec2)["VpcId"]
    [gateway] = ec2.describe_internet_gateways()["InternetGateways"]
    both = [vpc_id, gateway["InternetGatewayId"]]
    ec2.create_tags(Resources=both, Tags=[{"Key": "Team", "Value": "realtime"}, {"Key": "Empty", "Value": ""}])
    ec2.create_tags(Resources=[vpc_id], Tags=[{"Key": "Team", "Value": "other"}])
    found = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["Team"]}])["Tags"]
    equal(
        sorted((tag["ResourceType"], tag["Value"]) for tag in found),
        [("internet-gateway", "realtime"), ("vpc", "other")],
    )
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [vpc_id]}])["Tags"]
    equal([tag["Key"] for tag in found], ["Empty", "Team"])
    ec2.delete_tags(Resources=both, Tags=[{"Key": "Team", "Value": "other"}, {"Key": "Empty"}])
    found = ec2.describe_tags()["Tags"]
    equal([(tag["ResourceId"], tag["Key"]) for tag in found], [(gateway["InternetGatewayId"], "Team")])
    refused("InvalidVpcID.NotFound", ec2.create_tags, Resources=["vpc-12345678"], Tags=[{"Key": "a", "Value": "b"}])
    refused("InvalidID", ec2.create_tags, Resources=["teapot"], Tags=[{"Key": "a", "Value": "b"}])
    refused("InvalidParameterValue", ec2.create_tags, Resources=[vpc_id], Tags=[{"Key": "aws:a", "Value": "b"}])
    refused("InvalidParameterValue", ec2.create_tags, Resources=[vpc_id], Tags=[{"Key": "k" * 128, "Value": "b"}])
    many = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    refused("TagLimitExceeded", ec2.create_tags, Resources=[vpc_id], Tags=many)
    refused(
        "InvalidParameterValue",
        ec2.create_vpc,
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}],
    )


def test_a_dry_run_says_what_would_be_and_changes_nothing():
    ec2 = client("ec2")
    refused("DryRunOperation", ec2.create_vpc, status=412, CidrBlock="10.0.0.0/16", DryRun=True)
    refused("InvalidVpc.Range", ec2.create_vpc, CidrBlock="10.0.0.0/8", DryRun=True)
    equal(len(ec2.describe_vpcs()["Vpcs"]), 1)


def test_any_well_formed_image_exists():
    ec2 = client("ec2")
    [image] = ec2.describe_images(ImageIds=["ami-0123456789abcdef0"])["Images"]
    equal((image["State"], image["Architecture"]), ("available", "x86_64"))
    equal(ec2.describe_images()["Images"], [])
    refused("InvalidAMIID.Malformed", ec2.describe_images, ImageIds=["ami-x"])


def test_account_attributes():
    ec2 = client("ec2")
    [attribute] = ec2.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"]
    equal(attribute["AttributeValues"], [{"AttributeValue": default_vpc(ec2)["VpcId"]}])
    names = [attribute["AttributeName"] for attribute in ec2.describe_account_attributes()["AccountAttributes"]]
    assert "supported-platforms" in names


def test_the_command_line_reads_the_same():
    answer = cli("ec2", "describe-vpcs", "--query", "Vpcs[0].CidrBlock", "--output", "text", region="eu-north-1")
    equal((answer.stdout.strip(), answer.stderr), ("172.31.0.0/16", ""))


harness.run(sys.modules[__name__])
