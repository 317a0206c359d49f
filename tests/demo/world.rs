//! A local AWS with instances that really serve, on which `elbws` applies and probes specs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use elbws::demo::chat::Chat;
use elbws::local::Config;
use elbws::local::client::Client;
use elbws::proxy;
use elbws::proxy::serve::{Listeners, Proxy};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

pub(crate) use crate::account::Instance;
use crate::account::{REGION, ask, connector, launch, listener, signed, text};
use crate::running::{PATIENCE, elbws, free_offset};

/// The local AWS.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) offset: u16,
    endpoint: String,
    directory: tempfile::TempDir,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What runs on an instance until it is dropped.
pub(crate) struct Software {
    tasks: Vec<JoinHandle<()>>,
    proxy: Option<Proxy>,
}

impl Drop for Software {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(proxy) = &self.proxy {
            proxy.stop();
        }
    }
}

impl Software {
    /// Ends it, and waits until its ports are free.
    pub(crate) async fn kill(mut self) {
        if let Some(proxy) = self.proxy.take() {
            proxy.stop();
            proxy.ended().await;
        }
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::issuing(&["chat.localhost"]).await
    }

    /// One whose ACM has certificates for these domains.
    pub(crate) async fn issuing(domains: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let offset = free_offset();
        let config = Config {
            port_offset: offset,
            state_dir: Some(directory.path().join("state")),
            issued: domains.iter().map(ToString::to_string).collect(),
            ..Config::default()
        };
        let bound = elbws::local::bind(config).await.unwrap();
        let endpoint = bound.endpoint_url();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(bound.serve(async {
            let _ = stopped.await;
        }));
        let client = Client::new(&endpoint).unwrap();
        client.set_health_check_interval(50).await.unwrap();
        Self { client, offset, endpoint, directory, server: Some((stop, server)) }
    }

    pub(crate) async fn stop(mut self) {
        let (stop, server) = self.server.take().unwrap();
        let _ = stop.send(());
        server.await.unwrap();
    }

    /// Asks Route 53.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let headers = format!("{}Content-Type: text/xml\r\n", signed("route53"));
        ask(&self.endpoint, &format!("{method} {path}"), &headers, body).await
    }

    /// Creates a hosted zone and returns its id.
    pub(crate) async fn hosted_zone(&self, domain: &str) -> String {
        let body = format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{domain}</Name>\
             <CallerReference>1</CallerReference></CreateHostedZoneRequest>"
        );
        let (status, answer) = self.ask("POST", "/2013-04-01/hostedzone", &body).await;
        assert_eq!(status, 201, "{answer}");
        text(&answer, "Id").rsplit('/').next().unwrap().to_owned()
    }

    /// Launches an instance that specs find by its tag, at an address that no other test has.
    pub(crate) async fn launch(&self, last: u8) -> Instance {
        launch(&self.client, self.offset, last, "").await
    }

    /// An instance's port on this machine.
    pub(crate) fn at(&self, instance: &Instance, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(instance.address), port + self.offset)
    }

    /// Runs ws-chat alone.
    pub(crate) async fn run_chat(&self, instance: &Instance) -> Software {
        let chat = Chat::bind(self.at(instance, 8000), self.at(instance, 9000)).await.unwrap();
        let task = tokio::spawn(async move {
            let _ = chat.serve(std::future::pending()).await;
        });
        Software { tasks: vec![task], proxy: None }
    }

    /// Runs the proxy, with the rest of its configuration, in front of the ports 8000 and 9000.
    pub(crate) fn run_proxy(&self, instance: &Instance, more: &str) -> Software {
        let at = |port| self.at(instance, port);
        let config = format!(
            "listen: \"{}\"\nhealth: \"{}\"\n{more}\n\
             routes:\n  - {{ path: /ws/, upstream: \"{}\" }}\n  - {{ path: /, upstream: \"{}\" }}\n",
            at(80),
            at(8081),
            at(9000),
            at(8000),
        );
        let config = proxy::config::Config::parse(&config).unwrap();
        let listeners = Listeners::bind(&config).unwrap();
        Software { tasks: Vec::new(), proxy: Some(Proxy::start(config, listeners).unwrap()) }
    }

    /// Writes a spec whose load balancer and the rest of whose fields are given.
    pub(crate) fn spec(&self, name: &str, fields: &str) -> PathBuf {
        let path = self.directory.path().join(format!("{name}.yaml"));
        let certificate =
            if fields.contains("certificate:") { "" } else { "certificate: { domain: chat.localhost }\n" };
        let text =
            format!("stack: ws-chat\ninstances: {{ tags: {{ App: ws-chat }} }}\n{certificate}{fields}");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = elbws();
        command.args(arguments).args(["--local", "--endpoint-url", &self.endpoint]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().shutdown().await.unwrap();
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("within a minute").unwrap()
    }

    /// Applies a spec and waits as far as it says.
    pub(crate) async fn apply(&self, spec: &std::path::Path, more: &[&str]) {
        let arguments = [&["apply", spec.to_str().unwrap(), "--yes"][..], more].concat();
        let output = self.run(&arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Probes a spec, and returns the exit code and the promises.
    pub(crate) async fn probe(&self, spec: &std::path::Path, more: &[&str]) -> (i32, Promises) {
        let arguments = [&["probe", spec.to_str().unwrap(), "--output", "json"][..], more].concat();
        let output = self.run(&arguments).await;
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), Promises(report))
    }

    /// Probes a URL of the load balancer as a visitor who knows nothing of AWS, and returns what failed.
    pub(crate) async fn probe_url(&self, port: u16, path: &str) -> Value {
        let url = format!("wss://chat.localhost:{}{path}", port + self.offset);
        let at = self.listener(port).await.to_string();
        let ca = self.directory.path().join("state/ca.pem");
        let arguments = ["probe", &url, "--resolve", &at, "--ca", ca.to_str().unwrap(), "--output", "json"];
        let output = self.run(&arguments).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let steps = report["steps"].as_array().unwrap();
        steps.iter().find(|step| step["outcome"] == "failed").cloned().unwrap_or_default()
    }

    /// Connects to an https listener of the load balancer as a visitor does who trusts its authority.
    pub(crate) async fn tls(&self, port: u16) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.listener(port).await).await.unwrap();
        let name = ServerName::try_from("chat.localhost").unwrap();
        connector(&self.client).await.connect(name, stream).await.unwrap()
    }

    /// Where a listener of the load balancer is.
    pub(crate) async fn listener(&self, port: u16) -> SocketAddr {
        listener(&self.client, port).await
    }

    /// Waits until so many instances are in service.
    pub(crate) async fn in_service(&self, count: usize, spec: &std::path::Path) {
        let states = async {
            loop {
                let output = self.run(&["status", spec.to_str().unwrap(), "--output", "json"]).await;
                let status: Value = serde_json::from_slice(&output.stdout).unwrap();
                let targets = status["targets"].as_array().unwrap();
                let mut serving: Vec<_> = targets
                    .iter()
                    .filter(|target| target["state"] == "InService" || target["state"] == "healthy")
                    .map(|target| &target["id"])
                    .collect();
                serving.dedup();
                if serving.len() == count {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, states).await.expect("instances change their state in time");
    }

    /// Calls an operation of `ELBv2`, and returns the answer.
    pub(crate) async fn elbv2(&self, form: &str) -> String {
        self.call("POST", "/", "elasticloadbalancing", &format!("{form}&Version=2015-12-01")).await
    }

    /// Makes a hosted zone, and returns its id.
    pub(crate) async fn zone(&self, domain: &str) -> String {
        let body = format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
             <Name>{domain}</Name><CallerReference>1</CallerReference></CreateHostedZoneRequest>"
        );
        let answer = self.call("POST", "/2013-04-01/hostedzone", "route53", &body).await;
        text(&answer, "Id").trim_start_matches("/hostedzone/").to_owned()
    }

    /// Makes a name of a zone lead somewhere else.
    pub(crate) async fn point_elsewhere(&self, zone: &str, name: &str) {
        let body = format!(
            "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
             <ChangeBatch><Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>{name}</Name>\
             <Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value>\
             </ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch>\
             </ChangeResourceRecordSetsRequest>"
        );
        self.call("POST", &format!("/2013-04-01/hostedzone/{zone}/rrset"), "route53", &body).await;
    }

    /// Calls a service with a credential scope of its own; no signature is checked.
    async fn call(&self, method: &str, path: &str, service: &str, body: &str) -> String {
        let headers = format!("{}Content-Type: application/x-www-form-urlencoded\r\n", signed(service));
        let (status, answer) = ask(&self.endpoint, &format!("{method} {path}"), &headers, body).await;
        assert!([200, 201].contains(&status), "{body}: {answer}");
        answer
    }

    /// Revokes every ingress rule of the group called `name`.
    pub(crate) async fn revoke(&self, name: &str) {
        let form = format!("Action=DescribeSecurityGroups&Filter.1.Name=group-name&Filter.1.Value.1={name}");
        let groups = self.client.ec2(REGION, &form).await.unwrap();
        let group = text(&groups, "groupId");
        let form =
            format!("Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={group}");
        let rules = self.client.ec2(REGION, &form).await.unwrap();
        let ingress: Vec<&str> = rules
            .split("<item>")
            .filter(|rule| rule.contains("<isEgress>false"))
            .map(|rule| text(rule, "securityGroupRuleId"))
            .collect();
        assert!(!ingress.is_empty(), "{rules}");
        for rule in ingress {
            let form =
                format!("Action=RevokeSecurityGroupIngress&GroupId={group}&SecurityGroupRuleId.1={rule}");
            self.client.ec2(REGION, &form).await.unwrap();
        }
    }
}

/// What `elbws probe SPEC` found.
#[derive(Debug)]
pub(crate) struct Promises(pub(crate) Value);

impl Promises {
    fn find(&self, promise: &str, subject: &str) -> &Value {
        let promises = self.0["promises"].as_array().unwrap();
        let found = promises.iter().find(|found| found["promise"] == promise && found["subject"] == subject);
        found.unwrap_or_else(|| panic!("no {promise} {subject} in {:#}", self.0))
    }

    pub(crate) fn outcome(&self, promise: &str, subject: &str) -> &str {
        self.find(promise, subject)["outcome"].as_str().unwrap()
    }

    pub(crate) fn found(&self, promise: &str, subject: &str) -> &str {
        let found = self.find(promise, subject);
        found["found"].as_str().unwrap_or_else(|| panic!("{found:#}"))
    }

    /// The first cause of a broken promise.
    pub(crate) fn cause(&self, promise: &str, subject: &str) -> &str {
        let found = self.find(promise, subject);
        assert_eq!(found["outcome"], "broken", "{found:#}");
        found["likely"][0]["cause"].as_str().unwrap_or_else(|| panic!("{found:#}"))
    }

    pub(crate) fn causes(&self, promise: &str, subject: &str) -> usize {
        self.find(promise, subject)["likely"].as_array().unwrap().len()
    }

    pub(crate) fn broken(&self) -> Vec<&str> {
        let promises = self.0["promises"].as_array().unwrap();
        let broken = promises.iter().filter(|found| found["outcome"] == "broken");
        broken.map(|found| found["promise"].as_str().unwrap()).collect()
    }
}
