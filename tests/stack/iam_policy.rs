//! The policy that `elbws iam-policy` prints, against the calls that the local AWS saw and those in the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use elbws::provision::iam_policy::policy;
use elbws::provision::resource::{
    DesiredBalancer, DesiredProxy, Installation, InstanceSelector, Scheme, Stack, v2,
};

use crate::account::{REGION, stack_in};
use crate::permission::{action, permission};
use crate::stacks::{FILES, FILES_IN_IAM, FULL};
use crate::world::{World, certificate_files};

/// Asked for beside a call, by tags that it puts on what it makes, or by AWS itself.
const IMPLIED: &[&str] = &["ec2:CreateTags", "iam:CreateServiceLinkedRole"];

/// Checks that the policies of `stacks` allow every call since the last time that calls were forgotten.
#[track_caller]
pub(crate) fn allows_what_was_called(world: &World, stacks: &[&Stack], when: &str) {
    let policies: Vec<_> = stacks.iter().map(|stack| policy(stack, Some(REGION))).collect();
    let allowed: BTreeSet<&str> = policies.iter().flat_map(|policy| policy.actions()).collect();
    let calls = world.account.server.admin("GET", "/_elbws/calls", "").json();
    let called: BTreeSet<String> = calls.as_array().unwrap().iter().map(action).collect();
    assert!(!called.is_empty(), "{when}");
    let denied: Vec<_> = called.iter().filter(|action| !allowed.contains(action.as_str())).collect();
    assert!(denied.is_empty(), "{when}: the policy does not allow {denied:?}");
    world.account.forget_calls();
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every operation that the border to AWS calls through a client called `client`, as an action of `service`.
fn in_the_source(client: &str, service: &str) -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provision/aws"), &mut files);
    let mut actions = BTreeSet::new();
    for file in files {
        let text: String = fs::read_to_string(file).unwrap().split_whitespace().collect();
        // `clients.elb().describe_tags()`, and `pages!(clients, describe_vpcs, …)`, which is EC2's.
        let pages = if client == "ec2" { "pages!(clients," } else { "no such macro" };
        for before in [&format!(".{client}()."), pages] {
            for rest in text.split(before).skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if name.contains('_') {
                    actions.insert(permission(&format!("{service}:{}", camel(&name))));
                }
            }
        }
    }
    assert!(!actions.is_empty(), "{client}");
    actions
}

fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| match word {
        "ssl" => "SSL".to_owned(),
        word => word[..1].to_uppercase() + &word[1..],
    });
    words.collect()
}

/// Nothing is allowed that no call needs, and no call is forgotten.
#[test]
fn what_is_allowed_is_what_the_source_calls() {
    let directory = certificate_files();
    let fill = |text: &str| {
        let text = text.replace("${one}", "i-0123456789abcdef0");
        stack_in(
            directory.path(),
            &text.replace("${subnet-a}", "subnet-0000000a").replace("${subnet-b}", "subnet-0000000b"),
        )
    };
    let application = Stack {
        load_balancer: DesiredBalancer::V2(v2::DesiredLoadBalancer {
            name: "ws-chat".to_owned(),
            family: v2::Family::Application,
            scheme: Scheme::Internal,
            address_type: v2::AddressType::Ipv4,
            ingress: BTreeSet::new(),
            addresses: BTreeMap::new(),
            attributes: BTreeMap::new(),
            listeners: BTreeMap::new(),
            target_groups: BTreeMap::new(),
        }),
        dns: Some(v2::DesiredRecord {
            zone: "example.com".to_owned(),
            name: "chat.example.com".to_owned(),
            weight: None,
            set_identifier: None,
        }),
        proxy: Some(DesiredProxy {
            bucket: "artifacts".to_owned(),
            programs: BTreeMap::new(),
            installation: Installation {
                config: String::new(),
                unit: String::new(),
                health: String::new(),
                status: None,
            },
            listen: BTreeSet::new(),
            max_unavailable: 1,
            timeout: 600,
        }),
        ..fill(FULL)
    };
    let grouped = |stack: &Stack| {
        let auto_scaling_group = Some("workers".to_owned());
        Stack {
            instances: InstanceSelector { auto_scaling_group, ..stack.instances.clone() },
            ..stack.clone()
        }
    };
    let stacks = [
        grouped(&fill(FULL)),
        grouped(&application),
        fill(FULL),
        fill(FILES),
        fill(FILES_IN_IAM),
        application,
    ];
    let policies: Vec<_> = stacks.iter().map(|stack| policy(stack, None)).collect();
    let allowed: BTreeSet<String> =
        policies.iter().flat_map(|policy| policy.actions()).map(str::to_owned).collect();
    let mut called = in_the_source("elb", "elasticloadbalancing");
    for (client, service) in [
        ("elbv2", "elasticloadbalancing"),
        ("ec2", "ec2"),
        ("acm", "acm"),
        ("iam", "iam"),
        ("route53", "route53"),
        ("s3", "s3"),
        ("ssm", "ssm"),
        ("autoscaling", "autoscaling"),
    ] {
        called.extend(in_the_source(client, service));
    }
    let forgotten: Vec<_> = called.difference(&allowed).collect();
    assert!(forgotten.is_empty(), "no policy allows {forgotten:?}");
    let idle: Vec<_> =
        allowed.difference(&called).filter(|action| !IMPLIED.contains(&action.as_str())).collect();
    assert!(idle.is_empty(), "nothing calls {idle:?}");
}

/// Scripts are sent to exactly those who serve, however the spec selects them.
#[test]
fn scripts_may_be_sent_to_whoever_the_spec_selects() {
    let sends = |instances: &str| {
        let text = format!(
            "stack: s\ninstances: {instances}\nload_balancer: {{ type: classic, listeners: [{{ port: 80, protocol: tcp, \
             instance_port: 80 }}] }}\nproxy: {{ deploy: {{ via: ssm, bucket: my-artifacts }} }}\n"
        );
        let document = serde_json::to_value(policy(&stack_in(Path::new(""), &text), Some(REGION))).unwrap();
        let statements = document["Statement"].as_array().unwrap();
        let sends = statements
            .iter()
            .filter(|statement| statement["Action"] == serde_json::json!(["ssm:SendCommand"]))
            .filter(|statement| statement["Sid"] != "ScriptDocument")
            .map(|statement| {
                format!("{} {}", statement["Resource"][0], statement["Condition"]["StringEquals"])
            });
        sends.collect::<Vec<_>>()
    };
    let every = r#""arn:aws:ec2:us-east-1:*:instance/*""#;
    assert_eq!(
        sends("{ ids: [i-0123456789abcdef0] }"),
        [r#""arn:aws:ec2:us-east-1:*:instance/i-0123456789abcdef0" null"#]
    );
    assert_eq!(sends("{ tags: { App: chat } }"), [format!(r#"{every} {{"ssm:resourceTag/App":"chat"}}"#)]);
    assert_eq!(
        sends("{ auto_scaling_group: workers }"),
        [format!(r#"{every} {{"ssm:resourceTag/aws:autoscaling:groupName":"workers"}}"#)]
    );
}

#[test]
fn the_document_names_the_stack() {
    let directory = certificate_files();
    let stack = stack_in(directory.path(), FILES_IN_IAM);
    let document = serde_json::to_value(policy(&stack, Some("eu-west-1"))).unwrap();
    assert_eq!(document["Version"], "2012-10-17");
    let statements = document["Statement"].as_array().unwrap();
    let find = |sid: &str| statements.iter().find(|statement| statement["Sid"] == sid).unwrap();
    assert_eq!(
        find("LoadBalancer")["Resource"][0],
        "arn:aws:elasticloadbalancing:eu-west-1:*:loadbalancer/ws-files"
    );
    assert_eq!(
        find("ServerCertificate")["Resource"][0],
        "arn:aws:iam::*:server-certificate/elbws/ws-files/*"
    );
    assert_eq!(
        find("OwnSecurityGroup")["Condition"]["StringEquals"]["aws:ResourceTag/elbws:stack"],
        "ws-files"
    );
    // What is changed is the stack's; only reads know no resources.
    for statement in statements.iter().filter(|statement| statement["Resource"][0] == "*") {
        for action in statement["Action"].as_array().unwrap() {
            let (_, name) = action.as_str().unwrap().split_once(':').unwrap();
            assert!(["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb)), "{action}");
        }
    }
    let sids: BTreeSet<_> = statements.iter().map(|statement| statement["Sid"].as_str().unwrap()).collect();
    assert_eq!(sids.len(), statements.len(), "each has a name of its own");
    // AWS takes managed policies of up to 6144 characters, white space not counted.
    assert!(document.to_string().len() < 6144, "{}", document.to_string().len());
}
