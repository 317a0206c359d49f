//! `elbws enable-proxy-protocol` and `disable-proxy-protocol`: the one thing that the console cannot do.

use std::collections::BTreeSet;

use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::session;
use crate::provision::proxy_protocol::{ProxyProtocolError, Wish, plan, run as run_switch};
use crate::report;

/// Which load balancer and which of its instance ports.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// An instance port; may be given several times
    #[arg(long = "port", required = true, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// The Classic load balancer
    #[arg(long, env = "ELB_NAME", value_name = "NAME")]
    load_balancer: String,
}

impl From<ProxyProtocolError> for Failure {
    fn from(error: ProxyProtocolError) -> Self {
        Self { hint: error.hint(), error: error.into(), exit: Exit::Failed }
    }
}

/// Makes `wish` true of the ports, and says what that changed.
pub(crate) fn run(globals: &Globals, arguments: &Arguments, wish: Wish) -> Result<Exit, Failure> {
    let output = globals.text_or_json()?;
    let ports: BTreeSet<u16> = arguments.ports.iter().copied().collect();
    session::run(globals, None, |session| async move {
        let switch = plan(&session.clients, &arguments.load_balancer, &ports, wish).await?;
        run_switch(&session.clients, &switch).await?;
        match output {
            Output::Json => report::result(&report::proxy_protocol::json(&switch)),
            Output::Text | Output::Markdown => report::result(&report::proxy_protocol::text(&switch, wish)),
        }
        Ok(Exit::Done)
    })
}
