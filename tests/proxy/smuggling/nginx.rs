//! nginx as a backend that answers with the request lines it saw.

use std::net::{SocketAddr, TcpListener};

use crate::peers::{self, Program};

pub(super) struct Nginx {
    pub(super) address: SocketAddr,
    _program: Program,
}

/// `None`, with a word about it, where nginx is not installed.
pub(super) fn start() -> Option<Nginx> {
    let binary = peers::find("nginx")?;
    // nginx cannot be asked which port it got, so a free one is found first.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
