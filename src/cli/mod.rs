//! The command line of `elbws`: one verb per file, wiring only.

#[cfg(feature = "provision")]
mod apply;
mod completions;
#[cfg(all(feature = "local", feature = "provision", feature = "probe"))]
mod demo;
#[cfg(feature = "provision")]
mod deploy;
#[cfg(all(feature = "provision", feature = "probe"))]
mod doctor;
mod failure;
mod globals;
#[cfg(feature = "provision")]
mod iam_policy;
#[cfg(feature = "provision")]
mod init;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "local")]
mod local_instance;
mod man;
#[cfg(feature = "provision")]
mod plan;
#[cfg(feature = "probe")]
mod probe;
#[cfg(all(feature = "local", feature = "provision", feature = "probe"))]
mod probe_spec;
#[cfg(feature = "provision")]
mod proxy_config;
#[cfg(feature = "provision")]
mod proxy_protocol;
#[cfg(feature = "provision")]
mod rollout;
#[cfg(feature = "provision")]
mod schema;
#[cfg(feature = "provision")]
mod session;
#[cfg(feature = "provision")]
mod spec_file;
#[cfg(feature = "provision")]
mod status;
#[cfg(feature = "provision")]
mod user_data;
#[cfg(feature = "provision")]
mod validate;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::failure::{Exit, Failure};
use self::globals::Globals;
#[cfg(feature = "provision")]
use crate::provision::proxy_protocol::Wish;
use crate::report;

/// Secure WebSockets behind AWS load balancers, declared in one YAML file and proven to work.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "provision")]
    Init(init::Arguments),
    #[cfg(feature = "provision")]
    Validate(validate::Arguments),
    #[cfg(feature = "provision")]
    Plan(plan::Arguments),
    #[cfg(feature = "provision")]
    Apply(apply::Arguments),
    #[cfg(feature = "provision")]
    Destroy(apply::DestroyArguments),
    #[cfg(feature = "provision")]
    Deploy(deploy::Arguments),
    #[cfg(feature = "provision")]
    Status(status::Arguments),
    #[cfg(all(feature = "provision", feature = "probe"))]
    Doctor(doctor::Arguments),
    /// Send the PROXY header to instance ports of a Classic load balancer, whoever made it
    #[cfg(feature = "provision")]
    EnableProxyProtocol(proxy_protocol::Arguments),
    /// No longer send the PROXY header to instance ports of a Classic load balancer
    #[cfg(feature = "provision")]
    DisableProxyProtocol(proxy_protocol::Arguments),
    #[cfg(feature = "provision")]
    ProxyConfig(proxy_config::Arguments),
    #[cfg(feature = "provision")]
    IamPolicy(iam_policy::Arguments),
    #[cfg(feature = "provision")]
    UserData(user_data::Arguments),
    /// Print the JSON Schema of the spec
    #[cfg(feature = "provision")]
    Schema,
    #[cfg(feature = "probe")]
    Probe(probe::Arguments),
    #[cfg(feature = "local")]
    Local(local::Arguments),
    #[cfg(all(feature = "local", feature = "provision", feature = "probe"))]
    Demo(demo::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The name under which elbws is the proxy alone.
#[cfg(feature = "local")]
const PROXY: &str = "elbws-proxy";

#[cfg(feature = "local")]
fn is_called_as_the_proxy() -> bool {
    let program = std::env::args_os().next().map(std::path::PathBuf::from);
    program.is_some_and(|program| program.file_name() == Some(PROXY.as_ref()))
}

/// Runs the command line and returns the process's exit code.
#[must_use]
pub fn run() -> ExitCode {
    // No command of anybody's: so the local AWS starts the inside of an instance, before there is any thread.
    #[cfg(feature = "local")]
    if let Some(exit) = crate::local::agent::inside::run() {
        return exit;
    }
    // The demo deploys itself where elbws-proxy was not built.
    #[cfg(feature = "local")]
    if is_called_as_the_proxy() {
        return crate::proxy::command::main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are clap's "errors" without an error's exit code.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            report::usage(&error);
            return exit.into();
        }
    };
    cli.globals.set_color();
    let result: Result<Exit, Failure> = match cli.command {
        #[cfg(feature = "provision")]
        Command::Plan(arguments) => plan::run(&cli.globals, &arguments),
        #[cfg(feature = "provision")]
        Command::Apply(arguments) => apply::run(&cli.globals, &arguments),
        #[cfg(feature = "provision")]
        Command::Destroy(arguments) => apply::run_destroy(&cli.globals, &arguments),
        #[cfg(feature = "provision")]
        Command::Deploy(arguments) => deploy::run(&cli.globals, &arguments),
        #[cfg(feature = "provision")]
        Command::Status(arguments) => status::run(&cli.globals, &arguments),
        #[cfg(all(feature = "provision", feature = "probe"))]
        Command::Doctor(arguments) => doctor::run(&cli.globals, &arguments),
        #[cfg(feature = "provision")]
        Command::EnableProxyProtocol(arguments) => {
            proxy_protocol::run(&cli.globals, &arguments, Wish::Enable)
        }
        #[cfg(feature = "provision")]
        Command::DisableProxyProtocol(arguments) => {
            proxy_protocol::run(&cli.globals, &arguments, Wish::Disable)
        }
        #[cfg(feature = "provision")]
        Command::Init(arguments) => init::run(&arguments),
        #[cfg(feature = "provision")]
        Command::Validate(arguments) => validate::run(&arguments, &cli.globals),
        #[cfg(feature = "provision")]
        Command::ProxyConfig(arguments) => proxy_config::run(&arguments),
        #[cfg(feature = "provision")]
        Command::IamPolicy(arguments) => iam_policy::run(&cli.globals, &arguments),
        #[cfg(feature = "provision")]
        Command::UserData(arguments) => user_data::run(&arguments),
        #[cfg(feature = "provision")]
        Command::Schema => Ok(schema::run()),
        #[cfg(feature = "probe")]
        Command::Probe(arguments) => probe::run(&cli.globals, arguments),
        #[cfg(feature = "local")]
        Command::Local(arguments) => local::run(&cli.globals, arguments),
        #[cfg(all(feature = "local", feature = "provision", feature = "probe"))]
        Command::Demo(arguments) => demo::run(&cli.globals, &arguments),
        Command::Completions(arguments) => Ok(completions::run(&arguments, Cli::command())),
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
    };
    match result {
        Ok(Exit::Done) if report::result_is_lost() => {
            report::failure(&anyhow::anyhow!("the result could not be written to standard output"), None);
            Exit::Failed.into()
        }
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}
