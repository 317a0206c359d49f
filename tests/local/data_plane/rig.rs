//! A local AWS whose load balancer has instances of the test's own behind it.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use elbws::local::Config;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{EC2, ELB, Response, Server, signed};

const DEADLINE: Duration = Duration::from_mins(1);
const REGION: &str = "us-east-1";
pub(super) const OFFSET: u16 = 8000;

/// The server, and a load balancer `chat` in it once it was created.
pub(super) struct Rig {
    pub(super) server: Server,
}

/// An instance, and the listener that serves as its application.
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) listener: TcpListener,
}

impl Instance {
    /// The port as the API knows it.
    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port() - OFFSET
    }

    /// The next connection of the load balancer.
    pub(super) async fn accept(&self) -> TcpStream {
        within(self.listener.accept()).await.unwrap().0
    }

    /// The same, however long it takes.
    pub(super) async fn accept_forever(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }
}

pub(super) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("within the deadline")
}

/// Asks again until there is an answer.
pub(super) async fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE, "within the deadline");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A port that nobody has at the moment, and that no connection is given by chance: it lies below those.
pub(super) fn free_port(address: IpAddr) -> u16 {
    let random = RandomState::new().build_hasher().finish();
    let mut ports =
        (0..10_000_u64).map(|step| u16::try_from(20_000 + random.wrapping_add(step) % 10_000).unwrap());
    ports.find(|port| std::net::TcpListener::bind((address, *port)).is_ok()).expect("a free port")
}

/// What a stream brings up to the end of a line.
pub(super) async fn line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

/// A question and its answer, each until its side ends, with nothing around them: no PROXY header either.
pub(super) async fn exchange(mut client: TcpStream, mut served: TcpStream) {
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = String::new();
    within(served.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "question", "and no PROXY header");
    served.write_all(b"answer").await.unwrap();
    drop(served);
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "answer");
}

impl Rig {
    /// A server on which everything that runs counts as healthy.
    pub(super) fn start() -> Self {
        Self::with(Config { assume_healthy: true, ..Config::default() })
    }

    pub(super) fn with(config: Config) -> Self {
        let server = Server::start(Config { port_offset: OFFSET, ..config });
        Self { server }
    }

    pub(super) fn elb(&self, form: &str) -> Response {
        let response = self.server.query(REGION, ELB, form);
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response
    }

    pub(super) fn ec2(&self, form: &str) -> Response {
        let response = self.server.query(REGION, EC2, form);
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response
    }

    pub(super) fn acm(&self, operation: &str, body: &str) -> Response {
        let authorization = signed(REGION, "acm");
        let target = format!("CertificateManager.{operation}");
        let headers = [("authorization", authorization.as_str()), ("x-amz-target", target.as_str())];
        let response = self.server.send("POST", "/", &headers, body).unwrap();
        assert_eq!(response.status, 200, "{operation}: {}", response.body);
        response
    }

    /// Launches an instance at an address that no other test has, on which a listener waits.
    pub(super) async fn launch(&self) -> Instance {
        self.launch_at(0).await
    }

    /// The same, on a port as the API knows it.
    pub(super) async fn launch_on(&self, port: u16) -> Instance {
        self.launch_at(port + OFFSET).await
    }

    /// Launches an instance in a subnet.
    pub(super) async fn launch_in(&self, subnet: &str) -> Instance {
        self.launch_with(0, &format!("&SubnetId={subnet}")).await
    }

    /// The same, on a port as the API knows it.
    pub(super) async fn launch_in_on(&self, subnet: &str, port: u16) -> Instance {
        self.launch_with(port + OFFSET, &format!("&SubnetId={subnet}")).await
    }

    async fn launch_at(&self, port: u16) -> Instance {
        self.launch_with(port, "").await
    }

    async fn launch_with(&self, port: u16, settings: &str) -> Instance {
        let random = RandomState::new().build_hasher().finish().to_be_bytes();
        let address = Ipv4Addr::new(127, 64, random[0], random[1].clamp(1, 254));
        let launched = self.ec2(&format!(
            "Action=RunInstances&ImageId=ami-12345678&MinCount=1&MaxCount=1&PrivateIpAddress={address}{settings}"
        ));
        let listener = TcpListener::bind((address, port)).await.unwrap();
        Instance { id: launched.text("instanceId").to_owned(), listener }
    }

    /// Requests a certificate, whose ARN is the answer.
    pub(super) fn certificate(&self, domain: &str) -> String {
        let request = format!(r#"{{"DomainName":"{domain}","KeyAlgorithm":"EC_prime256v1"}}"#);
        self.acm("RequestCertificate", &request).json()["CertificateArn"].as_str().unwrap().to_owned()
    }

    /// The certificate of the authority that signed a certificate.
    pub(super) fn authority(&self, arn: &str) -> CertificateDer<'static> {
        let body = serde_json::json!({ "CertificateArn": arn }).to_string();
        let chain = self.acm("GetCertificate", &body).json()["CertificateChain"].clone();
        CertificateDer::from_pem_slice(chain.as_str().unwrap().as_bytes()).unwrap()
    }

    /// Creates the load balancer with a listener, in every zone, and registers the instances.
    pub(super) async fn create(&self, listener: &str, port: u16, instances: &[&Instance]) -> SocketAddr {
        let mut zones = String::new();
        for (index, zone) in ["a", "b", "c", "d", "e", "f"].iter().enumerate() {
            write!(zones, "&AvailabilityZones.member.{}={REGION}{zone}", index + 1).unwrap();
        }
        self.elb(&format!(
            "Action=CreateLoadBalancer&LoadBalancerName=chat{zones}{}",
            members(listener, port, instances[0].port())
        ));
        for instance in instances {
            self.register(instance);
        }
        self.admit_clients();
        self.address(port).await
    }

    pub(super) fn register(&self, instance: &Instance) {
        self.elb(&format!(
            "Action=RegisterInstancesWithLoadBalancer&LoadBalancerName=chat&Instances.member.1.InstanceId={}",
            instance.id
        ));
    }

    pub(super) fn deregister(&self, instance: &Instance) {
        self.elb(&format!(
            "Action=DeregisterInstancesFromLoadBalancer&LoadBalancerName=chat&Instances.member.1.InstanceId={}",
            instance.id
        ));
    }

    pub(super) fn group(&self) -> String {
        let form = "Action=DescribeSecurityGroups&GroupName.1=default";
        self.ec2(form).text("groupId").to_owned()
    }

    /// The default group, which the load balancer and the instances are in, admits the internet.
    pub(super) fn admit_clients(&self) {
        self.ec2(&format!(
            "Action=AuthorizeSecurityGroupIngress&GroupId={}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=65535&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
            self.group()
        ));
    }

    pub(super) fn create_listener(&self, listener: &str, port: u16, instance_port: u16) {
        self.elb(&format!(
            "Action=CreateLoadBalancerListeners&LoadBalancerName=chat{}",
            members(listener, port, instance_port)
        ));
    }

    pub(super) fn delete_listener(&self, port: u16) {
        self.elb(&format!(
            "Action=DeleteLoadBalancerListeners&LoadBalancerName=chat&LoadBalancerPorts.member.1={port}"
        ));
    }

    /// All addresses on which a listener is open; the load balancer's own first.
    pub(super) fn addresses(&self, port: u16) -> Vec<SocketAddr> {
        let balancers = self.server.admin("GET", "/_elbws/load-balancers", "").json();
        let listeners =
            balancers.as_array().unwrap().iter().flat_map(|one| one["listeners"].as_array().unwrap());
        let of_port = listeners.filter(|listener| listener["port"] == port);
        of_port
            .flat_map(|listener| listener["addresses"].as_array().unwrap())
            .map(|address| address.as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// Where a listener is open, as soon as it is.
    pub(super) async fn address(&self, port: u16) -> SocketAddr {
        eventually(|| self.addresses(port).first().copied()).await
    }

    /// Puts PROXY protocol on an instance port.
    pub(super) fn enable_proxy_protocol(&self, instance_port: u16) {
        self.elb(
            "Action=CreateLoadBalancerPolicy&LoadBalancerName=chat&PolicyName=proxy\
             &PolicyTypeName=ProxyProtocolPolicyType&PolicyAttributes.member.1.AttributeName=ProxyProtocol\
             &PolicyAttributes.member.1.AttributeValue=true",
        );
        self.set_backend_policies(instance_port, "&PolicyNames.member.1=proxy");
    }

    pub(super) fn set_backend_policies(&self, instance_port: u16, names: &str) {
        self.elb(&format!(
            "Action=SetLoadBalancerPoliciesForBackendServer&LoadBalancerName=chat&InstancePort={instance_port}{names}"
        ));
    }

    pub(super) fn attributes(&self, attributes: &str) {
        self.elb(&format!("Action=ModifyLoadBalancerAttributes&LoadBalancerName=chat{attributes}"));
    }
}

/// `TCP/TCP`, `SSL/TCP/ARN` and the like as the members of a request.
fn members(listener: &str, port: u16, instance_port: u16) -> String {
    let mut parts = listener.splitn(3, '/');
    let (protocol, instance_protocol) = (parts.next().unwrap(), parts.next().unwrap());
    let certificate = parts.next().map(|arn| format!("&Listeners.member.1.SSLCertificateId={arn}"));
    format!(
        "&Listeners.member.1.Protocol={protocol}&Listeners.member.1.InstanceProtocol={instance_protocol}\
         &Listeners.member.1.LoadBalancerPort={port}&Listeners.member.1.InstancePort={instance_port}{}",
        certificate.unwrap_or_default()
    )
}

/// Shakes hands as a client that trusts one authority and wants that name.
pub(super) async fn tls(
    authority: CertificateDer<'static>,
    name: &str,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    tls_with(authority, name, &[], stream).await
}

/// The same, offering application protocols.
pub(super) async fn tls_with(
    authority: CertificateDer<'static>,
    name: &str,
    alpn: &[&str],
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}
