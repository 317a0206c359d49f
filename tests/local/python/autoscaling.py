"""Auto Scaling groups: launches, load balancers, and what is refused."""

import json
import sys

import harness
from harness import ACCOUNT, admin, cli, client, equal, refused

IMAGE = "ami-0123456789abcdef0"
scaling, ec2, elb, elbv2 = client("autoscaling"), client("ec2"), client("elb"), client("elbv2")


def subnets():
    return {one["AvailabilityZone"]: one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}


def configuration(name="web", **arguments):
    scaling.create_launch_configuration(LaunchConfigurationName=name, ImageId=IMAGE, InstanceType="t3.micro", **arguments)
    return name


def create(name="web", least=0, most=5, desired=None, **arguments):
    given = {"AvailabilityZones": ["us-east-1a", "us-east-1b"], "LaunchConfigurationName": "web", **arguments}
    if desired is not None:
        given["DesiredCapacity"] = desired
    given = {key: value for key, value in given.items() if value is not None}
    return scaling.create_auto_scaling_group(AutoScalingGroupName=name, MinSize=least, MaxSize=most, **given)


def group(name="web"):
    [found] = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return found


def members(name="web"):
    return [one["InstanceId"] for one in group(name)["Instances"]]


def running():
    filters = [{"Name": "instance-state-name", "Values": ["running"]}]
    reservations = ec2.describe_instances(Filters=filters)["Reservations"]
    return {one["InstanceId"]: one for reservation in reservations for one in reservation["Instances"]}


def balancer(name="chat"):
    listener = {"Protocol": "TCP", "LoadBalancerPort": 80, "InstanceProtocol": "TCP", "InstancePort": 80}
    elb.create_load_balancer(LoadBalancerName=name, Listeners=[listener], Subnets=[subnets()[f"us-east-1{zone}"] for zone in "ab"])
    return name


def registered(name="chat"):
    [found] = elb.describe_load_balancers(LoadBalancerNames=[name])["LoadBalancerDescriptions"]
    return [one["InstanceId"] for one in found["Instances"]]


def target_group(name="chat", **arguments):
    [vpc] = ec2.describe_vpcs()["Vpcs"]
    given = {"Protocol": "HTTP", "Port": 8080, "VpcId": vpc["VpcId"], **arguments}
    [made] = elbv2.create_target_group(Name=name, **given)["TargetGroups"]
    return made["TargetGroupArn"]


def targets(arn):
    described = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return sorted((one["Target"]["Id"], one["Target"]["Port"]) for one in described)


def test_a_group_launches_what_is_desired_in_its_zones():
    [default] = ec2.describe_security_groups()["SecurityGroups"]
    configuration(KeyName="key", IamInstanceProfile="web", SecurityGroups=[default["GroupId"]])
    tags = [
        {"Key": "App", "Value": "chat", "PropagateAtLaunch": True},
        {"Key": "Team", "Value": "web", "PropagateAtLaunch": False},
    ]
    create(desired=3, Tags=tags)
    found = group()
    assert found["AutoScalingGroupARN"].startswith(f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:")
    equal((found["MinSize"], found["MaxSize"], found["DesiredCapacity"]), (0, 5, 3))
    equal(sorted(one["AvailabilityZone"][-1] for one in found["Instances"]), ["a", "a", "b"])
    equal({(one["LifecycleState"], one["HealthStatus"], one["LaunchConfigurationName"]) for one in found["Instances"]},
          {("InService", "Healthy", "web")})
    instances = running()
    equal(sorted(instances), sorted(members()))
    one = instances[members()[0]]
    equal((one["ImageId"], one["InstanceType"], one["KeyName"]), (IMAGE, "t3.micro", "key"))
    equal(one["IamInstanceProfile"]["Arn"], f"arn:aws:iam::{ACCOUNT}:instance-profile/web")
    equal({tag["Key"]: tag["Value"] for tag in one["Tags"]}, {"App": "chat", "aws:autoscaling:groupName": "web"})
    described = scaling.describe_auto_scaling_instances(InstanceIds=[members()[0]])["AutoScalingInstances"]
    equal([(one["AutoScalingGroupName"], one["HealthStatus"]) for one in described], [("web", "HEALTHY")])
    activities = scaling.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
    equal({(one["StatusCode"], one["Description"].split(":")[0]) for one in activities},
          {("Successful", "Launching a new EC2 instance")})
    equal(len(activities), 3)


def test_subnets_hold_a_groups_instances():
    configuration()
    chosen = [subnets()["us-east-1c"], subnets()["us-east-1d"]]
    create(desired=2, AvailabilityZones=None, VPCZoneIdentifier=",".join(chosen))
    equal(group()["VPCZoneIdentifier"], ",".join(chosen))
    equal(sorted(group()["AvailabilityZones"]), ["us-east-1c", "us-east-1d"])
    equal(sorted(one["SubnetId"] for one in running().values()), sorted(chosen))


def test_a_launch_template_has_versions():
    data = {"ImageId": IMAGE, "InstanceType": "t3.micro", "IamInstanceProfile": {"Name": "web"},
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "App", "Value": "chat"}]}]}
    made = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)["LaunchTemplate"]
    refused("InvalidLaunchTemplateName.AlreadyExistsException", ec2.create_launch_template, LaunchTemplateName="web", LaunchTemplateData=data)
    ec2.create_launch_template_version(
        LaunchTemplateId=made["LaunchTemplateId"], SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"}
    )
    [found] = ec2.describe_launch_templates(LaunchTemplateNames=["web"])["LaunchTemplates"]
    equal((found["DefaultVersionNumber"], found["LatestVersionNumber"]), (1, 2))
    versions = ec2.describe_launch_template_versions(LaunchTemplateName="web")["LaunchTemplateVersions"]
    equal([one["LaunchTemplateData"]["InstanceType"] for one in versions], ["t3.micro", "t3.small"])
    equal(versions[1]["LaunchTemplateData"]["IamInstanceProfile"], {"Name": "web"})
    create(desired=1, LaunchConfigurationName=None, LaunchTemplate={"LaunchTemplateName": "web"})
    create("newest", desired=1, LaunchConfigurationName=None,
           LaunchTemplate={"LaunchTemplateId": made["LaunchTemplateId"], "Version": "$Latest"})
    instances = running()
    equal([instances[members(name)[0]]["InstanceType"] for name in ("web", "newest")], ["t3.micro", "t3.small"])
    equal({tag["Value"] for tag in instances[members()[0]]["Tags"]}, {"chat", "web"})
    equal(group("newest")["LaunchTemplate"]["Version"], "$Latest")
    refused("ValidationError", create, name="x", LaunchConfigurationName=None, LaunchTemplate={"LaunchTemplateName": "web", "Version": "7"})
    ec2.delete_launch_template(LaunchTemplateName="web")
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.describe_launch_templates, LaunchTemplateNames=["web"])
    # A group whose template is gone says so, and keeps what it has.
    scaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)
    equal(len(members()), 1)
    failed = scaling.describe_scaling_activities(AutoScalingGroupName="web")["Activities"][0]
    equal(failed["StatusCode"], "Failed")
    assert "launch template" in failed["StatusMessage"], failed


def test_what_ends_is_replaced():
    configuration()
    create(desired=2)
    first, second = members()
    ec2.terminate_instances(InstanceIds=[first])
    now = members()
    assert first not in now and second in now and len(now) == 2, now
    ec2.stop_instances(InstanceIds=[second])
    assert second not in members()
    equal(sorted(running()), sorted(members()))
    [third, _] = members()
    ended = scaling.terminate_instance_in_auto_scaling_group(InstanceId=third, ShouldDecrementDesiredCapacity=False)
    assert third in ended["Activity"]["Description"], ended
    equal(len(members()), 2)
    scaling.terminate_instance_in_auto_scaling_group(InstanceId=members()[0], ShouldDecrementDesiredCapacity=True)
    equal((len(members()), group()["DesiredCapacity"]), (1, 1))
    refused("ValidationError", scaling.terminate_instance_in_auto_scaling_group, message="Instance Id not found",
            InstanceId=third, ShouldDecrementDesiredCapacity=False)


def test_the_desired_capacity_stays_within_bounds():
    configuration()
    create(least=1, most=3)
    equal(len(members()), 1)
    scaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    equal(len(members()), 3)
    oldest = members()[0]
    scaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)
    assert oldest not in members()
    set_desired = scaling.set_desired_capacity
    refused("ValidationError", set_desired, message="above max value 3", AutoScalingGroupName="web", DesiredCapacity=4)
    refused("ValidationError", set_desired, message="below min value 1", AutoScalingGroupName="web", DesiredCapacity=0)
    refused("ValidationError", set_desired, message="name not found", AutoScalingGroupName="other", DesiredCapacity=1)
    scaling.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=0, MaxSize=1)
    equal((group()["DesiredCapacity"], len(members())), (1, 1))
    refused("ValidationError", scaling.update_auto_scaling_group, AutoScalingGroupName="web", MinSize=2)
    refused("ValidationError", scaling.update_auto_scaling_group, AutoScalingGroupName="web", DesiredCapacity=2)
    scaling.update_auto_scaling_group(AutoScalingGroupName="web", NewInstancesProtectedFromScaleIn=True, MaxSize=2, DesiredCapacity=2)
    equal([one["ProtectedFromScaleIn"] for one in group()["Instances"]], [False, True])
    protected = members()[1]
    scaling.update_auto_scaling_group(AutoScalingGroupName="web", DesiredCapacity=0)
    equal(members(), [protected])


def test_a_classic_load_balancer_gets_the_groups_instances():
    configuration()
    balancer()
    create(desired=2)
    equal(registered(), [])
    scaling.attach_load_balancers(AutoScalingGroupName="web", LoadBalancerNames=["chat"])
    scaling.attach_load_balancers(AutoScalingGroupName="web", LoadBalancerNames=["chat"])
    equal(registered(), members())
    equal(group()["LoadBalancerNames"], ["chat"])
    [state] = scaling.describe_load_balancers(AutoScalingGroupName="web")["LoadBalancers"]
    equal(state, {"LoadBalancerName": "chat", "State": "Added"})
    admin("/_elbws/settings", b'{"assume_healthy":true}')
    [state] = scaling.describe_load_balancers(AutoScalingGroupName="web")["LoadBalancers"]
    equal(state["State"], "InService")
    own = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    elb.register_instances_with_load_balancer(LoadBalancerName="chat", Instances=[{"InstanceId": own}])
    scaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    equal(sorted(registered()), sorted([own, *members()]))
    ec2.terminate_instances(InstanceIds=[members()[0]])
    equal(sorted(registered()), sorted([own, *members()]))
    scaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=1)
    equal(sorted(registered()), sorted([own, *members()]))
    scaling.detach_load_balancers(AutoScalingGroupName="web", LoadBalancerNames=["chat"])
    equal((registered(), group()["LoadBalancerNames"], len(members())), ([own], [], 1))
    refused("ValidationError", scaling.detach_load_balancers, AutoScalingGroupName="web", LoadBalancerNames=["chat"])
    refused("ValidationError", scaling.attach_load_balancers, message="Provided Load Balancers may not be valid",
            AutoScalingGroupName="web", LoadBalancerNames=["other"])


def test_target_groups_get_the_groups_instances():
    configuration()
    first, second = target_group("first"), target_group("second", Port=9000)
    create(desired=2, TargetGroupARNs=[first])
    equal(targets(first), sorted((one, 8080) for one in members()))
    scaling.attach_load_balancer_target_groups(AutoScalingGroupName="web", TargetGroupARNs=[second])
    equal(targets(second), sorted((one, 9000) for one in members()))
    states = scaling.describe_load_balancer_target_groups(AutoScalingGroupName="web")["LoadBalancerTargetGroups"]
    equal(states, [{"LoadBalancerTargetGroupARN": arn, "State": "Added"} for arn in (first, second)])
    ec2.terminate_instances(InstanceIds=[members()[0]])
    equal(targets(first), sorted((one, 8080) for one in members()))
    scaling.detach_load_balancer_target_groups(AutoScalingGroupName="web", TargetGroupARNs=[first])
    equal((targets(first), group()["TargetGroupARNs"]), ([], [second]))
    addresses = target_group("addresses", TargetType="ip")
    attach = scaling.attach_load_balancer_target_groups
    refused("ValidationError", attach, message="target type instance", AutoScalingGroupName="web", TargetGroupARNs=[addresses])
    refused("ValidationError", attach, message="Provided Target Groups may not be valid",
            AutoScalingGroupName="web", TargetGroupARNs=[first.replace("first", "third")])
    elbv2.delete_target_group(TargetGroupArn=first)
    elbv2.delete_target_group(TargetGroupArn=second)
    scaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    equal(len(members()), 3)


def test_traffic_sources_are_both():
    configuration()
    balancer()
    arn = target_group()
    create(desired=1)
    sources = [{"Identifier": "chat", "Type": "elb"}, {"Identifier": arn, "Type": "elbv2"}]
    scaling.attach_traffic_sources(AutoScalingGroupName="web", TrafficSources=sources)
    equal((registered(), [one for one, _ in targets(arn)]), (members(), members()))
    equal(group()["TrafficSources"], sources)
    [of_group] = scaling.describe_traffic_sources(AutoScalingGroupName="web", TrafficSourceType="elbv2")["TrafficSources"]
    equal((of_group["Identifier"], of_group["State"]), (arn, "Added"))
    scaling.detach_traffic_sources(AutoScalingGroupName="web", TrafficSources=sources)
    equal((registered(), targets(arn), group()["TrafficSources"]), ([], [], []))


def test_what_no_group_can_be_is_refused():
    refused("ValidationError", create, message="Launch configuration name not found")
    configuration()
    refused("AlreadyExists", configuration)
    refused("ValidationError", create, message="At least one Availability Zone", AvailabilityZones=None)
    refused("ValidationError", create, message="Valid requests must contain", LaunchConfigurationName=None)
    refused("ValidationError", create, AvailabilityZones=["us-east-1z"])
    refused("ValidationError", create, AvailabilityZones=None, VPCZoneIdentifier="subnet-12345678")
    refused("ValidationError", create, message="Max bound", least=2, most=1)
    refused("ValidationError", create, message="Desired capacity:7", desired=7)
    refused("ValidationError", create, message="Provided Load Balancers", LoadBalancerNames=["nobody"])
    refused("ValidationError", create, name="a:b")
    refused("ValidationError", create, HealthCheckType="VPC_LATTICE")
    create()
    refused("AlreadyExists", create)
    refused("ResourceInUse", scaling.delete_launch_configuration, LaunchConfigurationName="web")
    refused("InvalidAction", scaling.describe_policies)


def test_a_group_is_deleted_when_it_is_empty_or_by_force():
    configuration()
    balancer()
    create(desired=2, LoadBalancerNames=["chat"])
    equal(len(registered()), 2)
    refused("ResourceInUse", scaling.delete_auto_scaling_group, AutoScalingGroupName="web")
    scaling.delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    equal((running(), registered()), ({}, []))
    equal(scaling.describe_auto_scaling_groups()["AutoScalingGroups"], [])
    refused("ValidationError", scaling.delete_auto_scaling_group, AutoScalingGroupName="web")
    scaling.delete_launch_configuration(LaunchConfigurationName="web")
    equal(scaling.describe_launch_configurations()["LaunchConfigurations"], [])


def test_tags_filters_and_pages():
    configuration()
    for index in range(3):
        create(f"web-{index}", Tags=[{"Key": "App", "Value": f"chat-{index}", "PropagateAtLaunch": True}])
    def named(*filters):
        wanted = [{"Name": name, "Values": [value]} for name, value in filters]
        return [one["AutoScalingGroupName"] for one in scaling.describe_auto_scaling_groups(Filters=wanted)["AutoScalingGroups"]]
    equal(named(("tag:App", "chat-1")), ["web-1"])
    equal(named(("tag-key", "App"), ("tag-value", "chat-2")), ["web-2"])
    equal(named(("tag-key", "Other")), [])
    tag = {"ResourceId": "web-0", "ResourceType": "auto-scaling-group", "Key": "App"}
    scaling.create_or_update_tags(Tags=[{**tag, "Value": "other", "PropagateAtLaunch": False}])
    equal(group("web-0")["Tags"], [{**tag, "Value": "other", "PropagateAtLaunch": False}])
    described = scaling.describe_tags(Filters=[{"Name": "auto-scaling-group", "Values": ["web-1"]}])["Tags"]
    equal([one["Value"] for one in described], ["chat-1"])
    scaling.delete_tags(Tags=[tag])
    equal(group("web-0")["Tags"], [])
    pages = list(scaling.get_paginator("describe_auto_scaling_groups").paginate(PaginationConfig={"PageSize": 2}))
    equal([[one["AutoScalingGroupName"] for one in page["AutoScalingGroups"]] for page in pages], [["web-0", "web-1"], ["web-2"]])
    refused("InvalidNextToken", scaling.describe_auto_scaling_groups, NextToken="x")
    refused("ValidationError", scaling.describe_auto_scaling_groups, Filters=[{"Name": "colour", "Values": ["red"]}])
    equal(client("autoscaling", "eu-west-1").describe_auto_scaling_groups()["AutoScalingGroups"], [])


def test_the_cli_does_it_as_well():
    def told(*arguments):
        answer = cli("autoscaling", *arguments, "--output", "json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout) if answer.stdout.strip() else None
    told("create-launch-configuration", "--launch-configuration-name", "web", "--image-id", IMAGE, "--instance-type", "t3.micro")
    told("create-auto-scaling-group", "--auto-scaling-group-name", "web", "--launch-configuration-name", "web",
         "--min-size", "0", "--max-size", "2", "--desired-capacity", "1", "--vpc-zone-identifier", subnets()["us-east-1a"])
    found = told("describe-auto-scaling-groups", "--query", "AutoScalingGroups[].Instances[].InstanceId")
    equal(found, members())
    told("delete-auto-scaling-group", "--auto-scaling-group-name", "web", "--force-delete")


def check_codes():
    """Every error must be one that the service's model declares for its operation, or ValidationError."""
    for call in harness.get("/_elbws/calls"):
        if call["code"] is None or call["service"] != "autoscaling" or call["code"] == "InvalidAction":
            continue
        operation = scaling.meta.service_model.operation_model(call["operation"])
        declared = {shape.metadata["error"]["code"] for shape in operation.error_shapes}
        assert call["code"] in declared | {"ValidationError"}, f"{call['operation']} does not declare {call['code']}"


harness.check_codes = check_codes
harness.run(sys.modules[__name__])
