//! A client of a running local AWS: its admin calls, and the few calls of its services that need no SDK.
//!
//! It knows the server's address alone and shares no type with it: what it is told it takes from the answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// Where `elbws local` serves unless it is told otherwise.
pub const USUAL_ENDPOINT: &str = "http://127.0.0.1:4566";
/// Calls are answered at once; whoever does not is no local AWS.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running local AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    authority: String,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The URL leads to no local AWS.
    #[error("{url:?} is not the URL of a local AWS")]
    Url {
        /// The URL.
        url: String,
    },
    /// It did not answer.
    #[error("no local AWS answers on {authority}")]
    Io {
        /// Where.
        authority: String,
        /// Why.
        source: std::io::Error,
    },
    /// It did not answer in HTTP.
    #[error("the local AWS does not answer in HTTP")]
    Http(#[from] hyper::Error),
    /// The request cannot be built.
    #[error("the request to the local AWS is malformed")]
    Request(#[from] hyper::http::Error),
    /// It refused.
    #[error("the local AWS refuses {call}: {answer}")]
    Refused {
        /// The call.
        call: String,
        /// What it answered.
        answer: String,
    },
    /// It answered something else than was asked for.
    #[error("what answers {call} is no local AWS of this version")]
    Answer {
        /// The call.
        call: String,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
}

/// An instance of the local AWS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its region.
    pub region: String,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// `running` and the like.
    pub state: String,
    /// Its private address.
    pub address: Ipv4Addr,
    /// What is added to its ports to get those on this machine.
    pub port_offset: u16,
    /// The load balancers that it is registered with.
    pub load_balancers: Vec<String>,
    /// The ports at which those look for it.
    pub ports: Vec<InstancePort>,
}

/// A port of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct InstancePort {
    /// As the API knows it.
    pub port: u16,
    /// Where it is on this machine.
    pub address: SocketAddr,
}

/// A load balancer of the local AWS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoadBalancer {
    /// The name that it answers at.
    pub dns_name: String,
    /// Its open listeners.
    pub listeners: Vec<OpenListener>,
}

/// A listener that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct OpenListener {
    /// Its port as the API knows it.
    pub port: u16,
    /// Where it is on this machine.
    pub address: SocketAddr,
}

#[derive(Deserialize)]
struct Authority {
    certificate: String,
}

impl Client {
    /// A client of the local AWS at a URL such as `http://127.0.0.1:4566`; connects to nothing yet.
    pub fn new(url: &str) -> Result<Self, CallError> {
        let refuse = || CallError::Url { url: url.to_owned() };
        let uri: hyper::Uri = url.parse().map_err(|_| refuse())?;
        let host = uri.host().ok_or_else(refuse)?;
        let on_this_machine = host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if uri.scheme_str() != Some("http") || !on_this_machine {
            return Err(refuse());
        }
        Ok(Self { authority: format!("{host}:{}", uri.port_u16().unwrap_or(80)) })
    }

    /// Every instance of every region.
    pub async fn instances(&self) -> Result<Vec<Instance>, CallError> {
        self.get("instances").await
    }

    /// Every load balancer of every region.
    pub async fn load_balancers(&self) -> Result<Vec<LoadBalancer>, CallError> {
        self.get("load-balancers").await
    }

    /// The certificate, PEM, of the authority that signs what ACM issues.
    pub async fn authority(&self) -> Result<String, CallError> {
        self.get("authority").await.map(|authority: Authority| authority.certificate)
    }

    /// Sets the time between two health checks, whatever is configured; 0 goes back to what is.
    pub async fn set_health_check_interval(&self, milliseconds: u32) -> Result<(), CallError> {
        let body = format!("{{\"health_check_interval_ms\":{milliseconds}}}");
        self.call(Request::post("/_elbws/settings"), body, "settings").await.map(drop)
    }

    /// Calls an operation of EC2 by its form, and returns the answer's XML.
    pub async fn ec2(&self, region: &str, form: &str) -> Result<String, CallError> {
        let request = Request::post("/")
            .header(header::AUTHORIZATION, scope(region, "ec2"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.call(request, format!("{form}&Version=2016-11-15"), "EC2").await
    }

    /// Makes a bucket of S3.
    pub async fn create_bucket(&self, region: &str, name: &str) -> Result<(), CallError> {
        let request = Request::put(format!("/{name}")).header(header::AUTHORIZATION, scope(region, "s3"));
        self.call(request, String::new(), "CreateBucket").await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, CallError> {
        let request = Request::builder().method(Method::GET).uri(format!("/_elbws/{name}"));
        let answer = self.call(request, String::new(), name).await?;
        serde_json::from_str(&answer).map_err(|source| CallError::Answer { call: name.to_owned(), source })
    }

    async fn call(
        &self,
        request: hyper::http::request::Builder,
        body: String,
        name: &str,
    ) -> Result<String, CallError> {
        let io = |source| CallError::Io { authority: self.authority.clone(), source };
        let exchange = tokio::time::timeout(PATIENCE, self.exchange(request, body));
        let answer = exchange.await.map_err(|_| io(std::io::ErrorKind::TimedOut.into()))?;
        let (succeeded, answer) = answer?;
        if succeeded { Ok(answer) } else { Err(CallError::Refused { call: name.to_owned(), answer }) }
    }

    async fn exchange(
        &self,
        request: hyper::http::request::Builder,
        body: String,
    ) -> Result<(bool, String), CallError> {
        let request = request.header(header::HOST, &self.authority).body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect(&self.authority).await;
        let stream = stream.map_err(|source| CallError::Io { authority: self.authority.clone(), source })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async move {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status.is_success(), String::from_utf8_lossy(&body).into_owned()))
        };
        // The connection ends when its sender is dropped.
        let (answer, connection) = tokio::join!(exchange, connection);
        let answer = answer?;
        connection?;
        Ok(answer)
    }
}

/// A credential scope, which the service and the region are read from; no signature is checked.
fn scope(region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=local/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_this_machine_are_taken() {
        for url in ["http://127.0.0.1:4566", "http://localhost:1/", "http://[::1]:4566"] {
            assert!(Client::new(url).is_ok(), "{url}");
        }
        for url in
            ["https://127.0.0.1:4566", "http://10.0.0.1:4566", "127.0.0.1:4566", "http://aws.amazon.com", ""]
        {
            assert!(matches!(Client::new(url), Err(CallError::Url { .. })), "{url}");
        }
    }
}
