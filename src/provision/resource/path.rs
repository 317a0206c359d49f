//! What lies on the way from a load balancer to its instances: observed only, for a diagnosis.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// A subnet as far as load balancers care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetRoom {
    /// `subnet-…`.
    pub id: String,
    /// Its availability zone's name.
    pub zone: String,
    /// Its IPv4 block.
    pub block: String,
    /// How many of its addresses are free.
    pub free: u32,
}

/// An instance as far as it is no matter of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// `i-…`.
    pub id: String,
    /// The subnet of its first interface.
    pub subnet: Option<String>,
    /// Its private address.
    pub address: Option<IpAddr>,
    /// `t3.micro`.
    pub size: String,
    /// Its metadata service; none where EC2 does not say.
    pub metadata: Option<Metadata>,
    /// The ARN of its instance profile.
    pub profile: Option<String>,
    /// Its network interfaces.
    pub interfaces: Vec<Interface>,
}

/// An instance's metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Whether it answers at all.
    pub endpoint: Switch,
    /// Whether it asks for a token, which is version 2 of it.
    pub tokens: Switch,
    /// How many hops its answers travel.
    pub hops: u32,
}

/// Whether something is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `eni-…`.
    pub id: String,
    /// Seconds after which a silent TCP connection is no longer tracked; none where the default holds.
    pub established_timeout: Option<u32>,
}

/// A network ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkAcl {
    /// `acl-…`.
    pub id: String,
    /// The subnets that it guards.
    pub subnets: BTreeSet<String>,
    /// Its entries by ascending number.
    pub entries: Vec<AclEntry>,
}

/// An entry of a network ACL: the first that fits decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEntry {
    /// Its number, 32767 for the last, which denies.
    pub number: u32,
    /// Which way the traffic goes.
    pub way: Way,
    /// What becomes of it.
    pub verdict: Verdict,
    /// A protocol's number, `6` for TCP, or `-1` for all.
    pub protocol: String,
    /// The block of the other end.
    pub block: String,
    /// The first and the last port of the destination; none for all.
    pub ports: Option<(u16, u16)>,
}

/// Which way traffic goes, seen from a subnet or an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In.
    In,
    /// Out.
    Out,
}

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It lets through.
    Allow,
    /// It drops.
    Deny,
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// `rtb-…`.
    pub id: String,
    /// Whether it is the VPC's main one, which holds for subnets without one of their own.
    pub main: Switch,
    /// The subnets that it is for.
    pub subnets: BTreeSet<String>,
    /// The internet gateway that 0.0.0.0/0 goes to, while it is there.
    pub internet_gateway: Option<String>,
}

/// What ACM says of a certificate beside its names and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateDetail {
    /// The certificate, without fingerprint and tags.
    pub certificate: super::Certificate,
    /// `ISSUED`, `PENDING_VALIDATION`, `EXPIRED`, `REVOKED` …; IAM's are `ISSUED`.
    pub status: String,
    /// Who sees to it that there is a next one.
    pub renewal: Renewal,
}

/// Who renews a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// Whoever imported it.
    Imported,
    /// ACM, as long as it can; `PENDING_VALIDATION` and its likes while it is at it.
    Managed(Option<String>),
    /// Nobody: ACM issued it, and does not find it eligible.
    Ineligible,
}
