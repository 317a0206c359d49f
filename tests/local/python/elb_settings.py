"""Health check, attributes, tags and instances of Classic load balancers."""

import sys
import time

import harness
from classic import as_instances, create, describe, launch, other_vpc
from harness import admin, client, equal, refused

WEB = {"LoadBalancerName": "web"}
CHECK = {"Target": "HTTP:8081/healthz", "Interval": 10, "Timeout": 5, "UnhealthyThreshold": 3, "HealthyThreshold": 2}


def test_the_health_check_is_checked():
    elb = client("elb")
    create(elb)
    configure = elb.configure_health_check
    equal(configure(**WEB, HealthCheck=CHECK)["HealthCheck"], CHECK)
    equal(describe(elb)["HealthCheck"], CHECK)
    for change, message in [
        ({"Target": "HTTP:80"}, "must specify a port followed by a path that begins with a slash. e.g. HTTP:80/ping/this/path"),
        ({"Target": "TCP:80/path"}, "port only"),
        ({"Target": "FTP:21"}, "must begin with one of"),
        ({"Target": "TCP:0"}, "between 1 and 65535"),
        ({"Interval": 301}, "'301' at 'healthCheck.interval' failed to satisfy constraint: Member must have value less than or equal to 300"),
        ({"Timeout": 61, "Interval": 100}, "'61' at 'healthCheck.timeout'"),
        ({"UnhealthyThreshold": 11}, "'11' at 'healthCheck.unhealthyThreshold'"),
        ({"HealthyThreshold": 11}, "'11' at 'healthCheck.healthyThreshold'"),
        ({"Timeout": 10}, "HealthCheck timeout must be less than interval"),
    ]:
        refused("ValidationError", configure, message=message, **WEB, HealthCheck={**CHECK, **change})
    refused("LoadBalancerNotFound", configure, LoadBalancerName="nobody", HealthCheck=CHECK)
    equal(describe(elb)["HealthCheck"], CHECK)


def test_attributes():
    elb = client("elb")
    create(elb)

    def read():
        return elb.describe_load_balancer_attributes(**WEB)["LoadBalancerAttributes"]

    def modify(**attributes):
        answer = elb.modify_load_balancer_attributes(**WEB, LoadBalancerAttributes=attributes)
        equal(answer["LoadBalancerName"], "web")
        return answer["LoadBalancerAttributes"]

    mode = {"Key": "elb.http.desyncmitigationmode", "Value": "defensive"}
    equal(
        read(),
        {
            "CrossZoneLoadBalancing": {"Enabled": False},
            "AccessLog": {"Enabled": False},
            "ConnectionDraining": {"Enabled": False, "Timeout": 300},
            "ConnectionSettings": {"IdleTimeout": 60},
            "AdditionalAttributes": [mode],
        },
    )
    equal(
        modify(CrossZoneLoadBalancing={"Enabled": True}),
        {"CrossZoneLoadBalancing": {"Enabled": True}},
    )
    equal(modify(ConnectionSettings={"IdleTimeout": 4000}), {"ConnectionSettings": {"IdleTimeout": 4000}})
    equal(modify(ConnectionDraining={"Enabled": True, "Timeout": 120})["ConnectionDraining"]["Timeout"], 120)
    equal(modify(ConnectionDraining={"Enabled": False})["ConnectionDraining"], {"Enabled": False, "Timeout": 120})
    equal(modify(ConnectionDraining={"Enabled": True})["ConnectionDraining"], {"Enabled": True, "Timeout": 300})
    log = {"Enabled": True, "S3BucketName": "logs", "S3BucketPrefix": "web", "EmitInterval": 5}
    modify(AccessLog=log)
    modify(AdditionalAttributes=[{**mode, "Value": "strictest"}])
    equal(
        read(),
        {
            "CrossZoneLoadBalancing": {"Enabled": True},
            "AccessLog": log,
            "ConnectionDraining": {"Enabled": True, "Timeout": 300},
            "ConnectionSettings": {"IdleTimeout": 4000},
            "AdditionalAttributes": [{**mode, "Value": "strictest"}],
        },
    )
    equal(modify(AccessLog={"Enabled": True, "S3BucketName": "logs"})["AccessLog"]["EmitInterval"], 60)
    equal(modify(AccessLog={"Enabled": False}), {"AccessLog": {"Enabled": False}})
    for wrong in [
        {"ConnectionSettings": {"IdleTimeout": 4001}},
        {"ConnectionDraining": {"Enabled": True, "Timeout": 3601}},
        {"ConnectionDraining": {"Enabled": True, "Timeout": 0}},
        {"AccessLog": {"Enabled": True}},
        {"AccessLog": {"Enabled": True, "S3BucketName": "logs", "EmitInterval": 15}},
        {"AdditionalAttributes": [{**mode, "Value": "loose"}]},
    ]:
        refused("ValidationError", modify, **wrong)
    refused("LoadBalancerAttributeNotFound", modify, AdditionalAttributes=[{"Key": "elb.colour", "Value": "blue"}])
    refused("LoadBalancerNotFound", elb.describe_load_balancer_attributes, LoadBalancerName="nobody")
    attributes = {"CrossZoneLoadBalancing": {"Enabled": True}}
    refused("LoadBalancerNotFound", elb.modify_load_balancer_attributes, LoadBalancerName="nobody", LoadBalancerAttributes=attributes)


def tags(count, start=0):
    return [{"Key": f"k{number}", "Value": "v"} for number in range(start, start + count)]


def read_tags(elb, name="web"):
    [found] = elb.describe_tags(LoadBalancerNames=[name])["TagDescriptions"]
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


def test_tags():
    elb = client("elb")
    create(elb, Tags=[{"Key": "elbws:stack", "Value": "chat"}])
    add, remove = elb.add_tags, elb.remove_tags
    names = {"LoadBalancerNames": ["web"]}
    add(**names, Tags=[{"Key": "Ünï code", "Value": "a/b=c@d"}, {"Key": "elbws:stack", "Value": "other"}])
    equal(read_tags(elb), {"elbws:stack": "other", "Ünï code": "a/b=c@d"})
    remove(**names, Tags=[{"Key": "Ünï code"}, {"Key": "never-there"}])
    equal(read_tags(elb), {"elbws:stack": "other"})
    refused("DuplicateTagKeys", add, **names, Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])
    refused("TooManyTags", add, **names, Tags=tags(50))
    equal(read_tags(elb), {"elbws:stack": "other"})
    add(**names, Tags=tags(49))
    refused("TooManyTags", create, elb=elb, name="other", Tags=tags(51))
    refused("DuplicateTagKeys", create, elb=elb, name="other", Tags=tags(1) + tags(1))
    refused("ValidationError", add, **names, Tags=[{"Key": "aws:mine", "Value": ""}])
    refused("ValidationError", add, **names, Tags=[{"Key": "k" * 129, "Value": ""}])
    refused("ValidationError", add, **names, Tags=[{"Key": "k", "Value": "v" * 257}])
    refused("ValidationError", add, **names, Tags=[{"Key": "a<b", "Value": ""}])
    refused("LoadBalancerNotFound", add, LoadBalancerNames=["nobody"], Tags=tags(1))
    refused("LoadBalancerNotFound", remove, LoadBalancerNames=["nobody"], Tags=[{"Key": "a"}])
    refused("LoadBalancerNotFound", elb.describe_tags, LoadBalancerNames=["web", "nobody"])
    message = "Member must have length less than or equal to 20"
    refused("ValidationError", elb.describe_tags, message=message, LoadBalancerNames=[f"web{n}" for n in range(21)])


def test_instances_are_registered_and_deregistered():
    elb, ec2 = client("elb"), client("ec2")
    create(elb)
    register, deregister = elb.register_instances_with_load_balancer, elb.deregister_instances_from_load_balancer
    first, second = launch("a") + launch("b")
    equal(register(**WEB, Instances=as_instances([first]))["Instances"], as_instances([first]))
    equal(register(**WEB, Instances=as_instances([second, first]))["Instances"], as_instances([first, second]))
    refused("InvalidInstance", register, message="Could not find EC2 instance i-0123", **WEB, Instances=as_instances(["i-0123"]))
    _, subnet = other_vpc()
    elsewhere = ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0]["InstanceId"]
    refused("InvalidInstance", register, message="not in the same VPC", **WEB, Instances=as_instances([elsewhere]))
    equal(describe(elb)["Instances"], as_instances([first, second]))
    equal(deregister(**WEB, Instances=as_instances([first]))["Instances"], as_instances([second]))
    equal(deregister(**WEB, Instances=as_instances([first]))["Instances"], as_instances([second]))
    refused("InvalidInstance", deregister, **WEB, Instances=as_instances(["i-0123"]))
    refused("LoadBalancerNotFound", register, LoadBalancerName="nobody", Instances=as_instances([first]))
    refused("LoadBalancerNotFound", deregister, LoadBalancerName="nobody", Instances=as_instances([first]))
    ec2.terminate_instances(InstanceIds=[second])
    equal(describe(elb)["Instances"], [])
    equal(elb.describe_instance_health(**WEB)["InstanceStates"], [])
    refused("InvalidInstance", register, **WEB, Instances=as_instances([second]))


def test_health_says_why():
    elb, ec2 = client("elb"), client("ec2")
    create(elb)
    serving, stopped, far, idle = launch("a") + launch("b") + launch("c") + launch("a")
    elb.register_instances_with_load_balancer(**WEB, Instances=as_instances([serving, stopped, far]))
    ec2.stop_instances(InstanceIds=[stopped])
    admin("/_elbws/settings", b'{"health_check_interval_ms":10}')

    def health(**more):
        states = elb.describe_instance_health(**WEB, **more)["InstanceStates"]
        return {one["InstanceId"]: (one["State"], one["ReasonCode"], one["Description"]) for one in states}

    out = "OutOfService"
    others = {
        stopped: (out, "Instance", "Instance is in stopped state."),
        far: (out, "ELB", "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route traffic to."),
    }
    failed = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."
    deadline = time.monotonic() + 20
    while (found := health())[serving][2] != failed and time.monotonic() < deadline:
        assert found[serving][0] == out, found
    equal(found, {serving: (out, "Instance", failed), **others})
    admin("/_elbws/settings", b'{"assume_healthy":true}')
    equal(health(), {serving: ("InService", "N/A", "N/A"), **others})
    unregistered = "Instance is not currently registered with the LoadBalancer."
    equal(health(Instances=as_instances([idle])), {idle: (out, "Instance", unregistered)})
    refused("InvalidInstance", elb.describe_instance_health, **WEB, Instances=as_instances(["i-0123"]))
    refused("LoadBalancerNotFound", elb.describe_instance_health, LoadBalancerName="nobody")


harness.run(sys.modules[__name__])
