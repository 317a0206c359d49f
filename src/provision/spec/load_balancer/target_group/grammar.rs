//! The grammars of single values of target groups.

use std::net::{IpAddr, Ipv4Addr};

use crate::provision::spec::problem::Refusal;
use crate::provision::spec::shape::Text;
use crate::provision::spec::text::{Checked, refuse, shown};

pub(in crate::provision::spec::load_balancer) static NAME: Text =
    Text { what: "the name of a target group", pattern: "^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$", check: name };

pub(in crate::provision::spec::load_balancer) static COOKIE: Text =
    Text { what: "the name of a cookie", pattern: "^[!-~]+$", check: cookie };

pub(super) static TARGET_ADDRESS: Text =
    Text { what: "an IPv4 address", pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", check: target_address };

pub(super) static MATCHER: Text = Text {
    what: "statuses such as 200, 200-299 or 200,204",
    pattern: "^[2-5][0-9]{2}([,-][2-5][0-9]{2})*$",
    check: |text| statuses(text).map(|_| ()),
};

/// The longest path that AWS takes.
const MAX_PATH: usize = 1024;

pub(super) static HEALTH_PATH: Text =
    Text { what: "a path", pattern: "^/[!-~]{0,1023}$", check: health_path };

fn name(text: &str) -> Checked {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 24 || !text.bytes().all(allowed) {
        return refuse(
            format!("{} is not a name of a target group", shown(text)),
            "1 to 24 of a-z, 0-9 and -",
        );
    }
    if text.starts_with('-') || text.ends_with('-') {
        return refuse(
            "a target group's name has no hyphen at either end",
            format!("write {}", text.trim_matches('-')),
        );
    }
    Ok(())
}

/// RFC 6265 §4.1.1: a cookie's name is a token.
fn cookie(text: &str) -> Checked {
    let token = |byte: u8| byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&byte);
    if text.is_empty() || !text.bytes().all(token) {
        return refuse(format!("{} is not the name of a cookie", shown(text)), "for example session");
    }
    if ["AWSALB", "AWSALBAPP", "AWSALBTG"].iter().any(|own| text.starts_with(own)) {
        return refuse(
            "cookies that begin with AWSALB are the load balancer's own",
            "write a duration alone for its own cookie: stickiness: 1d",
        );
    }
    Ok(())
}

fn target_address(text: &str) -> Checked {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if is_target(address) => Ok(()),
        Ok(IpAddr::V4(_)) => refuse(
            format!("{text} cannot be a target"),
            "an address of the VPC, or a private one that is routed from it",
        ),
        Ok(IpAddr::V6(_)) => refuse(
            format!("{text} is an IPv6 address"),
            "elbws registers targets by IPv4, also behind a dualstack load balancer",
        ),
        Err(_) => refuse(format!("{} is not an IPv4 address", shown(text)), "for example 10.0.1.5"),
    }
}

fn is_target(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast())
}

fn health_path(text: &str) -> Checked {
    if !text.starts_with('/') {
        return refuse(format!("{} does not begin with a slash", shown(text)), format!("write /{text}"));
    }
    if text.len() > MAX_PATH {
        return Err(Refusal::new(format!(
            "the path has {} bytes, at most {MAX_PATH} are allowed",
            text.len()
        )));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("the path has characters that a request line cannot carry", "percent-encode them");
    }
    Ok(())
}

/// Reads `200`, `200-299` or `200,204,300-399` to the lowest and the highest status.
pub(super) fn statuses(text: &str) -> Result<(u16, u16), Refusal> {
    let wrong = || {
        Refusal::new(format!("{} are not statuses of HTTP", shown(text)))
            .hint("for example 200, \"200-299\" or \"200,204\"")
    };
    let status = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|status| digits && (200..600).contains(status))
    };
    let (mut low, mut high) = (u16::MAX, 0);
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (status(from).ok_or_else(wrong)?, status(to).ok_or_else(wrong)?);
        if from > to {
            return Err(wrong());
        }
        (low, high) = (low.min(from), high.max(to));
    }
    Ok((low, high))
}
