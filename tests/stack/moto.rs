//! A stack on moto's server: another implementation of the services, with its own reading of them.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use elbws::provision::aws::{Cancel, ClientOptions, Clients};
use elbws::provision::execute::{events, execute};
use elbws::provision::observe::observe;
use elbws::provision::plan::{self, Adoption, Plan};
use elbws::provision::resource::{Kind, Observed, Stack};

use crate::account::{REGION, stack_in};
use crate::v2_border::{Site, an_nlb, life_of_a_record, life_of_an_alb, remove};

/// A running moto server, ended when it is dropped.
struct Moto {
    child: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the tests' Python packages are.
fn venv() -> PathBuf {
    std::env::var_os("ELBWS_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv"), PathBuf::from)
}

impl Moto {
    fn start() -> Option<Self> {
        let program = venv().join("bin/moto_server");
        if !program.exists() {
            assert!(
                std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"),
                "moto_server is not installed in {}",
                venv().display()
            );
            println!("skipped: moto_server is not installed in {}", venv().display());
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { child, url: format!("http://127.0.0.1:{port}") })
    }

    /// Runs a Python script with boto3 against it.
    fn python(&self, script: &str) -> String {
        let output = Command::new(venv().join("bin/python"))
            .args(["-c", script])
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until it answers.
    async fn ready(&self) {
        let start = Instant::now();
        while tokio::net::TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.is_err() {
            assert!(start.elapsed() < Duration::from_mins(1), "moto does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn clients(&self) -> Clients {
        Clients::new(ClientOptions {
            region: Some(REGION.to_owned()),
            endpoint_url: Some(self.url.clone()),
            local: true,
            ..ClientOptions::default()
        })
        .await
        .unwrap()
    }
}

/// Makes an instance and two certificates and prints them with two subnets.
const FURNISH: &str = "
import boto3, json
ec2, acm = boto3.client('ec2'), boto3.client('acm')
instance = ec2.run_instances(ImageId='ami-12c6146b', MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']
subnets = ec2.describe_subnets()['Subnets'][:2]
certificates = [acm.request_certificate(DomainName=name)['CertificateArn'] for name in ('a.example.com', 'b.example.com')]
print(json.dumps([subnets[0]['VpcId'], [subnet['SubnetId'] for subnet in subnets], instance, certificates]))
";

#[tokio::test]
async fn load_balancers_of_both_kinds_are_built_changed_and_removed_on_moto() {
    let Some(moto) = Moto::start() else { return };
    moto.ready().await;
    let (vpc, subnets, instance, certificates) = serde_json::from_str(&moto.python(FURNISH)).unwrap();
    let site = Site { vpc, subnets, instance, certificates };
    let clients = moto.clients().await;
    Box::pin(life_of_an_alb(&clients, &site)).await;
    // It refuses to modify a listener that speaks TLS.
    let built = Box::pin(an_nlb(&clients, &site)).await;
    moto.python(
        "import boto3; boto3.client('route53').create_hosted_zone(Name='example.com', CallerReference='1')",
    );
    Box::pin(life_of_a_record(&clients, &built)).await;
    Box::pin(remove(&clients, &built, &site)).await;
}

async fn run(clients: &Clients, plan: &Plan) {
    let (sender, never) = (events().0, Cancel::never());
    let outcome = Box::pin(execute(plan, clients, &sender, &never)).await;
    assert!(outcome.is_complete(), "{outcome:?}");
}

async fn observed(clients: &Clients, stack: &Stack) -> Observed {
    Box::pin(observe(clients, stack)).await.unwrap()
}

async fn planned(clients: &Clients, stack: &Stack) -> Plan {
    plan::plan(stack, &observed(clients, stack).await, Adoption::Refuse).unwrap()
}

#[tokio::test]
async fn a_stack_is_applied_to_moto_and_destroyed() {
    let Some(moto) = Moto::start() else { return };
    moto.ready().await;
    let instance = moto.python(
        "import boto3; print(boto3.client('ec2').run_instances(ImageId='ami-12c6146b', MinCount=1, MaxCount=1, \
         TagSpecifications=[{'ResourceType': 'instance', 'Tags': [{'Key': 'App', 'Value': 'ws-chat'}]}])\
         ['Instances'][0]['InstanceId'])",
    );
    let clients = moto.clients().await;
    let directory = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["chat.example.com".to_owned()]).unwrap();
    std::fs::write(directory.path().join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(directory.path().join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let stack = stack_in(
        directory.path(),
        "stack: ws-chat\ninstances: { tags: { App: ws-chat } }\nload_balancer: { type: classic }\n\
         certificate: { files: { certificate: cert.pem, private_key: key.pem } }\n",
    );
    run(&clients, &planned(&clients, &stack).await).await;
    let balancer = observed(&clients, &stack).await.load_balancer("ws-chat").cloned().unwrap();
    assert_eq!(balancer.instances.iter().collect::<Vec<_>>(), [instance.trim()]);
    assert_eq!(balancer.backend_policies[&80], ["ws-chat-proxy-protocol"]);
    let again = planned(&clients, &stack).await;
    let other: Vec<_> =
        again.changes.iter().filter(|change| change.resource.kind != Kind::Listener).collect();
    assert!(other.is_empty(), "but for the instance protocol, which moto loses: {other:?}");
    run(&clients, &plan::destroy(&stack, &observed(&clients, &stack).await).unwrap()).await;
    let left = observed(&clients, &stack).await;
    assert!(left.load_balancers.is_empty() && left.security_groups.is_empty(), "{left:?}");
    assert!(left.certificates.is_empty(), "{left:?}");
}
