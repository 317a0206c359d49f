//! nginx as a backend that answers with the request lines it saw.

use std::net::SocketAddr;

use crate::peers::{self, Program};

pub(super) struct Nginx {
    pub(super) address: SocketAddr,
    _program: Program,
}

/// `None`, with a word about it, where nginx is not installed.
pub(super) fn start() -> Option<Nginx> {
    let binary = peers::find("nginx")?;
    let address = peers::free();
    let configuration = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
         events {{ }}\n\
         http {{ access_log off; server {{ listen {address}; keepalive_requests 100000;\n\
         location / {{ return 200 \"$request_method $request_uri\"; }} }} }}\n"
    );
    let mut program = Program::start(
        &binary,
        &["-p", ".", "-c", "nginx.conf", "-e", "stderr"],
        "nginx.conf",
        &configuration,
    );
    program.wait_for(address);
    Some(Nginx { address, _program: program })
}
