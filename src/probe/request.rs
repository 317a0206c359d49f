//! The HTTP requests: one that must be redirected, and the one that must become a WebSocket.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::http::HeaderMap;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::PATIENCE;
use super::outcome::{Finding, Problem};
use super::target::Target;

const AGENT: &str = concat!("elbws-probe/", env!("CARGO_PKG_VERSION"));

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A connection.
pub(super) enum Link {
    /// As it is.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Asks for the target by plain http, and checks that it leads to https.
pub(super) async fn redirect(
    stream: TcpStream,
    target: &Target,
    port: u16,
) -> Result<(Finding, ()), Problem> {
    let request = Request::get(&target.path)
        .header(header::HOST, target.authority(port, 80))
        .header(header::USER_AGENT, AGENT);
    let request =
        request.body(Empty::new()).map_err(|error| Problem::NotHttp { error: error.to_string() })?;
    let answer = exchange(Link::Plain(stream), request, "plain http").await?;
    let status = answer.response.status().as_u16();
    let location = answer.response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else {
        return Err(Problem::NoRedirect { status });
    };
    let to: Option<Uri> = location.parse().ok();
    let fits = to.is_some_and(|to| {
        to.scheme_str() == Some("https")
            && to.host().is_some_and(|host| host.trim_matches(['[', ']']).eq_ignore_ascii_case(&target.host))
    });
    if fits {
        Ok((Finding::Redirect { status, location: location.to_owned() }, ()))
    } else {
        Err(Problem::WrongRedirect { location: location.to_owned() })
    }
}

/// Asks for a WebSocket, and checks the answer as RFC 6455, section 4.1 demands.
pub(super) async fn upgrade(link: Link, target: &Target) -> Result<(Finding, Socket), Problem> {
    let key = generate_key();
    let request = Request::get(&target.path)
        .header(header::HOST, target.own_authority())
        .header(header::USER_AGENT, AGENT)
        .header(header::ORIGIN, target.origin())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .header(header::SEC_WEBSOCKET_VERSION, "13");
    let request =
        request.body(Empty::new()).map_err(|error| Problem::NotHttp { error: error.to_string() })?;
    let answer = exchange(link, request, "the upgrade").await?;
    let status = answer.response.status().as_u16();
    let headers = answer.response.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if status != 101 {
        return Err(Problem::NotUpgraded { status, reason: text("x-elbws-reason") });
    }
    check(headers, &key)?;
    let finding = Finding::Upgrade { status, server: text("server") };
    let upgraded = hyper::upgrade::on(answer.response).await;
    let upgraded = upgraded.map_err(|error| Problem::Broken { error: error.to_string() })?;
    Ok((finding, WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await))
}

fn check(headers: &HeaderMap, key: &str) -> Result<(), Problem> {
    let has = |name: header::HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if !has(header::UPGRADE, "websocket") {
        return Err(Problem::WrongUpgrade { header: "Upgrade" });
    }
    if !has(header::CONNECTION, "upgrade") {
        return Err(Problem::WrongUpgrade { header: "Connection" });
    }
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().trim_ascii());
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(Problem::WrongUpgrade { header: "Sec-WebSocket-Accept" });
    }
    Ok(())
}

/// An answer, and the task that drives its connection.
struct Answer {
    response: Response<Incoming>,
    _connection: Driver,
}

/// Ends the connection when nobody needs it any more; an upgrade has taken it over by then.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange(link: Link, request: Request<Empty<Bytes>>, what: &'static str) -> Result<Answer, Problem> {
    let broken = |error: hyper::Error| problem(&error, what);
    let (mut sender, connection) = http1::handshake(TokioIo::new(link)).await.map_err(broken)?;
    let connection = Driver(tokio::spawn(async move {
        // What breaks it, the request is told.
        let _ = connection.with_upgrades().await;
    }));
    let answer = timeout(PATIENCE, sender.send_request(request)).await;
    let response = answer.map_err(|_| Problem::Timeout { what })?.map_err(broken)?;
    Ok(Answer { response, _connection: connection })
}

fn problem(error: &hyper::Error, what: &'static str) -> Problem {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() || io.is_some() {
        return Problem::ClosedWithoutAnswer { to: what };
    }
    Problem::NotHttp { error: error.to_string() }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
