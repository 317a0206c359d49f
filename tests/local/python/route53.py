"""Route 53: hosted zones, records, aliases of load balancers, weights, and what is refused."""

import json
import sys
import urllib.error
from collections import Counter

import harness
from balancing import create, vpc
from harness import admin, cli, client, equal, get, refused

dns, elb = client("route53"), client("elbv2")
REFERENCES = iter(range(1_000_000))


def zone(name="example.com", **more):
    made = dns.create_hosted_zone(Name=name, CallerReference=str(next(REFERENCES)), **more)
    equal(made["ResponseMetadata"]["HTTPStatusCode"], 201)
    assert made["Location"].endswith(made["HostedZone"]["Id"]), made
    return made["HostedZone"]["Id"].removeprefix("/hostedzone/")


def change(id, *changes):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return dns.change_resource_record_sets(HostedZoneId=id, ChangeBatch=batch)["ChangeInfo"]


def wrong(id, message, *changes, code="InvalidChangeBatch", status=400):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    before = records(id)
    refused(code, dns.change_resource_record_sets, status=status, message=message, HostedZoneId=id, ChangeBatch=batch)
    equal(records(id), before)


def records(id):
    return dns.list_resource_record_sets(HostedZoneId=id)["ResourceRecordSets"]


def plain(name="chat.example.com", value="192.0.2.1", type="A", ttl=60, **more):
    return {"Name": name, "Type": type, "TTL": ttl, "ResourceRecords": [{"Value": value}], **more}


def alias(balancer, name="chat.example.com", type="A", **more):
    [found] = elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"]
    target = {"HostedZoneId": found["CanonicalHostedZoneId"], "DNSName": found["DNSName"], "EvaluateTargetHealth": True}
    return {"Name": name, "Type": type, "AliasTarget": target, **more}


def test_a_zone_has_its_own_records():
    id = zone(HostedZoneConfig={"Comment": "the chat's"})
    found = dns.get_hosted_zone(Id=id)
    equal(
        (found["HostedZone"]["Name"], found["HostedZone"]["Config"], found["HostedZone"]["ResourceRecordSetCount"]),
        ("example.com.", {"Comment": "the chat's", "PrivateZone": False}, 2),
    )
    equal(len(found["DelegationSet"]["NameServers"]), 4)
    equal([(one["Name"], one["Type"]) for one in records(id)], [("example.com.", "NS"), ("example.com.", "SOA")])
    equal(dns.get_hosted_zone_count()["HostedZoneCount"], 1)
    refused("NoSuchHostedZone", dns.get_hosted_zone, status=404, message="No hosted zone found with ID: Z0", Id="Z0")


def test_a_caller_reference_serves_once():
    dns.create_hosted_zone(Name="example.com", CallerReference="x")
    refused("HostedZoneAlreadyExists", dns.create_hosted_zone, status=409, Name="example.com", CallerReference="x")
    refused("InvalidDomainName", dns.create_hosted_zone, Name="a b", CallerReference="y")
    zone()
    equal(dns.get_hosted_zone_count()["HostedZoneCount"], 2)


def test_zones_are_listed_by_name_from_the_last_label_on():
    for name in ["example.org", "b.example.com", "example.com", "a.net"]:
        zone(name)
    names = [one["Name"] for one in dns.list_hosted_zones_by_name()["HostedZones"]]
    equal(names, ["example.com.", "b.example.com.", "a.net.", "example.org."])
    first = dns.list_hosted_zones_by_name(DNSName="b.example.com", MaxItems="1")
    equal([one["Name"] for one in first["HostedZones"]], ["b.example.com."])
    equal((first["IsTruncated"], first["NextDNSName"]), (True, "a.net."))
    rest = dns.list_hosted_zones_by_name(DNSName=first["NextDNSName"], HostedZoneId=first["NextHostedZoneId"])
    equal([one["Name"] for one in rest["HostedZones"]], ["a.net.", "example.org."])
    pages = list(dns.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 3}))
    equal([len(page["HostedZones"]) for page in pages], [3, 1])


def test_a_private_zone_belongs_to_a_vpc():
    own = vpc()
    id = zone(VPC={"VPCRegion": "us-east-1", "VPCId": own})
    found = dns.get_hosted_zone(Id=id)
    equal((found["HostedZone"]["Config"]["PrivateZone"], found["VPCs"]), (True, [{"VPCRegion": "us-east-1", "VPCId": own}]))
    refused(
        "InvalidVPCId", dns.create_hosted_zone, Name="x.com", CallerReference="x",
        VPC={"VPCRegion": "us-east-1", "VPCId": "vpc-0123456789abcdef0"},
    )


def test_records_come_and_go():
    id = zone()
    info = change(id, ("CREATE", plain()), ("CREATE", plain("*.example.com", "10 mail.example.com", "MX")))
    equal(info["Status"], "PENDING")
    equal(dns.get_change(Id=info["Id"])["ChangeInfo"]["Status"], "INSYNC")
    equal([one["Name"] for one in records(id)], ["example.com.", "example.com.", "\\052.example.com.", "chat.example.com."])
    wrong(id, "Tried to create resource record set [name='chat.example.com.', type='A'] but it already exists", ("CREATE", plain()))
    change(id, ("UPSERT", plain(value="192.0.2.2", ttl=30)))
    equal(records(id)[-1], plain("chat.example.com.", "192.0.2.2", ttl=30))
    wrong(id, "but the values provided do not match the current values", ("DELETE", plain()))
    wrong(id, "but it was not found", ("DELETE", plain("x.example.com")))
    change(id, ("DELETE", plain("CHAT.example.com.", "192.0.2.2", ttl=30)), ("UPSERT", plain("www.example.com")))
    equal(records(id)[-1]["Name"], "www.example.com.")
    refused("NoSuchChange", dns.get_change, status=404, Id="C0")


def test_a_batch_is_done_as_a_whole_or_not_at_all():
    id = zone()
    both = "[Tried to delete resource record set [name='a.example.com.', type='A'] but it was not found, RRSet with DNS name x.org. is not permitted in zone example.com.]"
    wrong(id, both, ("CREATE", plain()), ("DELETE", plain("a.example.com")), ("CREATE", plain("x.org")))


def test_what_is_refused():
    id = zone()
    change(id, ("CREATE", plain("www.example.com", "chat.example.com", "CNAME")))
    wrong(id, "conflicting RRSet of type CNAME", ("CREATE", plain("www.example.com")))
    change(id, ("CREATE", plain()))
    wrong(id, "conflicts with other records", ("CREATE", plain(value="x.example.com", type="CNAME")))
    wrong(id, "not permitted at apex", ("CREATE", plain("example.com", "x.example.com", "CNAME")))
    wrong(id, "Value is not a valid IPv4 address", ("CREATE", plain("a.example.com", "x")))
    wrong(id, "Value is not a valid IPv6 address", ("CREATE", plain("a.example.com", "192.0.2.1", "AAAA")))
    wrong(id, "enclosed in quotation marks", ("CREATE", plain("a.example.com", "x", "TXT")))
    soa = next(one for one in records(id) if one["Type"] == "SOA")
    wrong(id, "exactly one SOA record", ("DELETE", soa))
    invalid = {"code": "InvalidInput"}
    wrong(id, "Missing field 'SetIdentifier'", ("CREATE", plain(Weight=1)), **invalid)
    wrong(id, "but found none", ("CREATE", plain(SetIdentifier="a")), **invalid)
    wrong(id, "but found none", ("CREATE", {"Name": "a.example.com", "Type": "A"}), **invalid)
    wrong(id, "does not serve 'Failover'", ("CREATE", plain(SetIdentifier="a", Failover="PRIMARY")), **invalid)
    wrong(id, "the weight '256'", ("CREATE", plain(SetIdentifier="a", Weight=256)), **invalid)
    wrong(id, "No health check", ("CREATE", plain("a.example.com", HealthCheckId="x")), code="NoSuchHealthCheck", status=404)
    refused("NoSuchHostedZone", dns.list_resource_record_sets, status=404, HostedZoneId="Z0")


def test_an_alias_leads_to_a_load_balancer():
    id, web, net = zone(), create(elb), create(elb, "net", "network")
    change(id, ("CREATE", alias(web)), ("CREATE", alias(net, "example.com", "AAAA")))
    found = records(id)[-1]
    expected = alias(web)["AliasTarget"]
    equal(found["AliasTarget"], {**expected, "DNSName": expected["DNSName"] + "."})
    mixed = alias(web, "a.example.com")
    mixed["AliasTarget"]["HostedZoneId"] = alias(net)["AliasTarget"]["HostedZoneId"]
    wrong(id, "does not lie within the target zone", ("CREATE", mixed))
    mixed["AliasTarget"] = {"HostedZoneId": id, "DNSName": "none.example.com", "EvaluateTargetHealth": False}
    wrong(id, "that target was not found", ("CREATE", mixed))
    mixed["AliasTarget"]["DNSName"] = "chat.example.com"
    change(id, ("CREATE", mixed))
    both = {**alias(web, "b.example.com"), "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    wrong(id, "but found more than one", ("CREATE", both), code="InvalidInput")


def test_names_resolve_by_weight():
    id, old, new = zone(), create(elb, "old"), create(elb, "new", "network")
    weighted = lambda balancer, name, weight: alias(balancer, SetIdentifier=name, Weight=weight)
    change(id, ("CREATE", weighted(old, "old", 3)), ("CREATE", weighted(new, "new", 1)))
    answers = lambda: Counter(get("/_elbws/resolve?name=chat.example.com")["set_identifier"] for _ in range(8))
    equal(answers(), {"old": 6, "new": 2})
    change(id, ("UPSERT", weighted(old, "old", 0)))
    equal(answers(), {"new": 8})
    answer = get("/_elbws/resolve?name=chat.example.com")
    equal(answer["dns_name"], alias(new)["AliasTarget"]["DNSName"])
    wrong(id, "non-matching RRSet", ("CREATE", plain()))
    change(id, ("CREATE", plain("a.example.com")))
    equal(get("/_elbws/resolve?name=a.example.com")["values"], ["192.0.2.1"])
    for query in ["name=b.example.com", "name=chat.example.com&type=AAAA", "name=x.org"]:
        try:
            raise AssertionError(get("/_elbws/resolve?" + query))
        except urllib.error.HTTPError as error:
            equal(error.code, 404)


def test_records_come_in_pages():
    id = zone()
    change(id, *(("CREATE", plain(f"n{number}.example.com")) for number in range(5)))
    pages = list(dns.get_paginator("list_resource_record_sets").paginate(HostedZoneId=id, PaginationConfig={"PageSize": 3}))
    equal([one["Name"].split(".")[0] for page in pages for one in page["ResourceRecordSets"]], ["example", "example", "n0", "n1", "n2", "n3", "n4"])
    found = dns.list_resource_record_sets(HostedZoneId=id, StartRecordName="n3.example.com")["ResourceRecordSets"]
    equal([one["Name"] for one in found], ["n3.example.com.", "n4.example.com."])


def test_tags():
    id = zone()
    named = {"ResourceType": "hostedzone", "ResourceId": id}
    dns.change_tags_for_resource(AddTags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}], **named)
    dns.change_tags_for_resource(AddTags=[{"Key": "a", "Value": "3"}], RemoveTagKeys=["b"], **named)
    found = dns.list_tags_for_resource(**named)["ResourceTagSet"]
    equal(found, {**named, "Tags": [{"Key": "a", "Value": "3"}]})
    many = [{"Key": str(number), "Value": ""} for number in range(10)]
    refused("InvalidInput", dns.change_tags_for_resource, AddTags=many, **named)
    refused("NoSuchHostedZone", dns.list_tags_for_resource, status=404, ResourceType="hostedzone", ResourceId="Z0")


def test_only_an_empty_zone_is_deleted():
    id = zone()
    change(id, ("CREATE", plain()))
    refused("HostedZoneNotEmpty", dns.delete_hosted_zone, Id=id)
    change(id, ("DELETE", plain()))
    equal(dns.delete_hosted_zone(Id=id)["ChangeInfo"]["Status"], "PENDING")
    equal(dns.list_hosted_zones()["HostedZones"], [])


def test_the_command_line_and_faults():
    answer = cli("route53", "create-hosted-zone", "--name", "example.com", "--caller-reference", "cli", "--output", "json")
    id = json.loads(answer.stdout)["HostedZone"]["Id"]
    batch = json.dumps({"Changes": [{"Action": "UPSERT", "ResourceRecordSet": plain()}]})
    changed = cli("route53", "change-resource-record-sets", "--hosted-zone-id", id, "--change-batch", batch, "--output", "json")
    info = json.loads(changed.stdout)["ChangeInfo"]
    equal(cli("route53", "wait", "resource-record-sets-changed", "--id", info["Id"]).returncode, 0)
    admin("/_elbws/faults", b'{"operation":"ListResourceRecordSets","service":"route53","effect":"throttle"}')
    refused("Throttling", dns.list_resource_record_sets, HostedZoneId=id)
    equal(len(records(id)), 3)
    calls = get("/_elbws/calls")
    equal([one["code"] for one in calls if one["operation"] == "ListResourceRecordSets"], ["Throttling", None])


harness.run(sys.modules[__name__])
