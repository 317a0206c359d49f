"""What the scripts about Application and Network Load Balancers share: something to begin with."""

from classic import default_subnets
from harness import client


def vpc():
    """The default VPC's id."""
    [found] = client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return found["VpcId"]


def create(elb, name="web", type="application", letters="ab", **more):
    """A load balancer in the default subnets of those zones."""
    if not {"Subnets", "SubnetMappings"} & more.keys():
        more["Subnets"] = [default_subnets()[letter] for letter in letters]
    [made] = elb.create_load_balancer(Name=name, Type=type, **more)["LoadBalancers"]
    return made["LoadBalancerArn"]


def group(elb, name="web", protocol="HTTP", port=80, **more):
    """A target group in the default VPC."""
    more.setdefault("VpcId", vpc())
    [made] = elb.create_target_group(Name=name, Protocol=protocol, Port=port, **more)["TargetGroups"]
    return made["TargetGroupArn"]


def forward(*arns):
    if len(arns) == 1:
        return [{"Type": "forward", "TargetGroupArn": arns[0]}]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arn} for arn in arns]}}]


def listen(elb, balancer, actions, port=80, protocol="HTTP", **more):
    [made] = elb.create_listener(
        LoadBalancerArn=balancer, Protocol=protocol, Port=port, DefaultActions=actions, **more
    )["Listeners"]
    return made["ListenerArn"]


def refusing(status=503, **more):
    return [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": str(status), **more}}]
