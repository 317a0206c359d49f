"""Security groups and their rules."""

import sys

import harness
from harness import ACCOUNT, client, equal, refused


def group(ec2, name="web", **arguments):
    return ec2.create_security_group(GroupName=name, Description="for " + name, **arguments)["GroupId"]


def tcp(port, **peer):
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}]


def ingress(ec2, group_id):
    [found] = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    return found["IpPermissions"]


def test_a_group_is_created_with_the_rule_that_lets_all_out():
    ec2 = client("ec2")
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "App", "Value": "chat"}]}]
    answer = ec2.create_security_group(GroupName="web", Description="The web", TagSpecifications=tags)
    equal(answer["Tags"], [{"Key": "App", "Value": "chat"}])
    [found] = ec2.describe_security_groups(GroupIds=[answer["GroupId"]])["SecurityGroups"]
    equal((found["GroupName"], found["Description"], found["OwnerId"]), ("web", "The web", ACCOUNT))
    equal(found["SecurityGroupArn"], f"arn:aws:ec2:us-east-1:{ACCOUNT}:security-group/{answer['GroupId']}")
    equal(found["IpPermissions"], [])
    equal(
        found["IpPermissionsEgress"],
        [{"IpProtocol": "-1", "UserIdGroupPairs": [], "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": []}],
    )
    equal(ec2.describe_security_groups(GroupNames=["web"])["SecurityGroups"], [found])


def test_names_are_checked_and_unique_in_a_vpc():
    ec2 = client("ec2")
    group(ec2)
    refused("InvalidGroup.Duplicate", group, ec2=ec2)
    second = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group(ec2, VpcId=second)
    refused("InvalidParameterValue", group, ec2=ec2, name="sg-web")
    refused("InvalidParameterValue", group, ec2=ec2, name="w" * 256)
    refused("InvalidParameterValue", group, ec2=ec2, name="wéb")
    refused("InvalidGroup.Reserved", group, ec2=ec2, name="default")
    refused("InvalidVpcID.NotFound", group, ec2=ec2, name="x", VpcId="vpc-12345678")
    refused("MissingParameter", ec2.create_security_group, GroupName="x", Description="")


def test_rules_are_gathered_by_protocol_and_ports():
    ec2 = client("ec2")
    web, app = group(ec2), group(ec2, "app")
    answer = ec2.authorize_security_group_ingress(
        GroupId=web,
        IpPermissions=[
            *tcp(443, IpRanges=[{"CidrIp": "10.1.2.3/8", "Description": "inside"}, {"CidrIp": "192.0.2.0/24"}]),
            *tcp(443, Ipv6Ranges=[{"CidrIpv6": "::/0"}]),
            *tcp(80, UserIdGroupPairs=[{"GroupId": app, "Description": "from the app"}]),
            {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            {"IpProtocol": "50", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        ],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": [{"Key": "By", "Value": "test"}]}],
    )
    equal(answer["Return"], True)
    equal(len(answer["SecurityGroupRules"]), 6)
    first = answer["SecurityGroupRules"][0]
    equal((first["CidrIpv4"], first["Description"], first["IsEgress"]), ("10.0.0.0/8", "inside", False))
    equal(first["Tags"], [{"Key": "By", "Value": "test"}])
    reference = answer["SecurityGroupRules"][3]["ReferencedGroupInfo"]
    equal((reference["GroupId"], reference["UserId"]), (app, ACCOUNT))
    https, http, icmp, esp = ingress(ec2, web)
    equal(https["IpRanges"], [{"Description": "inside", "CidrIp": "10.0.0.0/8"}, {"CidrIp": "192.0.2.0/24"}])
    equal(https["Ipv6Ranges"], [{"CidrIpv6": "::/0"}])
    equal(http["UserIdGroupPairs"], [{"Description": "from the app", "UserId": ACCOUNT, "GroupId": app}])
    equal((icmp["FromPort"], icmp["ToPort"]), (8, -1))
    equal(esp["IpProtocol"], "50")
    assert "FromPort" not in esp


def test_the_older_parameters_make_one_rule():
    ec2 = client("ec2")
    web = group(ec2)
    ec2.authorize_security_group_ingress(GroupName="web", IpProtocol="6", FromPort=22, ToPort=22, CidrIp="192.0.2.1/32")
    [rule] = ingress(ec2, web)
    equal((rule["IpProtocol"], rule["FromPort"], rule["IpRanges"]), ("tcp", 22, [{"CidrIp": "192.0.2.1/32"}]))
    ec2.revoke_security_group_ingress(GroupId=web, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="192.0.2.1/32")
    equal(ingress(ec2, web), [])


def test_duplicates_and_absences_are_refused():
    ec2 = client("ec2")
    web = group(ec2)
    everyone = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=tcp(443, **everyone))
    text = refused(
        "InvalidPermission.Duplicate",
        ec2.authorize_security_group_ingress,
        GroupId=web,
        IpPermissions=[*tcp(80, **everyone), *tcp(443, **everyone)],
    )
    equal(text, 'the specified rule "peer: 0.0.0.0/0, TCP, from port: 443, to port: 443, ALLOW" already exists')
    equal(len(ingress(ec2, web)), 1)
    refused(
        "InvalidParameterValue",
        ec2.authorize_security_group_ingress,
        message="must not appear multiple times",
        GroupId=web,
        IpPermissions=tcp(80, **everyone) * 2,
    )
    refused(
        "InvalidPermission.NotFound",
        ec2.revoke_security_group_ingress,
        GroupId=web,
        IpPermissions=[*tcp(443, **everyone), *tcp(444, **everyone)],
    )
    equal(len(ingress(ec2, web)), 1)
    # A description is no part of what a rule is.
    described = {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "other"}]}
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=web, IpPermissions=tcp(443, **described))
    answer = ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=tcp(443, **described))
    equal([rule["CidrIpv4"] for rule in answer["RevokedSecurityGroupRules"]], ["0.0.0.0/0"])
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_egress, GroupId=web, IpPermissions=[{"IpProtocol": "-1", **everyone}])


def test_what_is_no_rule_is_refused():
    ec2 = client("ec2")
    web = group(ec2)
    def bad(code, permission, message=None):
        refused(code, ec2.authorize_security_group_ingress, message=message, GroupId=web, IpPermissions=[permission])
    ranges = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    bad("InvalidParameterValue", {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 70000, **ranges}, "out of range")
    bad("InvalidParameterValue", {"IpProtocol": "tcp", "FromPort": 81, "ToPort": 80, **ranges}, "port range")
    bad("InvalidParameterValue", {"IpProtocol": "tcp", **ranges}, "Must specify both from and to ports")
    bad("InvalidParameterValue", {"IpProtocol": "teapot", **ranges}, "Unknown protocol")
    bad("InvalidParameterValue", tcp(80, IpRanges=[{"CidrIp": "10.0.0.0"}])[0], "CIDR block 10.0.0.0 is malformed")
    bad("InvalidParameterValue", tcp(80, IpRanges=[{"CidrIp": "::/0"}])[0], "malformed")
    bad("InvalidParameterValue", tcp(80, IpRanges=[{"CidrIp": "10.0.0.0/8", "Description": "é"}])[0], "Invalid rule description")
    bad("MissingParameter", tcp(80)[0])
    bad("InvalidGroup.NotFound", tcp(80, UserIdGroupPairs=[{"GroupId": "sg-12345678"}])[0])
    bad("InvalidGroupId.Malformed", tcp(80, UserIdGroupPairs=[{"GroupId": "web"}])[0])
    second = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    bad("InvalidGroup.NotFound", tcp(80, UserIdGroupPairs=[{"GroupId": group(ec2, "far", VpcId=second)}])[0], "different networks")
    refused("InvalidGroup.NotFound", ec2.authorize_security_group_ingress, GroupId="sg-12345678", IpPermissions=tcp(80, **ranges))
    refused("MissingParameter", ec2.authorize_security_group_ingress, GroupId=web)
    many = [{"CidrIp": f"10.0.0.{number}/32"} for number in range(61)]
    bad("RulesPerSecurityGroupLimitExceeded", tcp(80, IpRanges=many)[0])


def test_rules_have_ids_of_their_own():
    ec2 = client("ec2")
    web = group(ec2)
    [rule] = ec2.authorize_security_group_ingress(
        GroupId=web, IpPermissions=tcp(80, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
    )["SecurityGroupRules"]
    rule_id = rule["SecurityGroupRuleId"]
    of_group = [{"Name": "group-id", "Values": [web]}]
    rules = ec2.describe_security_group_rules(Filters=of_group)["SecurityGroupRules"]
    equal(sorted(one["IsEgress"] for one in rules), [False, True])
    ec2.create_tags(Resources=[rule_id], Tags=[{"Key": "a", "Value": "b"}])
    [found] = ec2.describe_security_group_rules(Filters=[{"Name": "tag:a", "Values": ["b"]}])["SecurityGroupRules"]
    equal(found["SecurityGroupRuleId"], rule_id)
    change = {"IpProtocol": "tcp", "FromPort": 81, "ToPort": 82, "CidrIpv4": "10.0.0.0/9", "Description": "new"}
    ec2.modify_security_group_rules(
        GroupId=web, SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": change}]
    )
    [found] = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])["SecurityGroupRules"]
    equal((found["FromPort"], found["ToPort"], found["CidrIpv4"], found["Description"]), (81, 82, "10.0.0.0/9", "new"))
    equal(found["Tags"], [{"Key": "a", "Value": "b"}])
    refused(
        "InvalidSecurityGroupRuleId.NotFound",
        ec2.modify_security_group_rules,
        GroupId=web,
        SecurityGroupRules=[{"SecurityGroupRuleId": "sgr-12345678", "SecurityGroupRule": change}],
    )
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_egress, GroupId=web, SecurityGroupRuleIds=[rule_id])
    ec2.revoke_security_group_ingress(GroupId=web, SecurityGroupRuleIds=[rule_id])
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.describe_security_group_rules, SecurityGroupRuleIds=[rule_id])
    equal(ingress(ec2, web), [])


def test_descriptions_are_updated():
    ec2 = client("ec2")
    web = group(ec2)
    ssh = tcp(22, IpRanges=[{"CidrIp": "192.0.2.0/24", "Description": "old"}])
    [rule] = ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=ssh)["SecurityGroupRules"]
    def shown():
        return ingress(ec2, web)[0]["IpRanges"][0].get("Description")
    ssh[0]["IpRanges"][0]["Description"] = "new"
    ec2.update_security_group_rule_descriptions_ingress(GroupId=web, IpPermissions=ssh)
    equal(shown(), "new")
    named = [{"SecurityGroupRuleId": rule["SecurityGroupRuleId"]}]
    ec2.update_security_group_rule_descriptions_ingress(GroupId=web, SecurityGroupRuleDescriptions=named)
    equal(shown(), None)
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.update_security_group_rule_descriptions_egress, GroupId=web, SecurityGroupRuleDescriptions=named)
    absent = tcp(23, IpRanges=[{"CidrIp": "192.0.2.0/24"}])
    refused("InvalidPermission.NotFound", ec2.update_security_group_rule_descriptions_ingress, GroupId=web, IpPermissions=absent)


def test_a_group_in_use_or_named_by_a_rule_stays():
    ec2 = client("ec2")
    web, app = group(ec2), group(ec2, "app")
    ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=tcp(80, UserIdGroupPairs=[{"GroupId": web}]))
    refused("DependencyViolation", ec2.delete_security_group, message=f"resource {web} has a dependent object", GroupId=web)
    ec2.revoke_security_group_ingress(GroupId=app, IpPermissions=tcp(80, UserIdGroupPairs=[{"GroupId": web}]))
    # A group that names only itself is in nobody's way.
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=tcp(80, UserIdGroupPairs=[{"GroupId": web}]))
    equal(ec2.delete_security_group(GroupId=web)["GroupId"], web)
    refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=web)
    [instance] = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, SecurityGroupIds=[app])["Instances"]
    refused("DependencyViolation", ec2.delete_security_group, GroupId=app)
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    ec2.delete_security_group(GroupName="app")
    [default] = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    refused("CannotDelete", ec2.delete_security_group, GroupId=default["GroupId"])


def test_filters_look_into_the_rules():
    ec2 = client("ec2")
    web, app = group(ec2), group(ec2, "app")
    ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=tcp(80, UserIdGroupPairs=[{"GroupId": web}]))
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=tcp(443, IpRanges=[{"CidrIp": "192.0.2.0/24"}]))
    def found(name, value):
        groups = ec2.describe_security_groups(Filters=[{"Name": name, "Values": [value]}])["SecurityGroups"]
        return sorted(group["GroupName"] for group in groups)
    equal(found("ip-permission.group-id", web), ["app"])
    equal(found("ip-permission.cidr", "192.0.2.*"), ["web"])
    equal(found("ip-permission.from-port", "443"), ["web"])
    equal(found("egress.ip-permission.cidr", "0.0.0.0/0"), ["app", "default", "web"])
    equal(found("group-name", "?eb"), ["web"])
    equal(found("description", "for app"), ["app"])


def test_pages():
    ec2 = client("ec2")
    for number in range(11):
        group(ec2, f"group-{number}")
    pages = list(ec2.get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 5}))
    equal([len(page["SecurityGroups"]) for page in pages], [5, 5, 2])
    equal(len({one["GroupId"] for page in pages for one in page["SecurityGroups"]}), 12)
    pages = list(ec2.get_paginator("describe_security_group_rules").paginate(PaginationConfig={"PageSize": 5}))
    equal([len(page["SecurityGroupRules"]) for page in pages], [5, 5, 3])


harness.run(sys.modules[__name__])
