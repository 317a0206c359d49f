//! Why a stack cannot be planned.

use std::path::PathBuf;

use super::Header;
use super::proxy::Lack;
use crate::provision::resource::{
    Architecture, LoadBalancerType, ResourceKey, SubnetSelector, Tags, VpcSelector,
};

/// Why a stack cannot be planned against what was observed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing fits `network.vpc`.
    #[error("network.vpc: {region} has {}", no_vpc(selector))]
    NoVpc {
        /// The region.
        region: String,
        /// What was asked for.
        selector: VpcSelector,
    },
    /// More than one VPC fits `network.vpc`.
    #[error("network.vpc: the tags fit {} VPCs: {}", vpcs.len(), vpcs.join(", "))]
    SeveralVpcs {
        /// Their ids.
        vpcs: Vec<String>,
    },
    /// Nothing fits `network.subnets`.
    #[error("network.subnets: {vpc} has {}", no_subnets(selector))]
    NoSubnets {
        /// The VPC.
        vpc: String,
        /// What was asked for.
        selector: SubnetSelector,
    },
    /// A subnet was named that does not exist or is in another VPC.
    #[error("network.subnets: {vpc} has no subnet {subnet}")]
    UnknownSubnet {
        /// The VPC.
        vpc: String,
        /// The subnet's id.
        subnet: String,
    },
    /// A load balancer takes one subnet per zone.
    #[error("network.subnets: {} are in the same availability zone, {zone}", subnets.join(" and "))]
    SubnetsShareZone {
        /// The zone.
        zone: String,
        /// The subnets' ids.
        subnets: Vec<String>,
    },
    /// An instance was named that EC2 does not know.
    #[error("instances.ids: there is no instance {id} in {region}")]
    UnknownInstance {
        /// The instance's id.
        id: String,
        /// The region.
        region: String,
    },
    /// An Auto Scaling group was named that does not exist.
    #[error("instances.auto_scaling_group: there is no Auto Scaling group {name} in {region}")]
    UnknownAutoScalingGroup {
        /// Its name.
        name: String,
        /// The region.
        region: String,
    },
    /// An Auto Scaling group cannot register its instances on the ports that a target group asks for.
    #[error(
        "load_balancer.target_groups.{target_group}: an Auto Scaling group registers its instances on the target \
         group's own port, {port}, alone"
    )]
    PortsOfAutoScalingGroup {
        /// The target group's name in the spec.
        target_group: String,
        /// Its port.
        port: u16,
    },
    /// An instance is in another VPC than the load balancer.
    #[error("instance {id} is in {found}, and the load balancer's VPC is {vpc}")]
    InstanceInOtherVpc {
        /// The instance's id.
        id: String,
        /// Its VPC.
        found: String,
        /// The load balancer's VPC.
        vpc: String,
    },
    /// The certificate named by ARN does not exist.
    #[error("certificate.arn: there is no certificate {arn}")]
    UnknownCertificate {
        /// The ARN.
        arn: String,
    },
    /// The certificate named by ARN is not issued.
    #[error("certificate.arn: {arn} is not issued")]
    CertificateNotIssued {
        /// The ARN.
        arn: String,
    },
    /// No issued certificate covers the domain.
    #[error("certificate.domain: ACM in {region} has no issued certificate that covers {domain}")]
    NoCertificateCovers {
        /// The domain.
        domain: String,
        /// The region.
        region: String,
    },
    /// A load balancer has the name and is not the stack's.
    #[error("load balancer {name} exists and {}", owned_by(owner.as_deref()))]
    NotOwned {
        /// The load balancer's name.
        name: String,
        /// The stack that owns it, if one does.
        owner: Option<String>,
    },
    /// A load balancer that has to go is protected from deletion.
    #[error("load balancer {name} is protected from deletion")]
    DeletionProtected {
        /// Its name.
        name: String,
    },
    /// An ALB and an NLB cannot have the same name.
    #[error(
        "load_balancer.name: {name} is the name of an {found} load balancer, and AWS has one set of names for application \
         and network ones"
    )]
    NameOfOtherType {
        /// The name.
        name: String,
        /// What has it.
        found: LoadBalancerType,
        /// What is desired.
        desired: LoadBalancerType,
    },
    /// An ALB needs two zones.
    #[error(
        "network.subnets: an application load balancer needs subnets in two availability zones, and here is {found}"
    )]
    TooFewZones {
        /// How many there are.
        found: usize,
    },
    /// A Network load balancer has addresses that stay, and lacks one for a subnet.
    #[error(
        "load_balancer.addresses: subnet {subnet} has none; with addresses that stay, every subnet needs one"
    )]
    NoAddress {
        /// The subnet.
        subnet: String,
    },
    /// An address is for a subnet that the load balancer is not in.
    #[error("load_balancer.addresses: {subnet} is not one of the load balancer's subnets")]
    AddressElsewhere {
        /// The subnet.
        subnet: String,
    },
    /// Route 53 has no such zone.
    #[error("dns.zone: Route 53 has no hosted zone {zone} for {} load balancer", scheme_article(*private))]
    NoZone {
        /// The zone's domain.
        zone: String,
        /// Whether private zones count.
        private: bool,
    },
    /// Several zones have the domain.
    #[error("dns.zone: {} hosted zones are called {zone}: {}", ids.len(), ids.join(", "))]
    SeveralZones {
        /// The zone's domain.
        zone: String,
        /// Their ids.
        ids: Vec<String>,
    },
    /// The name has a record that leads elsewhere.
    #[error("dns.name: {name} has {kind} records that lead elsewhere{}", target.as_deref().map(|target| format!(", to {target}")).unwrap_or_default())]
    RecordTaken {
        /// The name.
        name: String,
        /// The record's type.
        kind: String,
        /// Where it leads, if it is an alias.
        target: Option<String>,
    },
    /// Systems Manager cannot run anything on an instance.
    #[error("proxy.deploy: SSM cannot reach {instance}: {lack}")]
    NotManaged {
        /// The instance.
        instance: String,
        /// What it lacks.
        lack: Lack,
        /// The region.
        region: String,
    },
    /// There is no program for what instances are.
    #[error("proxy.deploy: {}", no_program(*architecture, instances, found))]
    NoProgram {
        /// What they are; none for what the proxy is not made for.
        architecture: Option<Architecture>,
        /// The instances.
        instances: Vec<String>,
        /// The programs that there are.
        found: Vec<(Architecture, PathBuf)>,
    },
    /// The PROXY header is to be switched, and the proxies do not tell what they see.
    #[error("proxy.metrics: the proxies cannot tell when {from} has become {to}")]
    SwitchUnseen {
        /// What connections begin with.
        from: Header,
        /// What they are to begin with.
        to: Header,
    },
    /// The proxies alone cannot be changed, as what the load balancer sends changes with them.
    #[error("the proxies are to expect another PROXY header, and {by} still sends the former one")]
    SwitchedByApply {
        /// What switches it.
        by: ResourceKey,
    },
    /// The load balancer is not there yet.
    #[error("load balancer {name} does not exist in {region}")]
    NotBuilt {
        /// Its name.
        name: String,
        /// The region.
        region: String,
    },
}

impl PlanError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoVpc { selector: VpcSelector::Default, .. } => {
                "name a VPC by id or tags, or create the default one with `aws ec2 create-default-vpc`".into()
            }
            Self::NoVpc { .. } => "list what there is with `aws ec2 describe-vpcs`, and check the region".into(),
            Self::SeveralVpcs { .. } => "name one by its id, or add a tag that only one of them has".into(),
            Self::NoSubnets { .. } | Self::UnknownSubnet { .. } => {
                "list what there is with `aws ec2 describe-subnets`".into()
            }
            Self::SubnetsShareZone { .. } => "keep one subnet of each availability zone".into(),
            Self::UnknownInstance { .. } => {
                "check the id and the region; terminated instances cannot be registered".into()
            }
            Self::UnknownAutoScalingGroup { .. } => {
                "check the name and the region; `aws autoscaling describe-auto-scaling-groups` lists what there is, and \
                 elbws makes none"
                    .into()
            }
            Self::PortsOfAutoScalingGroup { .. } => {
                "make a target group for each port, or select the instances by tags".into()
            }
            Self::InstanceInOtherVpc { vpc, .. } => {
                format!("choose instances in {vpc}, or set network.vpc to the instances' VPC")
            }
            Self::UnknownCertificate { .. } => {
                "check the ARN; an ACM certificate must be in the load balancer's region".into()
            }
            Self::CertificateNotIssued { .. } => {
                "finish its validation; `aws acm describe-certificate` shows what is pending".into()
            }
            Self::NoCertificateCovers { domain, .. } => format!(
                "request one with `aws acm request-certificate --domain-name {domain} --validation-method DNS`, \
                 or import yours with certificate.files"
            ),
            Self::NotOwned { owner: None, .. } => {
                "choose another load_balancer.name, or take it over with --adopt: its settings then become the spec's"
                    .into()
            }
            Self::DeletionProtected { .. } => {
                "set load_balancer.deletion_protection to false and apply that first; of a load balancer that the spec no \
                 longer describes, `aws elbv2 modify-load-balancer-attributes` turns it off"
                    .into()
            }
            Self::NameOfOtherType { name, desired, .. } => format!(
                "choose another load_balancer.name, {name}-{desired} for example: the new load balancer is then built \
                 beside the old one"
            ),
            Self::TooFewZones { .. } => {
                "select subnets in another zone with network.subnets, or create one with `aws ec2 create-subnet`".into()
            }
            Self::NoAddress { .. } | Self::AddressElsewhere { .. } => {
                "name exactly the subnets of load_balancer.addresses in network.subnets".into()
            }
            Self::NoZone { zone, .. } => {
                format!("list what there is with `aws route53 list-hosted-zones`, or create {zone}")
            }
            Self::SeveralZones { .. } => "keep one of them: which one visitors ask cannot be told from here".into(),
            Self::RecordTaken { kind, .. } if kind == "CNAME" => {
                "delete the CNAME record: nothing else may stand beside one".into()
            }
            Self::RecordTaken { .. } => {
                "delete it, give dns.weight to stand beside it, or take it over with --adopt".into()
            }
            Self::NotManaged { lack, region, .. } => lack_hint(lack, region),
            Self::NoProgram { architecture: Some(architecture), .. } => format!(
                "give one with --proxy-binary PATH, or put it beside elbws as elbws-proxy-{architecture}: `cargo build \
                 --release --no-default-features --features proxy --target {architecture}-unknown-linux-musl` makes one"
            ),
            Self::NoProgram { architecture: None, .. } => {
                "choose instances of x86_64 or arm64".into()
            }
            Self::SwitchUnseen { .. } => {
                "give metrics a port, 127.0.0.1:9145 for example: the switch is checked by the proxies' own counters".into()
            }
            Self::SwitchedByApply { .. } => {
                "run `elbws apply`, which switches both in steps, with nobody turned away".into()
            }
            Self::NotBuilt { .. } => "build it with `elbws apply`, which installs the proxy, too".into(),
            Self::NotOwned { owner: Some(owner), .. } => {
                format!("choose another load_balancer.name, or destroy the stack {owner} first")
            }
        }
    }
}

fn lack_hint(lack: &Lack, region: &str) -> String {
    match lack {
        Lack::Profile => {
            "attach an instance profile whose role has the policy AmazonSSMManagedInstanceCore: `aws ec2 \
                          associate-iam-instance-profile`; its agent registers within minutes"
                .to_owned()
        }
        Lack::Registration => format!(
            "see that amazon-ssm-agent runs on it, that its role has the policy AmazonSSMManagedInstanceCore, and that it \
             reaches ssm.{region}.amazonaws.com, ssmmessages and ec2messages through the internet or VPC endpoints; one \
             just launched takes a minute or two"
        ),
        Lack::Connection(_) => format!(
            "see that amazon-ssm-agent runs on it and that it reaches ssm.{region}.amazonaws.com, ssmmessages and \
             ec2messages through the internet or VPC endpoints"
        ),
        Lack::Answer { .. } => {
            "look at the agent's log on it, /var/log/amazon/ssm/amazon-ssm-agent.log, and run it again"
                .to_owned()
        }
    }
}

fn no_program(
    architecture: Option<Architecture>,
    instances: &[String],
    found: &[(Architecture, PathBuf)],
) -> String {
    let instances = instances.join(", ");
    match architecture {
        Some(architecture) => {
            let found =
                found.iter().map(|(made_for, path)| format!("; {} is for {made_for}", path.display()));
            let found: String = found.collect();
            format!("there is no elbws-proxy for {architecture}, which {instances} needs{found}")
        }
        None => format!("elbws-proxy is not made for what {instances} is"),
    }
}

fn scheme_article(private: bool) -> &'static str {
    if private { "an internal" } else { "a public" }
}

fn owned_by(owner: Option<&str>) -> String {
    match owner {
        None => "was not made by elbws".to_owned(),
        Some(stack) => format!("belongs to the stack {stack}"),
    }
}

fn no_vpc(selector: &VpcSelector) -> String {
    match selector {
        VpcSelector::Default => "no default VPC".to_owned(),
        VpcSelector::Id(id) => format!("no VPC {id}"),
        VpcSelector::Tags(tags) => format!("no VPC with the tags {}", listed(tags)),
    }
}

fn no_subnets(selector: &SubnetSelector) -> String {
    match selector {
        SubnetSelector::All | SubnetSelector::Ids(_) => "no subnets".to_owned(),
        SubnetSelector::Tags(tags) => format!("no subnet with the tags {}", listed(tags)),
    }
}

/// Lists tags as `Key=value, …`.
pub(super) fn listed(tags: &Tags) -> String {
    let pairs: Vec<String> = tags.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}
