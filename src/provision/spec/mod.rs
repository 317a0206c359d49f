//! The stack spec: what a user may write, as plain data with every default filled in.
//!
//! Owns the YAML (read with positions, every problem found at once) and the rules that hold without asking
//! AWS. It does not know resources, plans or the SDK, and [`parse`] touches no file: see
//! [`parse_with_files`] and [`CertificateFiles::load`] for what is read from disk.

pub mod certificate;
pub mod certificate_files;
pub mod dns;
pub mod hsts;
pub mod instances;
pub mod load_balancer;
pub mod name;
pub mod network;
pub mod proxy;
pub mod seconds;

mod address;
mod checked;
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
pub use certificate_files::{CertificateFilesError, FileProblem, FileRole, LoadedCertificate, PrivateKeyPem};
pub use dns::Dns;
pub use hsts::Hsts;
pub use instances::Instances;
pub use load_balancer::{
    AccessLogs, Action, AddressType, Algorithm, AlpnPolicy, ApplicationListener, ApplicationLoadBalancer,
    ApplicationTargetGroup, ClassicListener, ClassicLoadBalancer, ClassicProtocol, Desync, Forward,
    HealthCheck, HealthTarget, LoadBalancer, LogBucket, NetworkListener, NetworkLoadBalancer,
    NetworkTargetGroup, Protocol, Redirect, Rule, Scheme, Stickiness, SubnetAddress, TLS_IDLE,
    TargetGroupName, TargetHealthCheck, Targets, XffMode,
};
pub use name::{LoadBalancerName, StackName};
pub use network::{Network, SubnetSelector, VpcSelector};
pub use problem::{Problem, SpecErrors};
pub use proxy::Proxy;
pub use schema::{json_schema, reference};
pub use seconds::Seconds;

use decode::SPEC;
use item::Item;
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
    /// The record that leads visitors to the load balancer, if the spec has one.
    pub dns: Option<Dns>,
}

/// Reads a spec; paths in it are joined to `base_dir`, the folder that it stands in, and no file is touched.
///
/// `source_name` is what errors call the text. All problems are reported at once, except that text which is
/// no YAML at all has one problem only: where it stops being YAML.
pub fn parse(source_name: &str, text: &str, base_dir: &Path) -> Result<Spec, SpecErrors> {
    let mut problems = Problems::default();
    let spec = read_spec(text, base_dir, &mut problems).map(|(spec, _)| spec);
    finish(source_name, spec, problems)
}

/// Reads a spec as [`parse`] does, and the certificate files that it names: a problem with one stands at the
/// field that names it.
pub fn parse_with_files(source_name: &str, text: &str, base_dir: &Path) -> Result<Spec, SpecErrors> {
    let mut problems = Problems::default();
    let spec = read_spec(text, base_dir, &mut problems).map(|(spec, root)| {
        if let Some(certificate) = &spec.certificate {
            check_files(root.at("certificate"), certificate, &mut problems);
        }
        spec
    });
    finish(source_name, spec, problems)
}

fn check_files(item: &Item, certificate: &Certificate, problems: &mut Problems) {
    let more = item.get("additional").and_then(|list| list.as_list().ok()).unwrap_or_default();
    let places = [item].into_iter().chain(more);
    for (item, source) in places.zip([&certificate.source].into_iter().chain(&certificate.additional)) {
        let CertificateSource::Files(files) = source else { continue };
        if let Err(error) = files.load() {
            let mut refusal = Refusal::new(error.to_string());
            refusal.hint = error.problem.hint().map(str::to_owned);
            item.at("files").at(error.role.field()).report(problems, refusal);
        }
    }
}

fn read_spec(text: &str, base_dir: &Path, problems: &mut Problems) -> Option<(Spec, Item)> {
    match yaml::read(text) {
        Ok(node) => {
            let root = read::read(&node, &shape::Kind::Object(&SPEC), "", problems);
            decode::spec(&root, base_dir, problems).ok().map(|spec| (spec, root))
        }
        Err((place, refusal)) => {
            problems.add(place, "", refusal);
            None
        }
    }
}

fn finish(source_name: &str, spec: Option<Spec>, mut problems: Problems) -> Result<Spec, SpecErrors> {
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
