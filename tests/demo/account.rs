//! A local AWS as tests furnish it and visitors find it: what its client does not do by itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use elbws::local::client::Client;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::running::PATIENCE;

pub(crate) const REGION: &str = "us-east-1";

/// An instance, with or without something on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) address: Ipv4Addr,
}

/// The text of the first element of that name.
pub(crate) fn text<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once("</").unwrap().0
}

/// Launches an instance that specs find by its tag, at an address that no other test has; `more` goes with the form.
pub(crate) async fn launch(client: &Client, offset: u16, last: u8, more: &str) -> Instance {
    let [high, low] = offset.to_be_bytes();
    let address = Ipv4Addr::new(127, 64, high ^ low, last);
    let form = format!(
        "Action=RunInstances&ImageId=ami-0123456789abcdef0&InstanceType=t3.micro&MinCount=1&MaxCount=1\
         &PrivateIpAddress={address}&TagSpecification.1.ResourceType=instance\
         &TagSpecification.1.Tag.1.Key=App&TagSpecification.1.Tag.1.Value=ws-chat{more}"
    );
    let answer = client.ec2(REGION, &form).await.unwrap();
    Instance { id: text(&answer, "instanceId").to_owned(), address }
}

/// Where a listener of a load balancer is, once it is open.
pub(crate) async fn listener(client: &Client, port: u16) -> SocketAddr {
    let found = async {
        loop {
            let balancers = client.load_balancers().await.unwrap();
            let mut listeners = balancers.iter().flat_map(|balancer| &balancer.listeners);
            if let Some(listener) = listeners.find(|listener| listener.port == port) {
                return listener.address;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the listener opens")
}

/// TLS of a visitor who trusts the account's authority.
pub(crate) async fn connector(client: &Client) -> TlsConnector {
    let pem = client.authority().await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// The headers of a call of `service`; no signature is checked.
pub(crate) fn signed(service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n"
    )
}

/// Asks the local AWS at a URL something that its client does not, and returns status and body. Each line of `headers`
/// ends with a line feed.
pub(crate) async fn ask(endpoint: &str, request: &str, headers: &str, body: &str) -> (u16, String) {
    let address = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
