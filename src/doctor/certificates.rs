//! The certificates that listeners show: whether they cover the names, and for how long.
//!
//! Sources: ACM's guide ("Managed certificate renewal", which begins 60 days ahead and needs the certificate in use;
//! imported ones are never renewed) and RFC 9525 on names.

use super::facts::Facts;
use super::live::{Door, Live};
use super::sheet::{APPLY, Sheet, finding, list};
use super::{Name, Severity};
use crate::probe::likely::{EXPIRED, NAME};
use crate::provision::resource::path::{CertificateDetail, Renewal};
use crate::provision::resource::{Certificate, LoadBalancerType};
use crate::provision::spec::{CertificateSource, Spec};

const DAY: i64 = 86_400;
/// Below so many days a certificate's end is near: ACM renews its own 60 days ahead.
const SOON: i64 = 30;

pub(super) fn check(spec: &Spec, live: &Live, facts: &Facts, sheet: &mut Sheet) {
    for door in live.doors.iter().filter(|door| !door.certificates.is_empty()) {
        names(spec, live, door, facts, sheet);
    }
    for (arn, read) in &facts.certificates {
        let subject = short(arn);
        match read {
            Err(reason) => sheet.unchecked(Name::CertificateExpiry, subject, reason),
            Ok(None) => {
                let problem = format!("{arn} is on a listener, and there is no such certificate");
                let why = "TLS goes on with what the load balancer remembers, until that is over";
                let fix = format!("another one in `certificate`, then {APPLY}");
                sheet.wrong(Name::CertificateExpiry, subject, finding(Severity::Error, problem, why, fix));
            }
            Ok(Some(detail)) => expiry(spec, detail, &subject, facts.now, sheet),
        }
    }
}

/// The names that visitors ask for, as far as the spec says.
fn asked_for(spec: &Spec) -> Vec<&str> {
    let domain = spec.certificate.as_ref().and_then(|certificate| match &certificate.source {
        CertificateSource::Domain(domain) => Some(domain.as_str()),
        CertificateSource::Arn(_) | CertificateSource::Files(_) => None,
    });
    let record = spec.dns.as_ref().map(|dns| dns.name.as_str());
    let mut names: Vec<&str> = domain.into_iter().chain(record).collect();
    names.dedup();
    names
}

fn names(spec: &Spec, live: &Live, door: &Door, facts: &Facts, sheet: &mut Sheet) {
    let subject = format!("listener port {}", door.port);
    let asked = asked_for(spec);
    let known: Vec<&Certificate> = door
        .certificates
        .iter()
        .filter_map(|arn| facts.certificates.get(arn)?.as_ref().ok()?.as_ref())
        .map(|detail| &detail.certificate)
        .collect();
    if known.len() < door.certificates.len() {
        return sheet.unchecked(
            Name::CertificateName,
            subject,
            "not every certificate could be read, see below",
        );
    }
    let policy = door.ssl_policy.as_ref().map(|policy| format!(", {policy}")).unwrap_or_default();
    let covered = list(known.iter().flat_map(|certificate| &certificate.domains));
    if asked.is_empty() {
        let reason = format!(
            "covers {covered}{policy}; which name visitors ask for neither certificate.domain nor dns says"
        );
        return sheet.unchecked(Name::CertificateName, subject, reason);
    }
    let missing: Vec<&&str> =
        asked.iter().filter(|name| !known.iter().any(|certificate| certificate.covers(name))).collect();
    if missing.is_empty() {
        sheet.right(Name::CertificateName, subject, format!("covers {}{policy}", list(asked)));
        return;
    }
    let problem = format!("no certificate of the listener covers {}; they cover {covered}", list(missing));
    let why = format!("{}: browsers refuse the wss:// URL without asking", NAME.cause);
    let fix = match live.kind {
        LoadBalancerType::Classic => format!("{APPLY}, or certificate.domain, arn or files"),
        LoadBalancerType::Application | LoadBalancerType::Network => {
            format!("{APPLY}, or certificate.domain, arn, files or additional")
        }
    };
    sheet.wrong(Name::CertificateName, subject, finding(Severity::Error, problem, why, fix));
}

fn expiry(spec: &Spec, detail: &CertificateDetail, subject: &str, now: i64, sheet: &mut Sheet) {
    let why = "browsers refuse the wss:// URL, and clients that reconnect stay away";
    let certificate = &detail.certificate;
    let days = certificate.not_after.map(|end| (end - now).div_euclid(DAY));
    let next = match (&detail.renewal, spec.certificate.as_ref().map(|found| &found.source)) {
        (Renewal::Imported, Some(CertificateSource::Files(files))) => {
            format!("new files in {}, then {APPLY}", files.certificate.display())
        }
        (Renewal::Imported, Some(CertificateSource::Domain(domain))) => {
            format!("import or request another one for {domain}, then {APPLY}")
        }
        (Renewal::Imported, Some(CertificateSource::Arn(_)) | None) => {
            "import another one over it (`aws acm import-certificate --certificate-arn …`)".to_owned()
        }
        (Renewal::Managed(_), _) => format!(
            "the CNAME records of `aws acm describe-certificate --certificate-arn {}` must be in DNS",
            certificate.arn
        ),
        (Renewal::Ineligible, _) => format!(
            "request another one (`aws acm request-certificate --domain-name {}`), then {APPLY}",
            certificate.domains.first().map_or("…", String::as_str)
        ),
    };
    let wrong = |severity, problem: String| finding(severity, problem, why, next);
    match (detail.status.as_str(), days) {
        (_, Some(..0)) | ("EXPIRED", _) => {
            let since = days.map(|days| format!(" {} days ago", -days)).unwrap_or_default();
            let problem = format!("it has expired{since}: {}", EXPIRED.cause);
            sheet.wrong(Name::CertificateExpiry, subject, wrong(Severity::Error, problem));
        }
        (status, _) if status != "ISSUED" => {
            let problem = format!("its status is {status}");
            sheet.wrong(Name::CertificateExpiry, subject, wrong(Severity::Error, problem));
        }
        (_, Some(days @ 0..SOON)) => {
            let who = match &detail.renewal {
                Renewal::Imported => "it was imported, so ACM does not renew it".to_owned(),
                Renewal::Managed(None) => "ACM should have renewed it by now".to_owned(),
                Renewal::Managed(Some(status)) => format!("ACM's renewal is {status}"),
                Renewal::Ineligible => "ACM does not find it eligible for renewal".to_owned(),
            };
            let problem = format!("it expires in {days} days, and {who}");
            sheet.wrong(Name::CertificateExpiry, subject, wrong(Severity::Warning, problem));
        }
        (_, days) => {
            let left =
                days.map_or_else(|| "its end is not known".to_owned(), |days| format!("{days} days left"));
            let who = match &detail.renewal {
                Renewal::Imported => "imported: whoever did so renews it",
                Renewal::Managed(_) => "ACM renews it",
                Renewal::Ineligible => "issued by ACM, which does not find it eligible for renewal",
            };
            sheet.right(Name::CertificateExpiry, subject, format!("in force, {left}; {who}"));
        }
    }
}

/// The end of an ARN, `certificate/1b2c…`.
fn short(arn: &str) -> String {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    name.get(..13).unwrap_or(name).trim_end_matches('-').to_owned()
}
