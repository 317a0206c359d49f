//! `elbws local instance`: what runs on the instances of a local AWS.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use crate::local::client::{CallError, Client, Instance, USUAL_ENDPOINT};
use crate::report;

/// What is done with instances.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the instances: where each is on this machine, and the ports at which load balancers look for it
    List,
    Run(RunArguments),
}

/// Run a command as an instance's application: it finds its address and ports in its environment
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The instance
    #[arg(long, value_name = "ID")]
    id: String,
    /// A port of the instance, also if no load balancer looks for it; may be given several times. The first is
    /// HOST and PORT
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Vec<u16>,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, last = true)]
    command: Vec<OsString>,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let (hint, exit) = match &error {
            CallError::Url { .. } => {
                (Some("--endpoint-url or AWS_ENDPOINT_URL names the local AWS on this machine"), Exit::Usage)
            }
            CallError::Io { .. } => {
                (Some("start it by `elbws local`, or name another by --endpoint-url"), Exit::Failed)
            }
            _ => (None, Exit::Failed),
        };
        Self { hint: hint.map(str::to_owned), error: error.into(), exit }
    }
}

/// Returns a client of the local AWS that the options and the environment name.
pub(crate) fn client(globals: &Globals) -> Result<Client, Failure> {
    // With --local this machine is meant, whatever the environment says of others.
    let is_meant = |url: &String| !url.is_empty() && (!globals.local || Client::new(url).is_ok());
    let of_environment = || std::env::var("AWS_ENDPOINT_URL").ok().filter(is_meant);
    let url = globals.endpoint_url.clone().or_else(of_environment);
    Ok(Client::new(url.as_deref().unwrap_or(USUAL_ENDPOINT))?)
}

/// Does what the verb says.
pub(crate) fn run(globals: &Globals, verb: Verb) -> Result<Exit, Failure> {
    let client = client(globals)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let instances = runtime.block_on(client.instances())?;
    drop(runtime);
    match verb {
        Verb::List => {
            match globals.text_or_json()? {
                Output::Json => report::result(&report::instances::json(&instances)),
                Output::Text | Output::Markdown => report::result(&report::instances::text(&instances)),
            }
            Ok(Exit::Done)
        }
        Verb::Run(arguments) => start(&instances, arguments),
    }
}

/// Becomes the command: signals and its exit code are its own.
fn start(instances: &[Instance], arguments: RunArguments) -> Result<Exit, Failure> {
    let Some(instance) = instances.iter().find(|instance| instance.id == arguments.id) else {
        return Err(Failure {
            error: anyhow!("the local AWS has no instance {}", arguments.id),
            hint: Some("`elbws local instance list` shows those that there are".to_owned()),
            exit: Exit::Failed,
        });
    };
    if instance.state != "running" {
        return Err(Failure {
            error: anyhow!("instance {} is {}", instance.id, instance.state),
            hint: Some("start it by an AWS client, or take another".to_owned()),
            exit: Exit::Failed,
        });
    }
    let mut words = arguments.command.into_iter();
    // There is one: the option is required.
    let program = words.next().unwrap_or_default();
    let environment = environment(instance, &arguments.port)?;
    let error = Command::new(&program).args(words).envs(environment).exec();
    Err(anyhow::Error::new(error).context(format!("cannot run {}", program.display())).into())
}

/// The environment that tells a command where it is.
fn environment(instance: &Instance, asked: &[u16]) -> Result<Vec<(String, String)>, Failure> {
    let mut ports: Vec<(u16, SocketAddr)> =
        instance.ports.iter().map(|found| (found.port, found.address)).collect();
    for port in asked {
        let lifted = port.checked_add(instance.port_offset);
        let lifted =
            lifted.ok_or_else(|| anyhow!("port {port} is lifted beyond 65535 by the port offset"))?;
        ports.push((*port, SocketAddr::new(instance.address.into(), lifted)));
    }
    ports.sort_unstable();
    ports.dedup();
    let mut environment = vec![
        ("ELBWS_INSTANCE_ID".to_owned(), instance.id.clone()),
        ("ELBWS_INSTANCE_ADDRESS".to_owned(), instance.address.to_string()),
        ("ELBWS_PORT_OFFSET".to_owned(), instance.port_offset.to_string()),
    ];
    environment.extend(
        ports.iter().map(|(port, address)| (format!("ELBWS_PORT_{port}"), address.port().to_string())),
    );
    if let Some((_, address)) = ports.iter().find(|(port, _)| asked.first() == Some(port)) {
        environment.push(("HOST".to_owned(), address.ip().to_string()));
        environment.push(("PORT".to_owned(), address.port().to_string()));
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::client::InstancePort;

    #[test]
    fn the_environment_has_what_load_balancers_and_the_user_ask_for() {
        let instance = Instance {
            id: "i-1".to_owned(),
            region: "us-east-1".to_owned(),
            name: None,
            state: "running".to_owned(),
            address: [127, 64, 0, 1].into(),
            port_offset: 8000,
            load_balancers: Vec::new(),
            ports: vec![InstancePort { port: 80, address: "127.64.0.1:8080".parse().unwrap() }],
        };
        let found = environment(&instance, &[]).unwrap();
        let pairs: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("ELBWS_INSTANCE_ID", "i-1"),
                ("ELBWS_INSTANCE_ADDRESS", "127.64.0.1"),
                ("ELBWS_PORT_OFFSET", "8000"),
                ("ELBWS_PORT_80", "8080"),
            ]
        );
        let found = environment(&instance, &[9000, 80]).unwrap();
        let text =
            |name: &str| found.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        assert_eq!(text("ELBWS_PORT_9000"), Some("17000"));
        assert_eq!((text("HOST"), text("PORT")), (Some("127.64.0.1"), Some("17000")));
        assert!(environment(&instance, &[65000]).is_err());
    }
}
