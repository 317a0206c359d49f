//! `elbws local` with instances that run scripts for real, and `elbws` on it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use elbws::local::agent::{Agents, Terms};
use elbws::local::client::Client;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;

pub(crate) use crate::account::Instance;
use crate::account::{REGION, ask, connector, launch, listener, signed};
use crate::application::Application;
use crate::permission::action;
use crate::running::{PATIENCE, elbws, free_offset};

/// The name that visitors ask for; ACM has a certificate for it.
pub(crate) const DOMAIN: &str = "chat.localhost";
pub(crate) const BUCKET: &str = "artifacts";
const PROFILE: &str = "&IamInstanceProfile.Name=ws-chat";

/// What is deployed unless a test says otherwise; drained in no time, as tests do not wait.
pub(crate) const SPEC: &str = "\
stack: ws-chat
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.localhost }
load_balancer: { type: classic }
proxy:
  drain: 2s
  routes:
    - { path: /ws/, upstream: \"127.0.0.1:9000\" }
    - { path: /, upstream: \"127.0.0.1:8000\" }
  deploy: { via: ssm, bucket: artifacts }
";

/// A local AWS with a bucket.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) endpoint: String,
    /// Added to ports.
    pub(crate) offset: u16,
    directory: tempfile::TempDir,
    server: Child,
    /// What the server said.
    said: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// None where instances cannot be isolated, after saying so.
    pub(crate) async fn start() -> Option<Self> {
        Self::issuing(DOMAIN).await
    }

    /// One whose ACM has a certificate for this domain.
    pub(crate) async fn issuing(domain: &str) -> Option<Self> {
        if !isolates() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let offset = free_offset();
        let mut server = elbws()
            .args([
                "local",
                "--port",
                "0",
                "--issue",
                domain,
                "--port-offset",
                &offset.to_string(),
                "--state",
            ])
            .arg(directory.path().join("state"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let ready = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("ready in time").unwrap();
        let ready = ready.expect("a line when it is ready");
        let endpoint = ready.strip_prefix("ready: the local AWS serves on ").expect(&ready).to_owned();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                heard.lock().unwrap().push(line);
            }
        });
        let client = Client::new(&endpoint).unwrap();
        client.set_health_check_interval(100).await.unwrap();
        let world = Self { client, endpoint, offset, directory, server, said };
        world.client.create_bucket(REGION, BUCKET).await.unwrap();
        Some(world)
    }

    /// Launches an instance that Systems Manager reaches.
    pub(crate) async fn launch(&self, last: u8) -> Instance {
        launch(&self.client, self.offset, last, PROFILE).await
    }

    /// Launches one that has no instance profile.
    pub(crate) async fn launch_unmanaged(&self, last: u8) -> Instance {
        launch(&self.client, self.offset, last, "").await
    }

    /// Launches so many, with an application on each that answers its id; in the order of their turns.
    pub(crate) async fn launch_serving(&self, count: u8) -> Vec<(Instance, Application)> {
        let mut serving = Vec::new();
        for last in 1..=count {
            let instance = self.launch(last).await;
            let application = self.serve(&instance).await;
            serving.push((instance, application));
        }
        serving.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        serving
    }

    /// Runs an application at the instance's address, which the proxy finds on loopback.
    pub(crate) async fn serve(&self, instance: &Instance) -> Application {
        Application::start(&instance.id, self.at(instance, 8000), self.at(instance, 9000)).await
    }

    /// An instance's port on this machine.
    pub(crate) fn at(&self, instance: &Instance, port: u16) -> SocketAddr {
        SocketAddr::from((instance.address, port + self.offset))
    }

    /// Where a listener of the load balancer is, once it is open.
    pub(crate) async fn listener(&self, port: u16) -> SocketAddr {
        listener(&self.client, port).await
    }

    /// TLS of a visitor who trusts the account's authority.
    pub(crate) async fn connector(&self) -> TlsConnector {
        connector(&self.client).await
    }

    /// A directory for what a test needs.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The certificate of the account's authority.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("state/ca.pem")
    }

    /// Writes a spec.
    pub(crate) fn spec(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(format!("{name}.yaml"));
        fs::write(&path, text).unwrap();
        path
    }

    /// `elbws` on this account, to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = elbws();
        self.on_this_account(&mut command, arguments);
        command
    }

    fn on_this_account(&self, command: &mut Command, arguments: &[&str]) {
        command.args(arguments).args(["--local", "--endpoint-url", &self.endpoint]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        ended(self.command(arguments)).await
    }

    /// Runs an `elbws` that is elsewhere.
    pub(crate) async fn run_program(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        self.on_this_account(&mut command, arguments);
        ended(command).await
    }

    /// Runs `elbws` to a bad end with this exit code, and returns what it says.
    pub(crate) async fn fails(&self, arguments: &[&str], code: i32) -> String {
        said(&self.run(arguments).await, code)
    }

    /// Runs `elbws` to a good end, and returns what happened.
    pub(crate) async fn done(&self, arguments: &[&str]) -> Events {
        let output = self.run(&[arguments, &["--yes", "--output", "json"]].concat()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}\n{}", self.heard());
        Events::read(&output.stdout)
    }

    /// Every call since they were last forgotten, in order.
    async fn all_calls(&self) -> Vec<Value> {
        let (status, body) = ask(&self.endpoint, "GET /_elbws/calls", "", "").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Checks that the policy that `elbws iam-policy` prints allows every call since they were last forgotten.
    pub(crate) async fn policy_allows_what_was_called(&self, spec: &str) {
        let output = self.run(&["iam-policy", spec]).await;
        let policy: Value = serde_json::from_slice(&output.stdout).unwrap();
        let statements = policy["Statement"].as_array().unwrap().iter();
        let allowed: Vec<&Value> =
            statements.flat_map(|statement| statement["Action"].as_array().unwrap()).collect();
        let calls = self.all_calls().await;
        assert!(calls.iter().any(|call| call["operation"] == "SendCommand"), "{calls:?}");
        let denied =
            calls.iter().map(action).find(|action| !allowed.contains(&&Value::from(action.as_str())));
        assert_eq!(denied, None, "{policy:#}");
    }

    /// The calls of a service since they were last forgotten, in order.
    pub(crate) async fn calls(&self, service: &str) -> Vec<String> {
        let calls = self.all_calls().await;
        let of_service = calls.iter().filter(|call| call["service"] == service);
        of_service.map(|call| call["operation"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn forget_calls(&self) {
        let (status, body) = ask(&self.endpoint, "DELETE /_elbws/calls", "", "").await;
        assert!([200, 204].contains(&status), "{status} {body}");
    }

    /// Calls Systems Manager.
    async fn ssm(&self, operation: &str, input: &Value) -> Result<Value, Value> {
        let headers = format!(
            "{}X-Amz-Target: AmazonSSM.{operation}\r\nContent-Type: application/x-amz-json-1.1\r\n",
            signed("ssm")
        );
        let (status, body) = ask(&self.endpoint, "POST /", &headers, &input.to_string()).await;
        let body = serde_json::from_str(&body).unwrap();
        if status == 200 { Ok(body) } else { Err(body) }
    }

    /// Runs a script on the instance, as Systems Manager does, and returns what it prints.
    pub(crate) async fn run_on(&self, instance: &Instance, script: &str) -> String {
        let command = json!({
            "DocumentName": "AWS-RunShellScript",
            "InstanceIds": [instance.id],
            "Parameters": { "commands": [script] },
        });
        let sent = self.ssm("SendCommand", &command).await.unwrap();
        let which = json!({ "CommandId": sent["Command"]["CommandId"], "InstanceId": instance.id });
        let ended = async {
            loop {
                let found = self.ssm("GetCommandInvocation", &which).await.unwrap();
                match found["Status"].as_str().unwrap() {
                    "Pending" | "InProgress" | "Delayed" => {}
                    "Success" => return found["StandardOutputContent"].as_str().unwrap().to_owned(),
                    _ => panic!("{script}: {found:#}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the script ends")
    }

    /// The SHA-256 of the program that the instance's proxy runs.
    pub(crate) async fn running(&self, instance: &Instance) -> String {
        let script = "sha256sum </proc/$(systemctl show --property=MainPID --value elbws-proxy)/exe";
        let out = self.run_on(instance, script).await;
        out.split(' ').next().unwrap().to_owned()
    }

    /// What the server said so far.
    pub(crate) fn heard(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// Ends it as Ctrl-C does, with all that runs on its instances.
    pub(crate) async fn stop(mut self) {
        crate::running::send(&self.server, Signal::SIGINT);
        let status = tokio::time::timeout(PATIENCE, self.server.wait()).await.expect("it ends").unwrap();
        assert_eq!(status.code(), Some(130), "{}", self.heard());
    }
}

/// What does not serve is waited for a minute by the script, which takes longer on a machine that has much else to do.
async fn ended(mut command: Command) -> Output {
    tokio::time::timeout(PATIENCE * 3, command.output()).await.expect("done in time").unwrap()
}

/// What it said, plan and progress and all, when it ended with this exit code.
#[track_caller]
pub(crate) fn said(output: &Output, code: i32) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// What `elbws` printed with `--output json`.
#[derive(Debug)]
pub(crate) struct Events(Vec<Value>);

impl Events {
    pub(crate) fn read(output: &[u8]) -> Self {
        let text = String::from_utf8_lossy(output);
        Self(text.lines().map(|line| serde_json::from_str(line).expect(line)).collect())
    }

    /// The changes that were planned, `update proxy/i-…`.
    pub(crate) fn planned(&self) -> Vec<String> {
        let changes = self.0[0]["changes"].as_array().expect("the plan comes first");
        let words = |change: &Value| {
            format!("{} {}", change["action"].as_str().unwrap(), change["resource"].as_str().unwrap())
        };
        changes.iter().map(words).collect()
    }

    /// When the proxy of which instance was begun (`true`) and finished, in order.
    pub(crate) fn installs(&self) -> Vec<(String, bool)> {
        let proxy_of = |event: &Value| {
            let resources = event["resources"].as_array()?.iter();
            resources.filter_map(|key| key.as_str()?.strip_prefix("proxy/")).map(str::to_owned).next()
        };
        let mut begun = std::collections::BTreeMap::new();
        let mut installs = Vec::new();
        for event in &self.0 {
            let step = event["step"].as_u64();
            match event["event"].as_str() {
                Some("step-started") => {
                    if let Some(instance) = proxy_of(event) {
                        begun.insert(step, instance.clone());
                        installs.push((instance, true));
                    }
                }
                Some("step-finished") => {
                    installs.extend(begun.get(&step).map(|instance| (instance.clone(), false)));
                }
                _ => {}
            }
        }
        installs
    }
}

/// Whether instances run scripts here; where they must and do not, the test fails.
fn isolates() -> bool {
    let program = Some(PathBuf::from(env!("CARGO_BIN_EXE_elbws")));
    // The trial has a runtime of its own, in a thread of its own.
    let trial = Agents::new(Terms { program, ..Terms::default() }).managed();
    if let Err(reason) = &trial {
        assert!(std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"), "{reason}");
        println!("skipped: {reason}");
    }
    trial.is_ok()
}
