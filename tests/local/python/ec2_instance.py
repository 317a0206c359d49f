"""Instances and network interfaces."""

import ipaddress
import sys

import harness
from harness import ACCOUNT, admin, client, equal, refused

IMAGE = "ami-0123456789abcdef0"


def launch(ec2, count=1, **arguments):
    return ec2.run_instances(ImageId=IMAGE, MinCount=count, MaxCount=count, **arguments)["Instances"]


def all_instances(ec2, **arguments):
    reservations = ec2.describe_instances(**arguments)["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def names(ec2, name, *values):
    found = all_instances(ec2, Filters=[{"Name": name, "Values": list(values)}])
    return sorted(tag["Value"] for one in found for tag in one["Tags"] if tag["Key"] == "Name")


def named(name):
    return [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]


def test_an_instance_comes_up_with_an_address_and_an_interface():
    ec2 = client("ec2")
    [group] = ec2.describe_security_groups()["SecurityGroups"]
    reservation = ec2.run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=2, InstanceType="t3.micro", TagSpecifications=named("one"), KeyName="key"
    )
    equal(reservation["OwnerId"], ACCOUNT)
    first, second = reservation["Instances"]
    equal((first["State"], first["AmiLaunchIndex"], second["AmiLaunchIndex"]), ({"Code": 0, "Name": "pending"}, 0, 1))
    [described, _] = all_instances(ec2, InstanceIds=[first["InstanceId"], second["InstanceId"]])
    equal(described["State"], {"Code": 16, "Name": "running"})
    equal((described["ImageId"], described["InstanceType"], described["KeyName"]), (IMAGE, "t3.micro", "key"))
    equal(described["SecurityGroups"], [{"GroupId": group["GroupId"], "GroupName": "default"}])
    equal(described["Tags"], [{"Key": "Name", "Value": "one"}])
    assert ipaddress.ip_address(described["PrivateIpAddress"]) in ipaddress.ip_network("127.64.0.0/16")
    assert described["PrivateIpAddress"] != second["PrivateIpAddress"]
    [own] = described["NetworkInterfaces"]
    equal((own["PrivateIpAddress"], own["SubnetId"]), (described["PrivateIpAddress"], described["SubnetId"]))
    [subnet] = ec2.describe_subnets(SubnetIds=[described["SubnetId"]])["Subnets"]
    equal((subnet["AvailableIpAddressCount"], subnet["AvailabilityZone"]), (4089, described["Placement"]["AvailabilityZone"]))
    [interface] = ec2.describe_network_interfaces(
        Filters=[{"Name": "attachment.instance-id", "Values": [first["InstanceId"]]}]
    )["NetworkInterfaces"]
    equal((interface["Attachment"]["InstanceOwnerId"], interface["RequesterManaged"]), (ACCOUNT, False))
    equal(interface["Groups"], [{"GroupId": group["GroupId"], "GroupName": "default"}])


def test_addresses_are_unique_in_the_account():
    east, west = client("ec2", "us-east-1"), client("ec2", "eu-west-1")
    addresses = [one["PrivateIpAddress"] for ec2 in (east, west) for one in launch(ec2, 3)]
    equal(len(set(addresses)), 6)
    [chosen] = launch(east, PrivateIpAddress="127.64.9.9")
    equal(chosen["PrivateIpAddress"], "127.64.9.9")
    refused("InvalidIPAddress.InUse", launch, ec2=west, PrivateIpAddress="127.64.9.9")
    refused("InvalidParameterValue", launch, ec2=west, PrivateIpAddress="172.31.0.9")


def test_where_and_with_what_an_instance_is_launched_is_checked():
    ec2 = client("ec2")
    second = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=second, CidrBlock="10.0.0.0/28", AvailabilityZone="us-east-1d")["Subnet"]["SubnetId"]
    [default] = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [second]}])["SecurityGroups"]
    [other] = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    [instance] = launch(ec2, SubnetId=subnet)
    equal((instance["VpcId"], instance["Placement"]["AvailabilityZone"]), (second, "us-east-1d"))
    equal([group["GroupId"] for group in instance["SecurityGroups"]], [default["GroupId"]])
    refused("InvalidParameter", launch, ec2=ec2, SubnetId=subnet, SecurityGroupIds=[other["GroupId"]])
    refused("InsufficientFreeAddressesInSubnet", launch, ec2=ec2, count=11, SubnetId=subnet)
    refused("InvalidSubnetID.NotFound", launch, ec2=ec2, SubnetId="subnet-12345678")
    refused("InvalidGroup.NotFound", launch, ec2=ec2, SecurityGroupIds=["sg-12345678"])
    refused("InvalidGroup.NotFound", launch, ec2=ec2, SecurityGroups=["nobody"])
    refused("InvalidAMIID.Malformed", ec2.run_instances, ImageId="ami", MinCount=1, MaxCount=1)
    refused("InvalidParameterValue", ec2.run_instances, ImageId=IMAGE, MinCount=2, MaxCount=1)
    refused("InvalidParameterValue", ec2.run_instances, ImageId=IMAGE, MinCount=0, MaxCount=1)
    refused("MissingParameter", ec2.run_instances, MinCount=1, MaxCount=1)
    refused("InvalidParameterValue", launch, ec2=ec2, InstanceType="huge")
    refused("InvalidParameterValue", launch, ec2=ec2, Placement={"AvailabilityZone": "us-east-1z"})
    [instance] = launch(ec2, Placement={"AvailabilityZone": "us-east-1e"})
    equal(instance["Placement"]["AvailabilityZone"], "us-east-1e")
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [default["GroupId"]]}
    [instance] = launch(ec2, NetworkInterfaces=[interface])
    equal(instance["SubnetId"], subnet)
    refused("InvalidParameterCombination", launch, ec2=ec2, NetworkInterfaces=[interface], SubnetId=subnet)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnet)
    refused("DependencyViolation", ec2.delete_vpc, VpcId=second)


def test_a_client_token_makes_a_launch_repeatable():
    ec2 = client("ec2")
    [first] = launch(ec2, ClientToken="token")
    [again] = launch(ec2, ClientToken="token")
    equal(again["InstanceId"], first["InstanceId"])
    refused("IdempotentParameterMismatch", launch, ec2=ec2, count=2, ClientToken="token")
    equal(len(all_instances(ec2)), 1)


def test_states_settle_by_the_next_request():
    ec2 = client("ec2")
    [instance] = launch(ec2)
    ids = [instance["InstanceId"]]
    def state():
        [found] = all_instances(ec2, InstanceIds=ids)
        return found["State"]["Name"]
    [change] = ec2.stop_instances(InstanceIds=ids)["StoppingInstances"]
    equal((change["PreviousState"]["Name"], change["CurrentState"]["Name"]), ("running", "stopping"))
    equal(state(), "stopped")
    ec2.get_waiter("instance_stopped").wait(InstanceIds=ids)
    equal(ec2.describe_instance_status(InstanceIds=ids)["InstanceStatuses"], [])
    [status] = ec2.describe_instance_status(InstanceIds=ids, IncludeAllInstances=True)["InstanceStatuses"]
    equal(status["InstanceState"]["Name"], "stopped")
    [change] = ec2.start_instances(InstanceIds=ids)["StartingInstances"]
    equal((change["PreviousState"]["Name"], change["CurrentState"]["Name"]), ("stopped", "pending"))
    equal(state(), "running")
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=ids)
    ec2.reboot_instances(InstanceIds=ids)
    [change] = ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]
    equal((change["PreviousState"]["Name"], change["CurrentState"]["Name"]), ("running", "shutting-down"))
    equal(state(), "terminated")
    ec2.get_waiter("instance_terminated").wait(InstanceIds=ids)
    [change] = ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]
    equal(change["CurrentState"]["Name"], "terminated")
    refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=ids)
    refused("IncorrectInstanceState", ec2.stop_instances, InstanceIds=ids)
    [found] = all_instances(ec2)
    assert "VpcId" not in found and "PrivateIpAddress" not in found
    equal(ec2.describe_network_interfaces()["NetworkInterfaces"], [])


def test_a_terminated_instance_is_forgotten_after_an_hour():
    ec2 = client("ec2")
    admin("/_elbws/clock", b'{"fixed":"2026-02-03T04:05:06Z"}')
    [instance] = launch(ec2, ClientToken="token")
    equal(instance["LaunchTime"].isoformat(), "2026-02-03T04:05:06+00:00")
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    admin("/_elbws/clock", b'{"advance_ms":3600000}')
    equal(len(all_instances(ec2)), 1)
    admin("/_elbws/clock", b'{"advance_ms":1000}')
    equal(all_instances(ec2), [])
    refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=[instance["InstanceId"]])
    [another] = launch(ec2, ClientToken="token")
    assert another["InstanceId"] != instance["InstanceId"]


def test_ids_are_checked():
    ec2 = client("ec2")
    missing = "i-0123456789abcdef0"
    text = refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=[missing])
    equal(text, f"The instance ID '{missing}' does not exist")
    text = refused("InvalidInstanceID.NotFound", ec2.stop_instances, InstanceIds=[missing, "i-12345678"])
    equal(text, f"The instance IDs '{missing}, i-12345678' do not exist")
    refused("InvalidInstanceID.Malformed", ec2.terminate_instances, InstanceIds=["i-x"])
    refused("InvalidNetworkInterfaceID.NotFound", ec2.describe_network_interfaces, NetworkInterfaceIds=["eni-12345678"])


def test_filters():
    ec2 = client("ec2")
    for name, zone in [("one", "a"), ("two", "b"), ("three", "b")]:
        launch(ec2, TagSpecifications=named(name), Placement={"AvailabilityZone": "us-east-1" + zone})
    [two] = all_instances(ec2, Filters=[{"Name": "tag:Name", "Values": ["two"]}])
    ec2.stop_instances(InstanceIds=[two["InstanceId"]])
    equal(names(ec2, "availability-zone", "us-east-1b"), ["three", "two"])
    equal(names(ec2, "instance-state-name", "running"), ["one", "three"])
    equal(names(ec2, "instance-state-code", "80"), ["two"])
    equal(names(ec2, "tag:Name", "t*"), ["three", "two"])
    equal(names(ec2, "tag-key", "Name"), ["one", "three", "two"])
    equal(names(ec2, "private-ip-address", two["PrivateIpAddress"]), ["two"])
    equal(names(ec2, "instance.group-name", "default"), ["one", "three", "two"])
    equal(names(ec2, "vpc-id", two["VpcId"]), ["one", "three", "two"])
    equal(names(ec2, "instance-id", two["InstanceId"], "i-12345678"), ["two"])
    equal(names(ec2, "image-id", "ami-other"), [])
    both = [{"Name": "tag:Name", "Values": ["t*"]}, {"Name": "instance-state-name", "Values": ["running"]}]
    [three] = all_instances(ec2, Filters=both)
    equal(three["Tags"][0]["Value"], "three")
    statuses = ec2.describe_instance_status(Filters=[{"Name": "availability-zone", "Values": ["us-east-1b"]}])
    equal([status["InstanceId"] for status in statuses["InstanceStatuses"]], [three["InstanceId"]])
    def interfaces(name, value):
        found = ec2.describe_network_interfaces(Filters=[{"Name": name, "Values": [value]}])
        return len(found["NetworkInterfaces"])
    equal(interfaces("group-id", two["SecurityGroups"][0]["GroupId"]), 3)
    equal(interfaces("availability-zone", "us-east-1a"), 1)
    equal(interfaces("requester-id", "amazon-elb"), 0)
    equal(interfaces("attachment.instance-owner-id", ACCOUNT), 3)
    equal(interfaces("description", "ELB *"), 0)


def test_attributes_are_modified():
    ec2 = client("ec2")
    web = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    second = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    far = ec2.create_security_group(GroupName="far", Description="far", VpcId=second)["GroupId"]
    [instance] = launch(ec2)
    one = instance["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=one, Groups=[web])
    [found] = all_instances(ec2)
    equal(found["SecurityGroups"], [{"GroupId": web, "GroupName": "web"}])
    equal(found["NetworkInterfaces"][0]["Groups"], [{"GroupId": web, "GroupName": "web"}])
    refused("InvalidParameter", ec2.modify_instance_attribute, InstanceId=one, Groups=[far])
    refused("InvalidGroup.NotFound", ec2.modify_instance_attribute, InstanceId=one, Groups=["sg-12345678"])
    refused("InvalidParameterCombination", ec2.modify_instance_attribute, InstanceId=one)
    refused("IncorrectInstanceState", ec2.modify_instance_attribute, InstanceId=one, InstanceType={"Value": "m5.large"})
    ec2.modify_instance_attribute(InstanceId=one, DisableApiTermination={"Value": True})
    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[one])
    ec2.modify_instance_attribute(InstanceId=one, DisableApiTermination={"Value": False})
    ec2.modify_instance_attribute(InstanceId=one, SourceDestCheck={"Value": False})
    [found] = all_instances(ec2)
    equal(found["SourceDestCheck"], False)
    ec2.terminate_instances(InstanceIds=[one])


def test_an_instance_has_one_profile():
    ec2 = client("ec2")
    [first] = launch(ec2, IamInstanceProfile={"Name": "web"})
    arn = f"arn:aws:iam::{ACCOUNT}:instance-profile/web"
    equal(first["IamInstanceProfile"]["Arn"], arn)
    [second] = launch(ec2)
    assert "IamInstanceProfile" not in second
    one, other = first["InstanceId"], second["InstanceId"]
    made = ec2.associate_iam_instance_profile(InstanceId=other, IamInstanceProfile={"Arn": arn.replace("web", "ws/chat")})
    made = made["IamInstanceProfileAssociation"]
    equal((made["InstanceId"], made["State"]), (other, "associating"))
    refused("IncorrectState", ec2.associate_iam_instance_profile, InstanceId=other, IamInstanceProfile={"Name": "web"})
    refused("InvalidParameterValue", launch, ec2=ec2, IamInstanceProfile={"Name": "a/b"})
    refused("InvalidParameterValue", launch, ec2=ec2, IamInstanceProfile={"Arn": "arn:aws:iam::1:instance-profile/web"})
    refused("InvalidParameterCombination", launch, ec2=ec2, IamInstanceProfile={"Name": "web", "Arn": arn})
    with_profile = all_instances(ec2, Filters=[{"Name": "iam-instance-profile.name", "Values": ["chat"]}])
    equal([instance["InstanceId"] for instance in with_profile], [other])
    replaced = ec2.replace_iam_instance_profile_association(
        AssociationId=made["AssociationId"], IamInstanceProfile={"Name": "web"}
    )["IamInstanceProfileAssociation"]
    refused("NoSuchAssociation", ec2.disassociate_iam_instance_profile, AssociationId=made["AssociationId"])
    of_other = {"Filters": [{"Name": "instance-id", "Values": [other]}]}
    [found] = ec2.describe_iam_instance_profile_associations(**of_other)["IamInstanceProfileAssociations"]
    equal((found["AssociationId"], found["State"]), (replaced["AssociationId"], "associated"))
    equal(found["IamInstanceProfile"], first["IamInstanceProfile"])
    equal(len(ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]), 2)
    ec2.disassociate_iam_instance_profile(AssociationId=found["AssociationId"])
    [bare] = all_instances(ec2, InstanceIds=[other])
    assert "IamInstanceProfile" not in bare
    ec2.terminate_instances(InstanceIds=[one])
    equal(ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"], [])


def test_metadata_and_connection_tracking_are_as_they_were_set():
    ec2 = client("ec2")
    [instance] = launch(ec2)
    name = instance["InstanceId"]
    shown = lambda: all_instances(ec2, InstanceIds=[name])[0]
    options = shown()["MetadataOptions"]
    equal((options["HttpTokens"], options["HttpEndpoint"]), ("optional", "enabled"))
    equal(options["HttpPutResponseHopLimit"], 1)
    answer = ec2.modify_instance_metadata_options(InstanceId=name, HttpTokens="required", HttpPutResponseHopLimit=2)
    equal(answer["InstanceMetadataOptions"]["State"], "pending")
    options = shown()["MetadataOptions"]
    equal((options["HttpTokens"], options["HttpEndpoint"], options["State"]), ("required", "enabled", "applied"))
    equal(options["HttpPutResponseHopLimit"], 2)
    refused("InvalidParameterValue", ec2.modify_instance_metadata_options, InstanceId=name, HttpPutResponseHopLimit=65)
    [interface] = shown()["NetworkInterfaces"]
    assert "ConnectionTrackingConfiguration" not in interface
    modify = ec2.modify_network_interface_attribute
    interface = interface["NetworkInterfaceId"]
    modify(NetworkInterfaceId=interface, ConnectionTrackingSpecification={"TcpEstablishedTimeout": 350})
    modify(NetworkInterfaceId=interface, ConnectionTrackingSpecification={"UdpTimeout": 60})
    equal(shown()["NetworkInterfaces"][0]["ConnectionTrackingConfiguration"], {"TcpEstablishedTimeout": 350, "UdpTimeout": 60})
    short = {"TcpEstablishedTimeout": 59}
    refused("InvalidParameterValue", modify, NetworkInterfaceId=interface, ConnectionTrackingSpecification=short)
    refused("InvalidParameterCombination", modify, NetworkInterfaceId=interface)


def test_pages():
    ec2 = client("ec2")
    launch(ec2, 4)
    launch(ec2, 4)
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    found = [one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]]
    equal((len(pages), len(found), len(set(found))), (2, 8, 8))
    pages = list(ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5}))
    equal([len(page["NetworkInterfaces"]) for page in pages], [5, 3])
    refused("InvalidParameterValue", ec2.describe_instances, MaxResults=4)
    refused("InvalidParameterCombination", ec2.describe_instances, MaxResults=5, InstanceIds=[found[0]])


harness.run(sys.modules[__name__])
