"""What the scripts about Classic ELB share: load balancers and instances to begin with."""

from harness import client

ZONES = ["us-east-1a", "us-east-1b"]


def listener(port=80, instance_port=80, protocol="TCP", **more):
    return {"Protocol": protocol, "LoadBalancerPort": port, "InstancePort": instance_port, **more}


def create(elb, name="web", listeners=None, **more):
    if not {"AvailabilityZones", "Subnets"} & more.keys():
        more["AvailabilityZones"] = ZONES
    return elb.create_load_balancer(LoadBalancerName=name, Listeners=listeners or [listener()], **more)


def describe(elb, name="web"):
    [found] = elb.describe_load_balancers(LoadBalancerNames=[name])["LoadBalancerDescriptions"]
    return found


def default_subnets(region="us-east-1"):
    """The default subnets' ids by the letter of their zone."""
    subnets = client("ec2", region).describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    return {subnet["AvailabilityZone"][-1]: subnet["SubnetId"] for subnet in subnets}


def launch(letter="a", count=1):
    """Runs instances in the default subnet of a zone of us-east-1."""
    subnet = default_subnets()[letter]
    launched = client("ec2").run_instances(ImageId="ami-0123456789abcdef0", MinCount=count, MaxCount=count, SubnetId=subnet)
    return [instance["InstanceId"] for instance in launched["Instances"]]


def other_vpc():
    """A VPC without an internet gateway, with one subnet: their ids."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    return vpc, subnet


def certificate(domain="chat.example.com", region="us-east-1"):
    """An issued certificate's ARN."""
    issued = client("acm", region).request_certificate(DomainName=domain, KeyAlgorithm="EC_prime256v1")
    return issued["CertificateArn"]


def as_instances(ids):
    return [{"InstanceId": one} for one in ids]
