//! The grammars of single values that say where something is: CIDR blocks, addresses to listen on, paths,
//! upstreams, ports.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::problem::Refusal;
use super::shape::Text;
use super::text::{Checked, label, refuse, shown};

pub(super) static CIDR: Text =
    Text { what: "a CIDR block", pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$", check: cidr };
pub(super) static BIND: Text =
    Text { what: "a port or ip:port", pattern: "^[0-9a-fA-F.:\\[\\]]+:[0-9]{1,5}$", check: bind };
pub(super) static ROUTE_PATH: Text = Text { what: "a path", pattern: "^/[^?#*\\s]*$", check: route_path };
pub(super) static UPSTREAM: Text =
    Text { what: "host:port, ip:port or unix:/path", pattern: "^(unix:/.+|.+:[0-9]{1,5})$", check: upstream };
pub(super) static ROUTE_HOST: Text =
    Text { what: "a host name", pattern: "^[0-9A-Za-z._-]+$", check: route_host };
pub(super) static PORT_KEY: Text = Text { what: "a port", pattern: "^[1-9][0-9]{0,4}$", check: port_key };
pub(super) static ACCESS_LOG: Text =
    Text { what: "off, stdout or an absolute path", pattern: "^(off|stdout|/.+)$", check: access_log };

fn cidr(text: &str) -> Checked {
    let Ok(net) = text.parse::<IpNet>() else {
        let reason = format!("{} is not a CIDR block", shown(text));
        return match text.parse::<IpAddr>() {
            Ok(address) => refuse(reason, format!("for this address alone write {}", IpNet::from(address))),
            Err(_) => refuse(reason, "for example 203.0.113.0/24"),
        };
    };
    if net.addr() == net.network() {
        Ok(())
    } else {
        refuse(
            format!("{text} has bits set after the first {}", net.prefix_len()),
            format!("write {}", net.trunc()),
        )
    }
}

fn bind(text: &str) -> Checked {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(()),
        Ok(_) => Err(Refusal::new("the port cannot be 0")),
        Err(_) if text.parse::<u16>().is_ok() => {
            refuse(format!("expected a port or ip:port, found the text {}", shown(text)), "remove the quotes")
        }
        Err(_) => refuse(
            format!("{} is neither a port nor ip:port", shown(text)),
            "for example 8081, 127.0.0.1:8081 or \"[::1]:8081\"",
        ),
    }
}

fn route_path(text: &str) -> Checked {
    if let Some(prefix) = text.strip_suffix('*') {
        return refuse(
            format!("{} has a wildcard, but a path is a prefix already", shown(text)),
            format!("write {prefix}"),
        );
    }
    if !text.starts_with('/') {
        return refuse(format!("{} does not begin with a slash", shown(text)), format!("write /{text}"));
    }
    if let Some(bad) =
        text.chars().find(|c| matches!(c, '?' | '#' | '*') || c.is_whitespace() || c.is_control())
    {
        return refuse(
            format!("a path cannot have the character {}", shown(&bad.to_string())),
            "a route matches the path alone, by its beginning",
        );
    }
    Ok(())
}

fn route_host(text: &str) -> Checked {
    if let Some((host, _)) = text.split_once(':').filter(|(_, port)| port_key(port).is_ok()) {
        return refuse(format!("{} has a port", shown(text)), format!("write {host}"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !text.is_empty() && text.bytes().all(allowed) {
        return Ok(());
    }
    refuse(format!("{} is not a host name", shown(text)), "for example chat.example.com, without wildcards")
}

fn upstream(text: &str) -> Checked {
    if let Some((scheme, rest)) = text.split_once("://") {
        return refuse(
            format!("{} is a URL, an upstream is an address", shown(text)),
            match scheme {
                "unix" => format!("write unix:/{}", rest.trim_start_matches('/')),
                _ => format!("write {}", rest.split('/').next().unwrap_or_default()),
            },
        );
    }
    if let Some(path) = text.strip_prefix("unix:") {
        // sockaddr_un.sun_path holds 108 bytes with the final NUL.
        return if !path.starts_with('/') {
            refuse("the path of a unix socket must be absolute", "for example unix:/run/app.sock")
        } else if path.len() > 107 {
            Err(Refusal::new(format!(
                "the path of a unix socket has at most 107 bytes, this has {}",
                path.len()
            )))
        } else {
            Ok(())
        };
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 { Err(Refusal::new("the port cannot be 0")) } else { Ok(()) };
    }
    let known = text.rsplit_once(':').is_some_and(|(host, port)| {
        // `127.0.0.300:80` is a slip of an address, not a name.
        let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        // Names of services in a container network have underscores.
        host.replace('_', "-").split('.').all(label) && !numeric && port_key(port).is_ok()
    });
    if known {
        return Ok(());
    }
    refuse(format!("{} is not host:port, ip:port or unix:/path", shown(text)), "for example 127.0.0.1:8000")
}

fn port_key(text: &str) -> Checked {
    match text.parse::<u16>() {
        Ok(port) if port != 0 && port.to_string() == text => Ok(()),
        Ok(_) | Err(_) => {
            refuse(format!("{} is not a port", shown(text)), "a port is a number from 1 to 65535")
        }
    }
}

fn access_log(text: &str) -> Checked {
    if matches!(text, "off" | "stdout") || text.starts_with('/') {
        return Ok(());
    }
    refuse(
        format!("{} is neither off, stdout nor an absolute path", shown(text)),
        "for example /var/log/elbws-proxy/access.log",
    )
}
