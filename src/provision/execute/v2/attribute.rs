//! Attributes: what AWS does not know in a region or a partition is left out, with a warning.

use std::future::Future;

use crate::provision::aws::AwsError;
use crate::provision::aws::elbv2::Attributes;
use crate::provision::execute::operation::Run;

impl Run<'_> {
    /// Makes `call` with the attributes, and again without each one that AWS says it does not know.
    pub(super) async fn modify_attributes<F>(
        &self,
        attributes: &Attributes,
        call: impl Fn(Attributes) -> F,
    ) -> Result<(), AwsError>
    where
        F: Future<Output = Result<(), AwsError>>,
    {
        let mut left = attributes.clone();
        while !left.is_empty() {
            let error = match call(left.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let unknown =
                unknown_key(error.message()).filter(|key| left.contains_key(*key)).map(str::to_owned);
            let Some(key) =
                unknown.filter(|_| error.is_any(&["InvalidConfigurationRequest", "ValidationError"]))
            else {
                return Err(error);
            };
            (self.warn)(&format!("left out {key}, which AWS does not have here: {error}"));
            left.remove(&key);
        }
        Ok(())
    }
}

/// Returns the key that a refusal names: "… attribute key 'X' is not recognized", or "supported".
fn unknown_key(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("attribute key ")?;
    let (key, verdict) = rest.split_once(" is not ")?;
    let known = ["recognized", "supported"].iter().any(|word| verdict.starts_with(word));
    known.then(|| key.trim_matches(|sign| sign == '\'' || sign == '"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_aws_does_not_know_is_read_off_its_words() {
        for (message, key) in [
            (
                "Load balancer attribute key 'dns_record.client_routing_policy' is not supported on load \
                 balancers with type 'network'",
                Some("dns_record.client_routing_policy"),
            ),
            (
                "Target group attribute key 'target_health_state.unhealthy.draining_interval_seconds' is not recognized",
                Some("target_health_state.unhealthy.draining_interval_seconds"),
            ),
            ("attribute key \"a.b\" is not recognized", Some("a.b")),
            ("attribute key 'a.b' is not valid", None),
            ("The provided value is wrong", None),
        ] {
            assert_eq!(unknown_key(message), key, "{message}");
        }
    }
}
