//! The predefined security policies of Application and Network load balancers.

use super::{HasCertificate, Protocol};
use crate::provision::spec::item::{Item, Read};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::shape::{Field, Kind, Text};
use crate::provision::spec::suggest::nearest;
use crate::provision::spec::text::{Checked, refuse, shown};

/// TLS 1.3 and 1.2 with forward secrecy alone, post-quantum key exchange where the visitor has it: what AWS
/// recommends and its console chooses.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>
pub(super) const DEFAULT: &str = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09";

/// Policies that AWS had when this was written; it adds some every few years, so that others are taken as well.
const KNOWN: [&str; 24] = [
    DEFAULT,
    "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS13-1-1-2021-06",
    "ELBSecurityPolicy-TLS13-1-0-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04",
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
    "ELBSecurityPolicy-TLS-1-2-2017-01",
    "ELBSecurityPolicy-TLS-1-1-2017-01",
    "ELBSecurityPolicy-2016-08",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
    "ELBSecurityPolicy-FS-1-2-Res-2019-08",
    "ELBSecurityPolicy-FS-1-2-2019-08",
    "ELBSecurityPolicy-FS-2018-06",
];

static POLICY: Text = Text {
    what: "the name of a predefined security policy",
    pattern: "^ELBSecurityPolicy-[0-9A-Za-z-]+$",
    check,
};

/// `ssl_policy:` of a listener.
pub(super) const FIELD: Field =
    Field::new("ssl_policy", Kind::Text(&POLICY), "The predefined security policy; secure listeners only.")
        .default(DEFAULT);

fn check(text: &str) -> Checked {
    let rest = text.strip_prefix("ELBSecurityPolicy-");
    let sound = rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    if sound {
        return Ok(());
    }
    let reason = format!("{} is not the name of a predefined security policy", shown(text));
    match nearest(text, &KNOWN).or_else(|| nearest(&format!("ELBSecurityPolicy-{text}"), &KNOWN)) {
        Some(near) => refuse(reason, format!("did you mean {near}?")),
        None => refuse(reason, format!("for example {DEFAULT}")),
    }
}

/// Reads `ssl_policy:` of a listener; a secure one needs a certificate too.
pub(super) fn decode(
    item: &Item,
    protocol: Protocol,
    certificate: HasCertificate,
    problems: &mut Problems,
) -> Read<Option<String>> {
    if protocol.is_secure() && certificate == HasCertificate::No {
        let refusal = Refusal::new(format!("{} listener needs a certificate", protocol.article()))
            .hint("add a certificate, for example certificate: { domain: chat.example.com }");
        item.at("protocol").report(problems, refusal);
    }
    match item.text("ssl_policy")? {
        Some(_) if !protocol.is_secure() => {
            let refusal = Refusal::new(format!(
                "{} listener has no TLS that a policy could govern",
                protocol.article()
            ))
            .hint("remove it, or use a secure protocol");
            item.at("ssl_policy").report(problems, refusal);
            Ok(None)
        }
        Some(policy) => Ok(Some(policy.to_owned())),
        None => Ok(protocol.is_secure().then(|| DEFAULT.to_owned())),
    }
}
