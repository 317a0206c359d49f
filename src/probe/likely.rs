//! What a failure most often means behind an AWS load balancer, and the setting of elbws that mends it.

use serde::Serialize;

use super::outcome::Problem;

/// A likely cause, and what mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Likely {
    /// The cause.
    pub cause: &'static str,
    /// What to set, or where to look.
    pub mend: &'static str,
}

pub(crate) const DNS: Likely = Likely {
    cause: "the domain has no record that leads to the load balancer",
    mend: "an alias or CNAME to the DNS name that `elbws status SPEC` shows",
};
pub(crate) const NO_LISTENER: Likely = Likely {
    cause: "the load balancer has no listener on this port",
    mend: "load_balancer.listeners[].port, then `elbws apply SPEC`",
};
pub(crate) const GROUP: Likely = Likely {
    cause: "the load balancer's security group does not admit this client, or it is an internal one",
    mend: "load_balancer.ingress and load_balancer.scheme",
};
pub(crate) const NAME: Likely = Likely {
    cause: "the listener has a certificate for another domain",
    mend: "certificate.domain (or arn, files); `elbws apply` swaps it without an outage",
};
pub(crate) const EXPIRED: Likely = Likely {
    cause: "the certificate was not renewed",
    mend: "certificate.domain takes the issued certificate that expires last; files are re-imported when they change",
};
pub(crate) const ISSUER: Likely = Likely {
    cause: "the chain is missing, or a private authority has signed it",
    mend: "certificate.files.chain; --ca FILE trusts an authority here (the local AWS's is ca.pem in its state)",
};
pub(crate) const PLAIN_LISTENER: Likely = Likely {
    cause: "the listener of this port has no TLS",
    mend: "load_balancer.listeners[].protocol: ssl (classic), https (application) or tls (network)",
};
pub(crate) const OLD_TLS: Likely = Likely {
    cause: "the listener's SSL policy and this client have no TLS version or cipher in common",
    mend: "load_balancer.listeners[].ssl_policy",
};
pub(crate) const NO_TARGET: Likely = Likely {
    cause: "no instance is in service",
    mend: "`elbws status SPEC` tells why; load_balancer.health_check and instances.manage_security_group",
};
pub(crate) const NO_POLICY: Likely = Likely {
    cause: "the proxy expects a PROXY header and the load balancer sends none",
    mend: "load_balancer.proxy_protocol: true, or `elbws enable-proxy-protocol --port 80`",
};
pub(crate) const UNEXPECTED_HEADER: Likely = Likely {
    cause: "the load balancer sends a PROXY header and what runs on the instances does not expect it",
    mend: "proxy.accept: v1 on the instances, or `elbws disable-proxy-protocol --port 80`",
};
pub(crate) const SWALLOWED: Likely = Likely {
    cause: "an HTTP or HTTPS listener of a Classic load balancer took the Upgrade header away",
    mend: "load_balancer.listeners[]: { protocol: ssl, instance_protocol: tcp }",
};
pub(crate) const NO_ROUTE: Likely = Likely {
    cause: "no route leads to the WebSocket server, or it serves another path",
    mend: "proxy.routes[].path (it ends in / for everything below it)",
};
pub(crate) const BACKEND: Likely = Likely {
    cause: "the WebSocket server behind the proxy is down",
    mend: "proxy.routes[].upstream, and the server itself",
};
pub(crate) const INSECURE: Likely = Likely {
    cause: "visitors over plain http are redirected",
    mend: "probe the wss:// URL; --from-http checks the redirect",
};
pub(crate) const HTTP2_GROUP: Likely = Likely {
    cause: "the target group's protocol version is not HTTP1",
    mend: "load_balancer.target_groups: protocol version HTTP1",
};
pub(crate) const NO_REDIRECT: Likely = Likely {
    cause: "the proxy is not told to redirect, or something else serves plain http",
    mend: "proxy.redirect_http: true and a listener { port: 80, protocol: tcp } (application: default_action redirect)",
};
pub(crate) const IDLE: Likely = Likely {
    cause: "an idle timeout closed the silent connection: 60 s by default at Classic and application load balancers, 350 s at network ones",
    mend: "load_balancer.idle_timeout: 1h, proxy.tunnel_idle no shorter, and pings (the proxy's ping_interval)",
};
pub(crate) const APPLICATION: Likely = Likely {
    cause: "the application itself refuses or ends it",
    mend: "its own log; the proxy's access_log tells which backend answered",
};
pub(crate) const NOT_WEBSOCKET: Likely = Likely {
    cause: "what answers there is not a WebSocket server, or something in between rewrites its answer",
    mend: "proxy.routes[].upstream, and load_balancer.listeners[].protocol: ssl with instance_protocol: tcp",
};

/// Returns the likely causes of a problem, the likeliest first.
#[must_use]
pub fn likely(problem: &Problem) -> Vec<Likely> {
    match problem {
        Problem::NoName { .. } => vec![DNS],
        Problem::Refused { .. } => vec![NO_LISTENER],
        Problem::ConnectTimeout { .. } | Problem::Unreachable { .. } => vec![GROUP],
        Problem::WrongName { .. } => vec![NAME],
        Problem::NotInForce { .. } => vec![EXPIRED],
        Problem::NotTrusted { .. } => vec![ISSUER],
        Problem::NoTls => vec![PLAIN_LISTENER],
        Problem::Handshake { .. } => vec![OLD_TLS],
        Problem::ClosedWithoutAnswer { to: "the TLS handshake" } => vec![GROUP, NO_TARGET],
        Problem::ClosedWithoutAnswer { to: "the close" }
        | Problem::WrongEcho
        | Problem::Broken { .. }
        | Problem::HoldEnded { code: Some(_), .. } => vec![APPLICATION],
        Problem::ClosedWithoutAnswer { .. } => vec![NO_TARGET, NO_POLICY, UNEXPECTED_HEADER],
        Problem::Timeout { .. } => vec![BACKEND, GROUP],
        Problem::NotHttp { .. } => vec![PLAIN_LISTENER, UNEXPECTED_HEADER],
        Problem::NoRedirect { .. } | Problem::WrongRedirect { .. } => vec![NO_REDIRECT],
        Problem::NotUpgraded { status, .. } => of_status(*status),
        Problem::WrongUpgrade { .. } => vec![NOT_WEBSOCKET],
        Problem::HoldEnded { code: None, .. } | Problem::HoldDead { .. } => vec![IDLE],
    }
}

fn of_status(status: u16) -> Vec<Likely> {
    match status {
        301 | 302 | 303 | 307 | 308 => vec![INSECURE],
        400 => vec![SWALLOWED, UNEXPECTED_HEADER, NO_POLICY],
        404 => vec![NO_ROUTE, SWALLOWED],
        464 => vec![HTTP2_GROUP],
        502 | 504 => vec![BACKEND],
        503 => vec![NO_TARGET],
        200..=299 | 405 | 426 => vec![SWALLOWED, NO_ROUTE],
        _ => vec![APPLICATION],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failures_of_a_classic_setup_name_their_setting() {
        let status = |status| Problem::NotUpgraded { status, reason: None };
        for (problem, cause) in [
            (status(426), SWALLOWED),
            (status(200), SWALLOWED),
            (status(400), SWALLOWED),
            (status(503), NO_TARGET),
            (status(502), BACKEND),
            (status(404), NO_ROUTE),
            (status(301), INSECURE),
            (Problem::ClosedWithoutAnswer { to: "the upgrade" }, NO_TARGET),
            (Problem::HoldEnded { seconds: 60.0, code: None }, IDLE),
        ] {
            assert_eq!(likely(&problem)[0], cause, "{problem}");
        }
        assert!(likely(&Problem::ClosedWithoutAnswer { to: "the upgrade" }).contains(&NO_POLICY));
        assert!(likely(&status(400)).contains(&UNEXPECTED_HEADER));
    }
}
