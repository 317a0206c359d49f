//! Listeners and the certificates that they choose from by SNI.

use std::collections::BTreeSet;

use super::is_new;
use crate::provision::aws::AwsError;
use crate::provision::aws::elbv2::{self, Attributes, LISTENER_NOT_FOUND, LOAD_BALANCER_NOT_FOUND};
use crate::provision::aws::retry::{
    DELETED_LISTENER, NEW_CERTIFICATE, NEW_LISTENER, NEW_LOAD_BALANCER, NEW_SNI_CERTIFICATE,
    NEW_TARGET_GROUP, Rule,
};
use crate::provision::execute::failure::ExecuteError;
use crate::provision::execute::operation::{Run, absent_is_done};
use crate::provision::plan::Reference;
use crate::provision::plan::v2::ListenerSettings;
use crate::provision::resource::Tags;

/// How many certificates one call adds or removes.
const CERTIFICATES_A_CALL: usize = 25;

impl Run<'_> {
    fn settings<'a>(
        &self,
        settings: &'a ListenerSettings,
    ) -> Result<elbv2::ListenerSettings<'a>, ExecuteError> {
        Ok(elbv2::ListenerSettings {
            port: settings.port,
            protocol: settings.protocol,
            ssl_policy: settings.ssl_policy.as_deref(),
            alpn_policy: settings.alpn_policy.as_deref(),
            certificate: settings.certificate.as_ref().map(|arn| self.identifier(arn)).transpose()?,
            default_action: self.action(&settings.default_action)?,
        })
    }

    /// Creates a listener and returns its ARN; takes the one on that port where it has the same settings.
    pub(super) async fn create_listener(
        &self,
        load_balancer: &Reference,
        settings: &ListenerSettings,
        tags: &Tags,
    ) -> Result<String, ExecuteError> {
        let balancer = self.identifier(load_balancer)?;
        let settings = self.settings(settings)?;
        let mut rules = vec![NEW_CERTIFICATE, NEW_TARGET_GROUP, DELETED_LISTENER];
        if is_new(load_balancer) {
            rules.push(NEW_LOAD_BALANCER);
        }
        let create = || async {
            match elbv2::create_listener(self.clients, &balancer, &settings, tags).await {
                Err(error) if error.is("DuplicateListener") => {
                    self.on_port(&balancer, &settings, error).await
                }
                made => made.map(Some),
            }
        };
        let other = ExecuteError::OtherListener { port: settings.port };
        self.patience.retry(&rules, create).await?.ok_or(other)
    }

    /// Returns the ARN of the listener on that port; none where it has other settings. Where there is none, the
    /// port is one that a listener has just left, and `duplicate` is worth another try.
    async fn on_port(
        &self,
        balancer: &str,
        settings: &elbv2::ListenerSettings<'_>,
        duplicate: AwsError,
    ) -> Result<Option<String>, AwsError> {
        let mut listeners = elbv2::load_balancer_listeners(self.clients, balancer).await?;
        let Some(found) = listeners.remove(&settings.port) else { return Err(duplicate) };
        let is_same = found.protocol == settings.protocol.as_aws()
            && found.certificate == settings.certificate
            && found.alpn_policy.as_deref() == settings.alpn_policy
            && settings.ssl_policy.is_none_or(|policy| found.ssl_policy.as_deref() == Some(policy))
            && found.default_action == settings.default_action;
        Ok(is_same.then_some(found.arn))
    }

    pub(super) async fn modify_listener(
        &self,
        listener: &Reference,
        settings: &ListenerSettings,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(listener)?;
        let settings = self.settings(settings)?;
        let modify = || elbv2::modify_listener(self.clients, &arn, &settings);
        let mut rules = vec![NEW_CERTIFICATE, NEW_TARGET_GROUP];
        rules.extend(while_new(listener));
        Ok(self.patience.retry(&rules, modify).await?)
    }

    pub(super) async fn modify_listener_attributes(
        &self,
        listener: &Reference,
        attributes: &Attributes,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(listener)?;
        let modify = async |attributes: Attributes| {
            let modify = || elbv2::modify_listener_attributes(self.clients, &arn, &attributes);
            self.patience.retry(while_new(listener), modify).await
        };
        Ok(self.modify_attributes(attributes, modify).await?)
    }

    pub(super) async fn delete_listener(&self, arn: &str) -> Result<(), ExecuteError> {
        let deleted = elbv2::delete_listener(self.clients, arn).await;
        Ok(absent_is_done(deleted, &[LISTENER_NOT_FOUND, LOAD_BALANCER_NOT_FOUND])?)
    }

    pub(super) async fn add_listener_certificates(
        &self,
        listener: &Reference,
        certificates: &[Reference],
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(listener)?;
        let certificates = self.identifiers(certificates)?;
        let mut rules = vec![NEW_SNI_CERTIFICATE];
        rules.extend(while_new(listener));
        for chunk in certificates.chunks(CERTIFICATES_A_CALL) {
            let add = || elbv2::add_listener_certificates(self.clients, &arn, chunk);
            self.patience.retry(&rules, add).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_listener_certificates(
        &self,
        listener: &Reference,
        certificates: &BTreeSet<String>,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(listener)?;
        let certificates: Vec<String> = certificates.iter().cloned().collect();
        for chunk in certificates.chunks(CERTIFICATES_A_CALL) {
            let removed = elbv2::remove_listener_certificates(self.clients, &arn, chunk).await;
            match removed {
                // One that is gone fails all of them: the others are still to be removed.
                Err(error) if error.is("CertificateNotFound") && chunk.len() > 1 => {
                    for certificate in chunk {
                        let one = std::slice::from_ref(certificate);
                        let removed = elbv2::remove_listener_certificates(self.clients, &arn, one).await;
                        absent_is_done(removed, &["CertificateNotFound"])?;
                    }
                }
                removed => absent_is_done(removed, &["CertificateNotFound", LISTENER_NOT_FOUND])?,
            }
        }
        Ok(())
    }
}

/// Returns the rule for a listener that was made in this run.
fn while_new(listener: &Reference) -> &'static [Rule] {
    if is_new(listener) { &[NEW_LISTENER] } else { &[] }
}
