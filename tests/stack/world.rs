//! An account with what the stacks of the tests expect to find, and a description of all that is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use elbws::provision::plan::{Change, Plan};
use elbws::provision::resource::Stack;
use elbws::provision::resource::v2::is_note;
use serde_json::Value;
use tempfile::TempDir;

use crate::account::{Account, REGION, between, self_signed, stack_in};
use crate::client::signed;

/// A furnished account, and what a spec may call the things in it: `${one}` is an instance's id.
pub(crate) struct World {
    pub(crate) account: Account,
    names: BTreeMap<&'static str, String>,
}

impl World {
    /// Furnishes an account in the region that `spec` names.
    pub(crate) fn for_spec(text: &str) -> Self {
        // Placeholders are no ids; nothing but the region matters here.
        let region = text.lines().find_map(|line| line.strip_prefix("region: ")).unwrap_or(REGION);
        Self::furnish(region)
    }

    pub(crate) fn furnish(region: &str) -> Self {
        let mut world = Self { account: Account::start_in(region), names: BTreeMap::new() };
        world.furnish_network(region);
        for (name, app, subnet) in [
            ("one", "one", "subnet-a"),
            ("two", "two", "subnet-b"),
            ("chat", "ws-chat", "subnet-a"),
            ("files", "ws-files", "subnet-a"),
            ("nginx", "ws-nginx", "subnet-b"),
            ("backend", "ws-backend", "private-a"),
        ] {
            let id = world.instance(app, subnet);
            world.names.insert(name, id);
        }
        world.furnish_groups();
        // Their state settles by the next describe.
        world.account.ec2("Action=DescribeInstances");
        // Where two cover a domain, the one that expires last is chosen.
        for (name, domain, year) in [
            ("arn", "chat.example.com", 4000),
            ("wildcard", "*.example.com", 3000),
            ("other", "other.example.org", 4000),
        ] {
            let arn = world.account.certificate_until(domain, year);
            world.names.insert(name, arn);
        }
        let arn = world.server_certificate("ws-mixed");
        world.names.insert("server-certificate", arn);
        world.account.elb(
            "Action=CreateLoadBalancer&LoadBalancerName=someone-elses&Listeners.member.1.Protocol=tcp\
             &Listeners.member.1.LoadBalancerPort=80&Listeners.member.1.InstancePort=80\
             &AvailabilityZones.member.1=REGIONa"
                .replace("REGION", region)
                .as_str(),
        );
        world
    }

    /// Furnishes an account with a hosted zone, which has a record of somebody else's.
    pub(crate) fn furnish_with_zone() -> Self {
        let mut world = Self::furnish(REGION);
        let zone = world.account.hosted_zone("example.com");
        world.account.put_record(
            &zone,
            "other.example.com",
            "A",
            "<TTL>60</TTL><ResourceRecords><ResourceRecord>\
             <Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>",
        );
        world.names.insert("zone", zone);
        world
    }

    fn furnish_network(&mut self, region: &str) {
        let subnets = self.account.ec2("Action=DescribeSubnets");
        let vpc = between(&subnets, "<vpcId>", "<").to_owned();
        for (name, zone) in [("subnet-a", "a"), ("subnet-b", "b"), ("subnet-c", "c")] {
            let item = subnets
                .split("<subnetId>")
                .skip(1)
                .find(|item| item.contains(&format!("<availabilityZone>{region}{zone}<")))
                .unwrap();
            self.names.insert(name, item.split('<').next().unwrap().to_owned());
        }
        for name in ["address-a", "address-b", "address-c"] {
            let allocated = self.account.ec2("Action=AllocateAddress&Domain=vpc");
            self.names.insert(name, between(&allocated, "<allocationId>", "<").to_owned());
        }
        let group = self.account.ec2("Action=DescribeSecurityGroups");
        self.names.insert("group", between(&group, "<groupId>", "<").to_owned());
        let second = self.subnet("sibling-a", &vpc, "172.31.240.0/24", &format!("{region}a"), "spare");
        self.names.insert("sibling-a", second);
        self.names.insert("vpc", vpc);

        let backend = self.account.ec2(
            "Action=CreateVpc&CidrBlock=10.20.0.0/16&TagSpecification.1.ResourceType=vpc\
             &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=backend",
        );
        let backend = between(&backend, "<vpcId>", "<").to_owned();
        for (name, zone, range, tier) in [
            ("private-a", "a", "10.20.1.0/24", "private"),
            ("private-b", "b", "10.20.2.0/24", "private"),
            ("public-a", "a", "10.20.3.0/24", "public"),
        ] {
            let id = self.subnet(name, &backend, range, &format!("{region}{zone}"), tier);
            self.names.insert(name, id);
        }
        self.names.insert("backend-vpc", backend);
    }

    /// Two Auto Scaling groups: `workers` with two instances, and `batch` with one.
    fn furnish_groups(&mut self) {
        self.account.auto_scaling(
            "Action=CreateLaunchConfiguration&LaunchConfigurationName=all&ImageId=ami-0123456789abcdef0\
             &InstanceType=t3.micro",
        );
        for (group, names) in [("workers", &["worker-1", "worker-2"][..]), ("batch", &["batch-1"])] {
            self.account.auto_scaling(&format!(
                "Action=CreateAutoScalingGroup&AutoScalingGroupName={group}&LaunchConfigurationName=all&MinSize=0\
                 &MaxSize=5&DesiredCapacity={}&VPCZoneIdentifier={},{}&Tags.member.1.Key=App&Tags.member.1.Value=ws-{group}\
                 &Tags.member.1.PropagateAtLaunch=true",
                names.len(),
                self.names["subnet-a"],
                self.names["subnet-b"],
            ));
            for (name, id) in names.iter().zip(self.members(group)) {
                self.names.insert(name, id);
            }
        }
    }

    /// The instances of an Auto Scaling group.
    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        let form = format!("Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1={group}");
        let body = self.account.auto_scaling(&form);
        body.split("<InstanceId>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }

    fn subnet(&self, name: &str, vpc: &str, range: &str, zone: &str, tier: &str) -> String {
        let body = self.account.ec2(&format!(
            "Action=CreateSubnet&VpcId={vpc}&CidrBlock={range}&AvailabilityZone={zone}\
             &TagSpecification.1.ResourceType=subnet&TagSpecification.1.Tag.1.Key=Name\
             &TagSpecification.1.Tag.1.Value={name}&TagSpecification.1.Tag.2.Key=Tier\
             &TagSpecification.1.Tag.2.Value={tier}"
        ));
        between(&body, "<subnetId>", "<").to_owned()
    }

    fn instance(&self, app: &str, subnet: &str) -> String {
        let body = self.account.ec2(&format!(
            "Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1&SubnetId={}\
             &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=App\
             &TagSpecification.1.Tag.1.Value={app}",
            self.names[subnet]
        ));
        between(&body, "<instanceId>", "<").to_owned()
    }

    /// Uploads a server certificate that belongs to no stack, and returns its ARN.
    fn server_certificate(&self, name: &str) -> String {
        let (certificate, private_key) = self_signed("mixed.example.com", 4000);
        let body = self.iam(&format!(
            "Action=UploadServerCertificate&ServerCertificateName={name}&CertificateBody={}&PrivateKey={}",
            encoded(&certificate),
            encoded(&private_key)
        ));
        between(&body, "<Arn>", "<").to_owned()
    }

    fn iam(&self, form: &str) -> String {
        let authorization = signed("us-east-1", "iam");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ];
        let body = format!("{form}&Version=2010-05-08");
        let response = self.account.server.send("POST", "/", &headers, &body).unwrap();
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response.body
    }

    /// Fills in what a spec calls the things of this account.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.names {
            filled = filled.replace(&format!("${{{name}}}"), value);
        }
        assert!(!filled.contains("${"), "{filled}");
        filled
    }

    pub(crate) fn stack(&self, directory: &Path, text: &str) -> Stack {
        stack_in(directory, &self.fill(text))
    }

    /// Describes a plan's changes, one a line: action, resource, and the fields that differ. What the stack
    /// made itself goes without its id.
    pub(crate) fn changes(&self, plan: &Plan) -> BTreeSet<String> {
        let describe = |change: &Change| {
            let action = serde_json::to_value(change.action).unwrap();
            let fields: Vec<_> = change.fields.iter().map(|field| field.path.as_str()).collect();
            let (mut name, mut fields) = (change.resource.name.clone(), fields.join(" "));
            for (known, value) in &self.names {
                name = name.replace(value, known);
                fields = fields.replace(value, known);
            }
            if name.starts_with("sg-") || name.starts_with("arn:") {
                "old".clone_into(&mut name);
            }
            let kind = change.resource.kind.as_str();
            format!("{} {kind}/{name}: {fields}", action.as_str().unwrap())
        };
        plan.changes.iter().map(describe).collect()
    }

    /// Describes the changes with what each does to connections.
    pub(crate) fn changes_with_effect(&self, plan: &Plan) -> BTreeSet<String> {
        plan.changes
            .iter()
            .map(|change| {
                let one = Plan { changes: vec![change.clone()], ..plan.clone() };
                let line: String = self.changes(&one).into_iter().collect();
                let effect = serde_json::to_value(change.disruption).unwrap();
                format!("{line} ({})", effect.as_str().unwrap())
            })
            .collect()
    }

    /// Returns what is observed of a stack in a form that is the same in every account: ids give way to names.
    pub(crate) fn state(&self, stack: &Stack) -> Value {
        let observed = self.account.observe(stack);
        let mut text = serde_json::to_string(&observed).unwrap();
        for (name, id) in &self.names {
            text = text.replace(id, name);
        }
        for group in &observed.security_groups {
            text = text.replace(&group.id, &group.name);
        }
        for certificate in &observed.certificates {
            if let Some(fingerprint) = &certificate.fingerprint {
                text = text.replace(&certificate.arn, fingerprint);
            }
        }
        for rule in &observed.rules {
            text = text.replace(&rule.id, "rule");
        }
        for balancer in &observed.load_balancers {
            text = text.replace(&balancer.dns_name, "name");
        }
        for balancer in &observed.v2_load_balancers {
            text = text.replace(&balancer.dns_name, "name");
            for listener in balancer.listeners.values() {
                for rule in &listener.rules {
                    text = text.replace(&rule.arn, "rule");
                }
                text = text.replace(&listener.arn, "listener");
            }
            text = text.replace(&balancer.arn, "balancer");
        }
        for group in &observed.target_groups {
            text = text.replace(&group.arn, "group").replace(&group.name, "group");
        }
        let classic = observed.load_balancers.iter().map(|balancer| &balancer.tags);
        let v2 = observed.v2_load_balancers.iter().map(|balancer| &balancer.tags);
        for key in classic.chain(v2).flat_map(|tags| tags.0.keys()).filter(|key| is_note(key)) {
            text = text.replace(key, "note");
        }
        let mut state = serde_json::from_str(&text).unwrap();
        sort(&mut state);
        state
    }

    /// Describes all that is in the account, one fact a line.
    pub(crate) fn everything(&self) -> Vec<String> {
        let mut facts: Vec<String> = Vec::new();
        for operation in [
            "DescribeSecurityGroups",
            "DescribeSecurityGroupRules",
            "DescribeNetworkInterfaces",
            "DescribeInstances",
            "DescribeSubnets",
            "DescribeVpcs",
            "DescribeAddresses",
            "DescribeTags",
        ] {
            facts.extend(lines(operation, &self.account.ec2(&format!("Action={operation}"))));
        }
        facts.extend(lines("elb", &self.account.elb("Action=DescribeLoadBalancers")));
        for operation in ["DescribeLoadBalancers", "DescribeTargetGroups"] {
            facts.extend(lines(operation, &self.account.elbv2(&format!("Action={operation}"))));
        }
        let groups = self.account.auto_scaling("Action=DescribeAutoScalingGroups");
        facts.extend(lines("autoscaling", &groups));
        let certificates = self.iam("Action=ListServerCertificates");
        facts.extend(lines("iam", &certificates));
        for name in certificates.split("<ServerCertificateName>").skip(1) {
            let name = name.split('<').next().unwrap();
            let tags = format!("Action=ListServerCertificateTags&ServerCertificateName={name}");
            facts.extend(lines(name, &self.iam(&tags)));
        }
        let all = r#"{"Includes":{"keyTypes":["RSA_2048","EC_prime256v1"]}}"#;
        let listed: Value = serde_json::from_str(&self.account.acm("ListCertificates", all)).unwrap();
        for certificate in listed["CertificateSummaryList"].as_array().unwrap() {
            let arn = serde_json::json!({ "CertificateArn": certificate["CertificateArn"] });
            facts.push(certificate.to_string());
            facts.push(self.account.acm("ListTagsForCertificate", &arn.to_string()));
        }
        if let Some(zone) = self.names.get("zone") {
            facts.extend(lines("route53", &self.account.records(zone)));
        }
        assert!(facts.len() > 100, "{facts:?}");
        facts
    }
}

/// Puts every list in order: ids, by which they were sorted, have given way to names.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sort),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Splits a described body, without what differs between two equal requests.
fn lines(of: &str, body: &str) -> Vec<String> {
    let body = body.replace("><", ">\n<");
    body.lines().filter(|line| !line.contains("equestId>")).map(|line| format!("{of} {line}")).collect()
}

/// Fails where two descriptions of an account differ, and shows only by what.
#[track_caller]
pub(crate) fn assert_same(before: &[String], after: &[String], when: &str) {
    let missing: Vec<_> = before.iter().filter(|fact| !after.contains(fact)).collect();
    let new: Vec<_> = after.iter().filter(|fact| !before.contains(fact)).collect();
    assert!(before == after, "{when}: missing {missing:#?}, new {new:#?}");
}

/// Two certificates for one domain in a folder: `cert.pem` and `key.pem`, and their like with a 2. They are in
/// `certs/` as well, where an example looks for them.
pub(crate) fn certificate_files() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("certs")).unwrap();
    for (certificate, key) in [("cert.pem", "key.pem"), ("cert2.pem", "key2.pem")] {
        let pem = self_signed("files.example.net", 4000);
        for folder in [directory.path(), &directory.path().join("certs")] {
            fs::write(folder.join(certificate), &pem.0).unwrap();
            fs::write(folder.join(key), &pem.1).unwrap();
        }
    }
    directory
}

/// Percent-encodes what stands in PEM and not in a form.
fn encoded(pem: &str) -> String {
    pem.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D").replace('\n', "%0A").replace(' ', "%20")
}
