//! A local AWS of the test's own, clients for it, and the way from a spec to a stack.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use elbws::local::Config;
use elbws::provision::aws::{Cancel, ClientOptions, Clients};
use elbws::provision::desired::{CertificateContent, desired};
use elbws::provision::execute::{Event, Outcome, events, execute};
use elbws::provision::observe::observe;
use elbws::provision::plan::{self, Adoption, Plan};
use elbws::provision::resource::{Observed, Stack};
use elbws::provision::spec;
use tokio::runtime::Runtime;

use crate::client::{EC2, ELB, ELBV2, Server, signed};

pub(crate) const REGION: &str = "us-east-1";

pub(crate) struct Account {
    pub(crate) server: Server,
    region: String,
    runtime: Runtime,
}

/// A call that the local AWS saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) operation: String,
    /// Whether a fault kept the answer, or the call itself, from arriving.
    pub(crate) dropped: bool,
    pub(crate) code: Option<String>,
}

impl Account {
    /// Starts an account in which running instances count as healthy.
    pub(crate) fn start() -> Self {
        Self::start_in(REGION)
    }

    /// The same, called in another region.
    pub(crate) fn start_in(region: &str) -> Self {
        Self {
            server: Server::start(Config { assume_healthy: true, ..Config::default() }),
            region: region.to_owned(),
            runtime: Runtime::new().unwrap(),
        }
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Makes clients that have called nothing yet.
    pub(crate) fn clients(&self) -> Clients {
        self.run(Clients::new(ClientOptions {
            region: Some(self.region.clone()),
            endpoint_url: Some(format!("http://{}", self.server.address)),
            local: true,
            ..ClientOptions::default()
        }))
        .unwrap()
    }

    pub(crate) fn ec2(&self, form: &str) -> String {
        let response = self.server.query(&self.region, EC2, form);
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response.body
    }

    pub(crate) fn elb(&self, form: &str) -> String {
        let response = self.server.query(&self.region, ELB, form);
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response.body
    }

    pub(crate) fn elbv2(&self, form: &str) -> String {
        let response = self.server.query(&self.region, ELBV2, form);
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response.body
    }

    pub(crate) fn auto_scaling(&self, form: &str) -> String {
        let authorization = signed(&self.region, "autoscaling");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ];
        let body = format!("{form}&Version=2011-01-01");
        let response = self.server.send("POST", "/", &headers, &body).unwrap();
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response.body
    }

    /// Runs an instance with the tag `App` in the default VPC and returns its id.
    pub(crate) fn instance(&self, app: &str) -> String {
        let body = self.ec2(&format!(
            "Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1\
             &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=App\
             &TagSpecification.1.Tag.1.Value={app}"
        ));
        let id = between(&body, "<instanceId>", "<").to_owned();
        // Its state settles by the next describe.
        self.ec2("Action=DescribeInstances");
        id
    }

    /// Imports a certificate for `domain` that belongs to no stack, and returns its ARN.
    pub(crate) fn certificate(&self, domain: &str) -> String {
        self.certificate_until(domain, 4000)
    }

    /// The same, expiring with the year's first day.
    pub(crate) fn certificate_until(&self, domain: &str, year: i32) -> String {
        self.import(self_signed(domain, year))
    }

    /// The same, expiring then.
    pub(crate) fn certificate_until_day(&self, domain: &str, end: time::OffsetDateTime) -> String {
        self.import(self_signed_until(domain, end))
    }

    fn import(&self, (certificate, private_key): (String, String)) -> String {
        let body = serde_json::json!({
            "Certificate": base64(certificate.as_bytes()),
            "PrivateKey": base64(private_key.as_bytes()),
        });
        let response: serde_json::Value =
            serde_json::from_str(&self.acm("ImportCertificate", &body.to_string())).unwrap();
        response["CertificateArn"].as_str().unwrap().to_owned()
    }

    pub(crate) fn acm(&self, operation: &str, body: &str) -> String {
        let authorization = signed(&self.region, "acm");
        let target = format!("CertificateManager.{operation}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let response = self.server.send("POST", "/", &headers, body).unwrap();
        assert_eq!(response.status, 200, "{}", response.body);
        response.body
    }

    fn route53(&self, method: &str, path: &str, body: &str) -> String {
        let authorization = signed("us-east-1", "route53");
        let headers = [("authorization", authorization.as_str()), ("content-type", "text/xml")];
        let response = self.server.send(method, &format!("/2013-04-01/{path}"), &headers, body).unwrap();
        assert!((200..300).contains(&response.status), "{path}: {}", response.body);
        response.body
    }

    /// Creates a public hosted zone and returns its id.
    pub(crate) fn hosted_zone(&self, domain: &str) -> String {
        let body = format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{domain}</Name>\
             <CallerReference>1</CallerReference></CreateHostedZoneRequest>"
        );
        between(&self.route53("POST", "hostedzone", &body), "<Id>/hostedzone/", "<").to_owned()
    }

    /// Writes a record; `content` is what follows its type.
    pub(crate) fn put_record(&self, zone: &str, name: &str, kind: &str, content: &str) {
        let body = format!(
            "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch>\
             <Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type>{content}\
             </ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
        );
        self.route53("POST", &format!("hostedzone/{zone}/rrset"), &body);
    }

    /// Describes the records of a zone.
    pub(crate) fn records(&self, zone: &str) -> String {
        self.route53("GET", &format!("hostedzone/{zone}/rrset"), "")
    }

    pub(crate) fn faults(&self, rules: &str) {
        let answer = self.server.admin("POST", "/_elbws/faults", rules);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    pub(crate) fn setting(&self, change: &str) {
        let answer = self.server.admin("POST", "/_elbws/settings", change);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    pub(crate) fn no_faults(&self) {
        self.server.admin("DELETE", "/_elbws/faults", "");
    }

    /// The calls since the last time they were forgotten.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.server.admin("GET", "/_elbws/calls", "").json();
        calls
            .as_array()
            .unwrap()
            .iter()
            .map(|call| Call {
                operation: call["operation"].as_str().unwrap().to_owned(),
                dropped: call["dropped"].as_bool().unwrap(),
                code: call["code"].as_str().map(str::to_owned),
            })
            .collect()
    }

    pub(crate) fn forget_calls(&self) {
        self.server.admin("DELETE", "/_elbws/calls", "");
    }

    pub(crate) fn observe(&self, stack: &Stack) -> Observed {
        self.run(observe(&self.clients(), stack)).unwrap()
    }

    pub(crate) fn plan(&self, stack: &Stack) -> Plan {
        plan::plan(stack, &self.observe(stack), Adoption::Refuse).unwrap()
    }

    /// Plans and runs, and returns how that ended and what was reported.
    pub(crate) fn apply(&self, stack: &Stack) -> (Outcome, Vec<Event>) {
        self.execute(&self.plan(stack))
    }

    pub(crate) fn destroy(&self, stack: &Stack) -> (Outcome, Vec<Event>) {
        self.execute(&plan::destroy(stack, &self.observe(stack)).unwrap())
    }

    pub(crate) fn execute(&self, plan: &Plan) -> (Outcome, Vec<Event>) {
        let (sender, mut receiver) = events();
        let clients = self.clients();
        let outcome = self.run(execute(plan, &clients, &sender, &Cancel::never()));
        let mut reported = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            reported.push(event);
        }
        (outcome, reported)
    }

    /// Runs a plan and kills the run as soon as the local AWS has dropped a call. Says whether it did.
    pub(crate) fn execute_until_dropped(&self, plan: &Plan) -> bool {
        let (plan, clients) = (plan.clone(), self.clients());
        let mut run = self.runtime.spawn(async move {
            execute(&plan, &clients, &events().0, &Cancel::never()).await;
        });
        loop {
            if self.calls().iter().any(|call| call.dropped) {
                run.abort();
                return true;
            }
            let pause = Duration::from_millis(2);
            if self.run(async { tokio::time::timeout(pause, &mut run).await }).is_ok() {
                return false;
            }
        }
    }

    /// Everything in the account that a stack may have made, in words, for comparing before and after.
    pub(crate) fn contents(&self) -> BTreeSet<String> {
        let load_balancers = self.elb("Action=DescribeLoadBalancers");
        let groups = self.ec2("Action=DescribeSecurityGroups");
        let rules = self.ec2("Action=DescribeSecurityGroupRules");
        let all = r#"{"Includes":{"keyTypes":["RSA_2048","EC_prime256v1"]}}"#;
        let certificates = self.acm("ListCertificates", all);
        let listed = |body: &str, open: &str| -> Vec<String> {
            body.split(open)
                .skip(1)
                .map(|rest| format!("{open}{}", rest.split(['<', '"']).next().unwrap()))
                .collect()
        };
        let mut contents = BTreeSet::new();
        contents.extend(listed(&load_balancers, "<LoadBalancerName>"));
        contents.extend(listed(&groups, "<groupId>"));
        contents.extend(listed(&rules, "<securityGroupRuleId>"));
        contents.extend(listed(&certificates, "\"CertificateArn\":\""));
        contents
    }
}

/// Makes a certificate that expires with the year's first day, and its key, both PEM.
pub(crate) fn self_signed(domain: &str, year: i32) -> (String, String) {
    self_signed_until(domain, rcgen::date_time_ymd(year, 1, 1))
}

fn self_signed_until(domain: &str, end: time::OffsetDateTime) -> (String, String) {
    let mut params = rcgen::CertificateParams::new([domain.to_owned()]).unwrap();
    params.not_after = end;
    params.distinguished_name.push(rcgen::DnType::CommonName, domain);
    let key = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Reads a spec to the stack that it desires; its files are looked for in `directory`.
pub(crate) fn stack_in(directory: &Path, text: &str) -> Stack {
    let spec = match spec::parse("spec.yaml", text, directory) {
        Ok(spec) => spec,
        Err(errors) => panic!("{errors}: {:?}", errors.problems),
    };
    desired(&spec, |files| {
        let loaded = files.load().unwrap();
        Some(CertificateContent {
            fingerprint: loaded.leaf_fingerprint_sha256,
            domains: loaded.domains,
            key_algorithm: "EC_prime256v1".to_owned(),
        })
    })
}

pub(crate) fn stack(text: &str) -> Stack {
    stack_in(Path::new(""), text)
}

pub(crate) fn between<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let start = text.find(open).unwrap_or_else(|| panic!("no {open} in {text}")) + open.len();
    let end = text[start..].find(close).unwrap();
    &text[start..start + end]
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
