//! Health checks in HTTP/2: of groups of that version, and of gRPC's.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use hyper::{Method, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::probe::Request;

/// A message of gRPC's that is empty: not compressed, and no bytes long.
const EMPTY: &[u8] = &[0; 5];

/// The code of the answer, if one comes.
pub(super) async fn status<S>(request: &Request, stream: S) -> Option<u16>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let response = send(request, stream, Method::GET, HeaderMap::new(), Bytes::new()).await?;
    Some(response.status().as_u16())
}

/// The code of gRPC's that the answer ends with, or begins with where that is all of it.
pub(super) async fn grpc_status<S>(request: &Request, stream: S) -> Option<u16>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
        (TE, HeaderValue::from_static("trailers")),
    ]);
    let response = send(request, stream, Method::POST, headers, Bytes::from_static(EMPTY)).await?;
    let code = |headers: &HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    if let Some(code) = code(response.headers()) {
        return Some(code);
    }
    let body = response.into_body().collect().await.ok()?;
    body.trailers().and_then(code)
}

async fn send<S>(
    request: &Request,
    stream: S,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Option<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Request { host, path, agent, .. } = request;
    let mut asked = hyper::Request::new(Full::new(body));
    *asked.method_mut() = method;
    *asked.uri_mut() = format!("http://{host}{path}").parse().ok()?;
    *asked.headers_mut() = headers;
    asked.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
    let builder = http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.ok()?;
    // Ends with the sender, once the answer is there or nobody waits for it any more.
    tokio::spawn(connection);
    sender.send_request(asked).await.ok()
}
