//! Spec → desired: pure and complete. Whatever the spec left out has its default by now; whatever needs AWS to
//! answer stays a selector, which the planner resolves.

pub mod v2;

use std::collections::BTreeMap;

use super::install;
use super::resource::{
    AccessLogs, Admission, Attributes, CertificateFiles, CertificateSource, CertificateStore,
    DesiredBalancer, DesiredListener, DesiredLoadBalancer, DesiredProxy, HealthCheck, InstanceSelector,
    Protocol, Scheme, Stack, SubnetSelector, Tags, VpcSelector,
};
use super::spec::proxy::{Deploy, Proxy};
use super::spec::{self, ClassicListener, ClassicLoadBalancer, ClassicProtocol, LoadBalancer, Spec};

/// What the files of a certificate were found to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateContent {
    /// The SHA-256 of the leaf's DER form, in lower-case hexadecimal.
    pub fingerprint: String,
    /// The names that the leaf is for.
    pub domains: Vec<String>,
    /// The type and size of its key in ACM's words.
    pub key_algorithm: String,
}

/// Returns what the spec desires. `content` says what the files of a certificate hold; a certificate of whose files it
/// says nothing is left out.
#[must_use]
pub fn desired(
    spec: &Spec,
    content: impl Fn(&spec::CertificateFiles) -> Option<CertificateContent>,
) -> Stack {
    let (source, additional) = match &spec.certificate {
        Some(certificate) => (Some(&certificate.source), certificate.additional.as_slice()),
        None => (None, [].as_slice()),
    };
    Stack {
        name: spec.stack.to_string(),
        tags: tags(&spec.tags),
        vpc: match &spec.network.vpc {
            spec::VpcSelector::Default => VpcSelector::Default,
            spec::VpcSelector::Id(id) => VpcSelector::Id(id.clone()),
            spec::VpcSelector::Tags(wanted) => VpcSelector::Tags(tags(wanted)),
        },
        subnets: subnets(spec),
        instances: InstanceSelector {
            ids: spec.instances.ids.iter().cloned().collect(),
            tags: tags(&spec.instances.tags),
            auto_scaling_group: spec.instances.auto_scaling_group.clone(),
        },
        admission: if spec.instances.manage_security_group {
            Admission::Managed
        } else {
            Admission::Unmanaged
        },
        certificate: source.and_then(|source| certificate(source, &content)),
        additional_certificates: additional
            .iter()
            .filter_map(|source| certificate(source, &content))
            .collect(),
        load_balancer: match &spec.load_balancer {
            LoadBalancer::Classic(balancer) => DesiredBalancer::Classic(classic(balancer)),
            LoadBalancer::Application(balancer) => DesiredBalancer::V2(v2::application(balancer)),
            LoadBalancer::Network(balancer) => DesiredBalancer::V2(v2::network(balancer)),
        },
        dns: spec.dns.as_ref().map(v2::record),
        proxy: spec.proxy.as_ref().and_then(proxy),
    }
}

/// Seconds that the load balancer is given to find an instance healthy, unless told otherwise.
const HEALTHY_WITHIN: u32 = 600;

/// Which programs there are is found beside the spec.
fn proxy(proxy: &Proxy) -> Option<DesiredProxy> {
    match &proxy.deploy {
        Deploy::None => None,
        Deploy::Ssm { bucket } => Some(DesiredProxy {
            bucket: bucket.clone(),
            programs: BTreeMap::new(),
            installation: install::installation(proxy),
            listen: proxy.listen.iter().map(|bind| bind.port).collect(),
            max_unavailable: 1,
            timeout: HEALTHY_WITHIN,
        }),
    }
}

/// Addresses that stay decide the subnets.
fn subnets(spec: &Spec) -> SubnetSelector {
    if let LoadBalancer::Network(balancer) = &spec.load_balancer
        && !balancer.addresses.is_empty()
    {
        return SubnetSelector::Ids(balancer.addresses.keys().cloned().collect());
    }
    match &spec.network.subnets {
        spec::SubnetSelector::All => SubnetSelector::All,
        spec::SubnetSelector::Ids(ids) => SubnetSelector::Ids(ids.iter().cloned().collect()),
        spec::SubnetSelector::Tags(wanted) => SubnetSelector::Tags(tags(wanted)),
    }
}

fn tags(tags: &BTreeMap<String, String>) -> Tags {
    Tags(tags.clone())
}

fn certificate(
    source: &spec::CertificateSource,
    content: impl Fn(&spec::CertificateFiles) -> Option<CertificateContent>,
) -> Option<CertificateSource> {
    match source {
        spec::CertificateSource::Arn(arn) => Some(CertificateSource::Arn(arn.clone())),
        spec::CertificateSource::Domain(domain) => Some(CertificateSource::Domain(domain.clone())),
        spec::CertificateSource::Files(files) => content(files).map(|content| {
            CertificateSource::Files(CertificateFiles {
                certificate: files.certificate.clone(),
                private_key: files.private_key.clone(),
                chain: files.chain.clone(),
                store: match files.store {
                    spec::CertificateStore::Acm => CertificateStore::Acm,
                    spec::CertificateStore::Iam => CertificateStore::Iam,
                },
                fingerprint: content.fingerprint,
                domains: content.domains,
                key_algorithm: content.key_algorithm,
            })
        }),
    }
}

fn classic(balancer: &ClassicLoadBalancer) -> DesiredLoadBalancer {
    DesiredLoadBalancer {
        name: balancer.name.to_string(),
        scheme: match balancer.scheme {
            spec::Scheme::InternetFacing => Scheme::InternetFacing,
            spec::Scheme::Internal => Scheme::Internal,
        },
        ingress: balancer.ingress.iter().map(ToString::to_string).collect(),
        listeners: balancer.listeners.iter().map(|found| (found.port, listener(found))).collect(),
        proxy_protocol: balancer.proxy_protocol.clone(),
        attributes: Attributes {
            idle_timeout: balancer.idle_timeout.get(),
            connection_draining: balancer.connection_draining.map(spec::Seconds::get),
            cross_zone: balancer.cross_zone,
            access_logs: balancer.access_logs.as_ref().map(|logs| AccessLogs {
                bucket: logs.bucket.clone(),
                prefix: logs.prefix.clone().unwrap_or_default(),
                interval: logs.interval_minutes.into(),
            }),
        },
        health_check: HealthCheck {
            target: balancer.health_check.target.to_string(),
            interval: balancer.health_check.interval.get(),
            timeout: balancer.health_check.timeout.get(),
            healthy_threshold: balancer.health_check.healthy_threshold.into(),
            unhealthy_threshold: balancer.health_check.unhealthy_threshold.into(),
        },
    }
}

fn listener(listener: &ClassicListener) -> DesiredListener {
    DesiredListener {
        protocol: protocol(listener.protocol),
        instance_port: listener.instance_port,
        instance_protocol: protocol(listener.instance_protocol),
        ssl_policy: listener.ssl_policy.clone(),
    }
}

fn protocol(protocol: ClassicProtocol) -> Protocol {
    match protocol {
        ClassicProtocol::Tcp => Protocol::Tcp,
        ClassicProtocol::Ssl => Protocol::Ssl,
        ClassicProtocol::Http => Protocol::Http,
        ClassicProtocol::Https => Protocol::Https,
    }
}
