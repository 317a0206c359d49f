//! The few calls to the local AWS that no stack makes: to launch the instance, and to hurry its health checks.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A credential scope, which the local AWS reads the service and the region from; it checks no signature.
const EC2: &str = "AWS4-HMAC-SHA256 Credential=demo/20260101/us-east-1/ec2/aws4_request, \
    SignedHeaders=host, Signature=0";

/// A call to the local AWS failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It did not answer.
    #[error("the local AWS does not answer")]
    Io(#[from] std::io::Error),
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
        call: &'static str,
        /// What it answered.
        answer: String,
    },
}

/// A launched instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) address: Ipv4Addr,
}

/// Launches an instance that the spec's `instances: { tags: { App: ws-chat } }` finds.
pub(super) async fn run_instance(server: SocketAddr) -> Result<Instance, CallError> {
    let form = "Action=RunInstances&Version=2016-11-15&ImageId=ami-0123456789abcdef0&InstanceType=t3.micro\
        &MinCount=1&MaxCount=1&TagSpecification.1.ResourceType=instance\
        &TagSpecification.1.Tag.1.Key=App&TagSpecification.1.Tag.1.Value=ws-chat\
        &TagSpecification.1.Tag.2.Key=Name&TagSpecification.1.Tag.2.Value=ws-chat";
    let request = Request::post("/")
        .header(header::AUTHORIZATION, EC2)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = call(server, request, form, "RunInstances").await?;
    let instance = element(&answer, "instanceId")
        .zip(element(&answer, "privateIpAddress").and_then(|address| address.parse().ok()))
        .map(|(id, address)| Instance { id: id.to_owned(), address });
    instance.ok_or(CallError::Refused { call: "RunInstances", answer })
}

/// Sets the time between two health checks, whatever is configured; 0 goes back to what is.
pub(super) async fn set_health_check_interval(
    server: SocketAddr,
    milliseconds: u32,
) -> Result<(), CallError> {
    let body = format!("{{\"health_check_interval_ms\":{milliseconds}}}");
    call(server, Request::post("/_elbws/settings"), &body, "settings").await.map(drop)
}

async fn call(
    server: SocketAddr,
    request: hyper::http::request::Builder,
    body: &str,
    name: &'static str,
) -> Result<String, CallError> {
    let request =
        request.header(header::HOST, server.to_string()).body(Full::new(Bytes::from(body.to_owned())))?;
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>((status, String::from_utf8_lossy(&body).into_owned()))
    };
    // The connection ends when its sender is dropped.
    let (answer, connection) = tokio::join!(exchange, connection);
    let (status, answer) = answer?;
    connection?;
    if status.is_success() { Ok(answer) } else { Err(CallError::Refused { call: name, answer }) }
}

/// The text of the first element of a name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}
