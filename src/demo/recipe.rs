//! The spec that a demo applies: one of `specs/`, with a domain that is this machine.

use std::path::Path;

use super::account::BUCKET;
use super::place::{DOMAIN, Place};
use crate::provision::resource::LoadBalancerType;
use crate::provision::spec::{self, Spec, SpecErrors};

/// The specs' domain.
const SPEC_DOMAIN: &str = "chat.example.com";
/// A browser would keep to it for a year, and take no certificate from the authority of another demo.
const HSTS: &str = ", hsts: 365d";

/// Where the proxy's fields begin.
const PROXY: &str = "\nproxy:\n";

/// A spec of `specs/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Where it is in the repository.
    pub(super) name: &'static str,
    text: &'static str,
}

impl Recipe {
    pub(super) fn of(kind: LoadBalancerType) -> Self {
        let (name, text) = match kind {
            LoadBalancerType::Classic => ("specs/classic.yaml", include_str!("../../specs/classic.yaml")),
            LoadBalancerType::Application => {
                ("specs/application.yaml", include_str!("../../specs/application.yaml"))
            }
            LoadBalancerType::Network => ("specs/network.yaml", include_str!("../../specs/network.yaml")),
        };
        Self { name, text }
    }

    /// The text that is applied: the proxy is deployed, and knows where this machine has https.
    pub(super) fn text(self, place: Place) -> String {
        let proxy = format!(
            "{PROXY}  https_port: {}                  # where the load balancer's https is on this machine\n  \
             deploy: {{ via: ssm, bucket: {BUCKET} }}\n",
            place.https
        );
        self.text.replace(SPEC_DOMAIN, DOMAIN).replace(HSTS, "").replace(PROXY, &proxy)
    }

    pub(super) fn spec(self, place: Place) -> Result<Spec, SpecErrors> {
        spec::parse(self.name, &self.text(place), Path::new(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::spec::proxy::{Accept, Deploy};

    #[test]
    fn every_type_has_a_spec_with_the_proxy_and_the_demos_domain() {
        let place = Place::lifted(8000).unwrap();
        for (kind, accept) in [
            (LoadBalancerType::Classic, Accept::V1),
            (LoadBalancerType::Application, Accept::Off),
            (LoadBalancerType::Network, Accept::V2),
        ] {
            let recipe = Recipe::of(kind);
            let text = recipe.text(place);
            assert!(recipe.text.contains(SPEC_DOMAIN) && !text.contains(SPEC_DOMAIN), "{kind}");
            assert!(!text.contains("hsts"), "{kind}");
            let proxy = recipe.spec(place).unwrap().proxy.unwrap();
            assert_eq!(proxy.accept, accept, "{kind}");
            assert_eq!(proxy.https_port, Some(8443), "{kind}");
            assert_eq!(proxy.deploy, Deploy::Ssm { bucket: BUCKET.to_owned() }, "{kind}");
        }
        assert!(Recipe::of(LoadBalancerType::Application).text.contains(HSTS));
    }
}
