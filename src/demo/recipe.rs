//! The spec that a demo applies: one of `specs/`, with a domain that is this machine.

use std::path::Path;

use super::place::DOMAIN;
use crate::provision::resource::LoadBalancerType;
use crate::provision::spec::{self, Spec, SpecErrors};

/// The specs' domain.
const SPEC_DOMAIN: &str = "chat.example.com";
/// A browser would keep to it for a year, and take no certificate from the authority of another demo.
const HSTS: &str = ", hsts: 365d";

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

    /// The text that is applied.
    pub(super) fn text(self) -> String {
        self.text.replace(SPEC_DOMAIN, DOMAIN).replace(HSTS, "")
    }

    pub(super) fn spec(self) -> Result<Spec, SpecErrors> {
        spec::parse(self.name, &self.text(), Path::new(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::spec::proxy::Accept;

    #[test]
    fn every_type_has_a_spec_with_the_proxy_and_the_demos_domain() {
        for (kind, accept) in [
            (LoadBalancerType::Classic, Accept::V1),
            (LoadBalancerType::Application, Accept::Off),
            (LoadBalancerType::Network, Accept::V2),
        ] {
            let recipe = Recipe::of(kind);
            assert!(recipe.text.contains(SPEC_DOMAIN) && !recipe.text().contains(SPEC_DOMAIN), "{kind}");
            assert!(!recipe.text().contains("hsts"), "{kind}");
            assert_eq!(recipe.spec().unwrap().proxy.unwrap().accept, accept, "{kind}");
        }
        assert!(Recipe::of(LoadBalancerType::Application).text.contains(HSTS));
    }
}
