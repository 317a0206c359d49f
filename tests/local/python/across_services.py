"""What one service refuses because of another: certificates, groups, gateways and instances in use."""

import os
import subprocess
import sys
import tempfile

import harness
from cryptography import x509
from harness import ACCOUNT, admin, client, equal, refused

FAST = {"KeyAlgorithm": "EC_prime256v1"}


def default_subnets(ec2, count=2):
    return [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]][:count]


def listener(port=443, certificate=None):
    if certificate is None:
        return {"Protocol": "TCP", "LoadBalancerPort": port, "InstanceProtocol": "TCP", "InstancePort": 80}
    return {
        "Protocol": "SSL", "LoadBalancerPort": port, "InstanceProtocol": "TCP", "InstancePort": 80,
        "SSLCertificateId": certificate,
    }


def test_an_acm_certificate_in_use_stays():
    acm, elb, ec2 = client("acm"), client("elb"), client("ec2")
    first = acm.request_certificate(DomainName="chat.example.com", **FAST)["CertificateArn"]
    second = acm.request_certificate(DomainName="chat.example.com", **FAST)["CertificateArn"]
    elb.create_load_balancer(LoadBalancerName="chat", Listeners=[listener(certificate=first)], Subnets=default_subnets(ec2))
    arn = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/chat"
    def users(certificate):
        return acm.describe_certificate(CertificateArn=certificate)["Certificate"]["InUseBy"]
    equal((users(first), users(second)), ([arn], []))
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=first)
    listed = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    equal({one["CertificateArn"]: one["InUse"] for one in listed}, {first: True, second: False})
    elb.set_load_balancer_listener_ssl_certificate(LoadBalancerName="chat", LoadBalancerPort=443, SSLCertificateId=second)
    equal((users(first), users(second)), ([], [arn]))
    acm.delete_certificate(CertificateArn=first)
    elb.delete_load_balancer(LoadBalancerName="chat")
    acm.delete_certificate(CertificateArn=second)


def test_an_iam_certificate_in_use_stays_and_is_renamed_with_its_users():
    acm, iam, elb, ec2 = client("acm"), client("iam"), client("elb", "eu-west-1"), client("ec2", "eu-west-1")
    # A certificate with its key, made by openssl.
    with tempfile.TemporaryDirectory() as directory:
        key, certificate = os.path.join(directory, "key.pem"), os.path.join(directory, "certificate.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
             "-days", "30", "-subj", "/CN=chat.example.com", "-addext", "subjectAltName=DNS:chat.example.com"],
            check=True, capture_output=True,
        )
        pair = {"CertificateBody": open(certificate).read(), "PrivateKey": open(key).read()}
    arn = iam.upload_server_certificate(ServerCertificateName="chat", **pair)["ServerCertificateMetadata"]["Arn"]
    found = iam.get_server_certificate(ServerCertificateName="chat")["ServerCertificate"]["ServerCertificateMetadata"]
    expected = x509.load_pem_x509_certificate(pair["CertificateBody"].encode()).not_valid_after_utc
    equal(found["Expiration"], expected)
    elb.create_load_balancer(LoadBalancerName="chat", Listeners=[listener(certificate=arn)], Subnets=default_subnets(ec2))
    refused(
        "DeleteConflict", iam.delete_server_certificate, status=409,
        message=f"currently in use by arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:loadbalancer/chat",
        ServerCertificateName="chat",
    )
    iam.update_server_certificate(ServerCertificateName="chat", NewServerCertificateName="renamed")
    [balancer] = elb.describe_load_balancers()["LoadBalancerDescriptions"]
    shown = balancer["ListenerDescriptions"][0]["Listener"]["SSLCertificateId"]
    equal(shown, f"arn:aws:iam::{ACCOUNT}:server-certificate/renamed")
    refused("DeleteConflict", iam.delete_server_certificate, status=409, ServerCertificateName="renamed")
    elb.delete_load_balancer(LoadBalancerName="chat")
    iam.delete_server_certificate(ServerCertificateName="renamed")
    assert acm.list_certificates()["CertificateSummaryList"] == []


def test_a_load_balancer_finds_certificates_of_its_own_region_only():
    elb, ec2 = client("elb"), client("ec2")
    elsewhere = client("acm", "eu-west-1").request_certificate(DomainName="a.example.com", **FAST)["CertificateArn"]
    create = {"LoadBalancerName": "chat", "Subnets": default_subnets(ec2)}
    refused("CertificateNotFound", elb.create_load_balancer, Listeners=[listener(certificate=elsewhere)], **create)
    here = client("acm").request_certificate(DomainName="a.example.com", **FAST)["CertificateArn"]
    elb.create_load_balancer(Listeners=[listener(certificate=here)], **create)


def test_a_new_certificate_is_seen_after_the_delay_that_is_set():
    elb, ec2, acm = client("elb"), client("ec2"), client("acm")
    admin("/_elbws/clock", b'{"fixed":"2026-02-03T04:05:06Z"}')
    admin("/_elbws/settings", b'{"certificate_visibility_delay_ms":5000}')
    arn = acm.request_certificate(DomainName="a.example.com", **FAST)["CertificateArn"]
    create = {"LoadBalancerName": "chat", "Subnets": default_subnets(ec2), "Listeners": [listener(certificate=arn)]}
    refused("CertificateNotFound", elb.create_load_balancer, **create)
    admin("/_elbws/clock", b'{"advance_ms":5000}')
    elb.create_load_balancer(**create)


def test_the_interfaces_of_a_load_balancer_hold_its_groups_subnets_and_gateway():
    elb, ec2 = client("elb"), client("ec2")
    [vpc] = ec2.describe_vpcs()["Vpcs"]
    [gateway] = ec2.describe_internet_gateways()["InternetGateways"]
    group = ec2.create_security_group(GroupName="chat", Description="chat")["GroupId"]
    subnets = default_subnets(ec2)
    elb.create_load_balancer(LoadBalancerName="chat", Listeners=[listener(80)], Subnets=subnets, SecurityGroups=[group])
    def interfaces(**filters):
        wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        return ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
    found = interfaces(description="ELB chat")
    equal(sorted(one["SubnetId"] for one in found), sorted(subnets))
    equal({(one["RequesterId"], one["RequesterManaged"], one["Status"]) for one in found}, {("amazon-elb", True, "in-use")})
    equal({one["Attachment"]["InstanceOwnerId"] for one in found}, {"amazon-elb"})
    equal([one["GroupId"] for one in found[0]["Groups"]], [group])
    equal(len(interfaces(requester_id="amazon-elb", group_id=group)), 2)
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnets[0])
    detach = {"InternetGatewayId": gateway["InternetGatewayId"], "VpcId": vpc["VpcId"]}
    refused("DependencyViolation", ec2.detach_internet_gateway, message="mapped public address", **detach)
    elb.delete_load_balancer(LoadBalancerName="chat")
    equal(interfaces(description="ELB chat"), [])
    ec2.delete_security_group(GroupId=group)
    ec2.detach_internet_gateway(**detach)
    [table] = ec2.describe_route_tables()["RouteTables"]
    equal([route["State"] for route in table["Routes"]], ["active", "blackhole"])
    refused(
        "InvalidSubnet", elb.create_load_balancer, message="has no internet gateway",
        LoadBalancerName="chat", Listeners=[listener(80)], Subnets=subnets,
    )


def test_instances_of_a_load_balancer_are_those_of_ec2():
    elb, ec2 = client("elb"), client("ec2")
    elb.create_load_balancer(LoadBalancerName="chat", Listeners=[listener(80)], Subnets=default_subnets(ec2))
    [instance] = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"]
    one = [{"InstanceId": instance["InstanceId"]}]
    refused("InvalidInstance", elb.register_instances_with_load_balancer, LoadBalancerName="chat", Instances=[{"InstanceId": "i-12345678"}])
    elb.register_instances_with_load_balancer(LoadBalancerName="chat", Instances=one)
    [state] = elb.describe_instance_health(LoadBalancerName="chat")["InstanceStates"]
    equal((state["State"], state["InstanceId"]), ("OutOfService", instance["InstanceId"]))
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    equal(elb.describe_instance_health(LoadBalancerName="chat")["InstanceStates"], [])


harness.run(sys.modules[__name__])
