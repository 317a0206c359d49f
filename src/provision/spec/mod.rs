//! The stack spec: what a user may write, as plain data with every default filled in.
//!
//! Owns the YAML (read with positions, every problem found at once) and the rules that hold without asking
//! AWS. It does not know resources, plans or the SDK, and [`parse`] touches no file: see
//! [`certificate::CertificateFiles::load`] for what is read from disk.

pub mod certificate;
pub mod instances;
pub mod load_balancer;
pub mod name;
pub mod network;
pub mod proxy;
pub mod seconds;

mod decode;
mod item;
mod problem;
mod read;
mod scalar;
mod schema;
mod shape;
mod suggest;
mod tags;
mod text;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

pub use certificate::{Certificate, CertificateFiles, CertificateSource, CertificateStore};
pub use instances::Instances;
pub use load_balancer::{
    AccessLogs, ClassicListener, ClassicLoadBalancer, ClassicProtocol, HealthCheck, HealthTarget,
    LoadBalancer, Scheme,
};
pub use name::{LoadBalancerName, StackName};
pub use network::{Network, SubnetSelector, VpcSelector};
pub use problem::{Problem, SpecErrors};
pub use proxy::Proxy;
pub use schema::json_schema;
pub use seconds::Seconds;

use decode::SPEC;
use problem::{Place, Problems, Refusal};

/// A whole stack, valid and complete: defaults are filled in and every rule that needs no network holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spec {
    /// The stack; the names and ownership tags of what is created derive from it.
    pub stack: StackName,
    /// The AWS region, if the spec names one; otherwise the usual AWS chain decides.
    pub region: Option<String>,
    /// The user's own tags, put on everything created. At most 48: two of AWS's 50 are ours.
    pub tags: BTreeMap<String, String>,
    /// Where the load balancer stands.
    pub network: Network,
    /// Who serves.
    pub instances: Instances,
    /// What ssl, https and tls listeners present; `Some` whenever such a listener exists.
    pub certificate: Option<Certificate>,
    /// The load balancer.
    pub load_balancer: LoadBalancer,
    /// The bundled proxy on every instance; `None` when the spec says `proxy: false`.
    pub proxy: Option<Proxy>,
}

/// Reads a spec; paths in it are joined to `base_dir`, the folder that it stands in, and no file is touched.
///
/// `source_name` is what errors call the text. All problems are reported at once, except that text which is
/// no YAML at all has one problem only: where it stops being YAML.
pub fn parse(source_name: &str, text: &str, base_dir: &Path) -> Result<Spec, SpecErrors> {
    let mut problems = Problems::default();
    let spec = match yaml::read(text) {
        Ok(node) => {
            let root = read::read(&node, &shape::Kind::Object(&SPEC), "", &mut problems);
            decode::spec(&root, base_dir, &mut problems).ok()
        }
        Err((place, refusal)) => {
            problems.add(place, "", refusal);
            None
        }
    };
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        None if problems.is_empty() => {
            // Every `Invalid` stands for a problem that was reported; the corpus would show one that is not.
            problems.add(
                Place::START,
                "",
                Refusal::new("the spec cannot be understood; please report this file"),
            );
            Err(problems.into_errors(source_name))
        }
        Some(_) | None => Err(problems.into_errors(source_name)),
    }
}
