//! The TLS of a listener: its oldest version, its certificate and those that it shows by SNI.

use std::time::Instant;

use super::cause::Cause;
use super::promised::lowest_version;
use super::visit::{Visit, broken};
use super::{Name, Outcome, Run};
use crate::probe::likely::{NAME, OLD_TLS, PLAIN_LISTENER};
use crate::probe::{self, Finding, Problem, TrustError, accepted_versions};

impl Visit<'_> {
    /// Checks the versions of TLS, and says whether there is any.
    pub(super) async fn versions(&self, run: &mut Run<'_>) -> bool {
        let begun = Instant::now();
        let policy = self.door.ssl_policy.as_deref().unwrap_or_default();
        let lowest = lowest_version(policy);
        let accepted = accepted_versions(self.address, self.scene.host).await;
        let any = accepted.as_ref().is_ok_and(|accepted| !accepted.is_empty());
        let outcome = match accepted {
            Err(problem) => broken(&problem, self.circumstances),
            Ok(accepted) => match accepted.first() {
                None => Outcome::Broken {
                    error: "no version of TLS is accepted".to_owned(),
                    causes: self
                        .circumstances
                        .causes(&Problem::ClosedWithoutAnswer { to: "the TLS handshake" })
                        .into_iter()
                        .chain([PLAIN_LISTENER.into()])
                        .collect(),
                },
                Some(found) if *found < lowest => Outcome::Broken {
                    error: format!("{found} is accepted, and {policy} begins at {lowest}"),
                    causes: vec![Cause::new("the listener has another SSL policy", OLD_TLS.mend)],
                },
                Some(_) => {
                    let list: Vec<String> = accepted.iter().map(ToString::to_string).collect();
                    Outcome::Kept(format!("{} accepted; {policy} begins at {lowest}", list.join(", ")))
                }
            },
        };
        run.push(Name::TlsVersion, &self.door.port, begun, outcome);
        any
    }

    /// Checks the certificates, and says whether the first one is as it should be.
    pub(super) async fn certificates(&self, run: &mut Run<'_>) -> Result<bool, TrustError> {
        let begun = Instant::now();
        let outcome = self.certificate(self.scene.host).await?;
        let kept = matches!(outcome, Outcome::Kept(_));
        run.push(Name::Certificate, &self.door.port, begun, outcome);
        for host in self.scene.more_hosts {
            let begun = Instant::now();
            let mut outcome = self.certificate(host).await?;
            if let Outcome::Broken { causes, .. } = &mut outcome
                && causes.first() == Some(&NAME.into())
            {
                *causes = vec![Cause::new(
                    format!(
                        "the listener does not have the certificate for {host} among its additional ones"
                    ),
                    "certificate.additional, then `elbws apply SPEC`",
                )];
            }
            run.push(Name::Certificate, &format!("{} {host}", self.door.port), begun, outcome);
        }
        Ok(kept)
    }

    async fn certificate(&self, host: &str) -> Result<Outcome, TrustError> {
        let found = probe::certificate(self.address, host, &self.scene.place.trust).await?;
        Ok(match found {
            Ok(Finding::Tls { names, issuer, expires, days_left, .. }) => {
                let names = names.join(", ");
                let until = expires.date();
                Outcome::Kept(format!("for {names} by {issuer}, until {until} ({days_left} days left)"))
            }
            Ok(_) => Outcome::Untested("there was no handshake".to_owned()),
            Err(problem) => broken(&problem, self.circumstances),
        })
    }
}
