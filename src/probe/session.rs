//! The open WebSocket: its first frame, the silence, and the close.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::PATIENCE;
use super::addresses_in::addresses_in;
use super::outcome::{Finding, Problem};
use super::request::Socket;

/// How long to wait for a server that speaks first.
const FIRST_WORD: Duration = Duration::from_secs(1);
const PING: &[u8] = b"elbws-probe";

/// Waits for a frame: the echo of what the user gave, else the server's first, else the pong to a ping, which
/// every WebSocket server must send and no application sees. `own` is the address of this end.
pub(super) async fn first_frame(
    socket: &mut Socket,
    echo: Option<&str>,
    own: Option<IpAddr>,
) -> Result<(Finding, ()), Problem> {
    if let Some(text) = echo {
        return self::echo(socket, text).await;
    }
    if let Ok(message) = timeout(FIRST_WORD, socket.next()).await {
        let (kind, bytes) = match received(message)? {
            Message::Text(text) => {
                let addresses = addresses_in(&text);
                let names_client = own.filter(|_| !addresses.is_empty());
                let names_client = names_client.map(|own| addresses.contains(&own.to_canonical()));
                let found = Finding::Frame { kind: "text", bytes: text.len(), addresses, names_client };
                return Ok((found, ()));
            }
            Message::Binary(bytes) => ("binary", bytes.len()),
            Message::Ping(bytes) => ("ping", bytes.len()),
            Message::Close(frame) => return Err(closed(frame.as_ref())),
            Message::Pong(_) | Message::Frame(_) => ("other", 0),
        };
        return Ok((frame(kind, bytes), ()));
    }
    pong(socket).await?;
    Ok((frame("pong", PING.len()), ()))
}

/// A frame that names nobody.
fn frame(kind: &'static str, bytes: usize) -> Finding {
    Finding::Frame { kind, bytes, addresses: Vec::new(), names_client: None }
}

/// Sends a text and waits until it comes back; servers may say other things first.
async fn echo(socket: &mut Socket, text: &str) -> Result<(Finding, ()), Problem> {
    socket.send(Message::text(text)).await.map_err(|error| broken(&error))?;
    let mut others = 0;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Ok(message) = timeout_at(deadline, socket.next()).await {
        match received(message)? {
            Message::Text(answer) if answer.as_str() == text => {
                return Ok((frame("echo", text.len()), ()));
            }
            Message::Close(frame) => return Err(closed(frame.as_ref())),
            Message::Text(_) | Message::Binary(_) => others += 1,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    Err(if others > 0 { Problem::WrongEcho } else { Problem::Timeout { what: "the echo" } })
}

/// Sends a ping and waits for its pong.
async fn pong(socket: &mut Socket) -> Result<(), Problem> {
    socket.send(Message::Ping(PING.into())).await.map_err(|error| broken(&error))?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let message = timeout_at(deadline, socket.next()).await;
        match received(message.map_err(|_| Problem::Timeout { what: "the pong" })?)? {
            Message::Pong(bytes) if bytes == PING => return Ok(()),
            Message::Close(frame) => return Err(closed(frame.as_ref())),
            _ => {}
        }
    }
}

/// Sends nothing for a time but what the protocol demands, and checks that the connection lives after it.
pub(super) async fn hold(socket: &mut Socket, hold: Duration) -> Result<(Finding, ()), Problem> {
    let end = tokio::time::Instant::now() + hold;
    let mut frames = 0;
    let mut silence = Instant::now();
    while let Ok(message) = timeout_at(end, socket.next()).await {
        match message {
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| u16::from(frame.code));
                return Err(Problem::HoldEnded { seconds: silence.elapsed().as_secs_f64(), code });
            }
            Some(Ok(_)) => {
                frames += 1;
                silence = Instant::now();
            }
            Some(Err(_)) | None => {
                return Err(Problem::HoldEnded { seconds: silence.elapsed().as_secs_f64(), code: None });
            }
        }
    }
    let seconds = hold.as_secs_f64();
    // A load balancer may have forgotten the connection without a word; only its use shows it.
    pong(socket).await.map_err(|_| Problem::HoldDead { seconds })?;
    Ok((Finding::Hold { seconds, frames }, ()))
}

/// Closes, and waits for the server to close as well.
pub(super) async fn close(socket: &mut Socket) -> Result<(Finding, ()), Problem> {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    socket.close(Some(frame)).await.map_err(|error| broken(&error))?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let message = timeout_at(deadline, socket.next()).await;
        match message.map_err(|_| Problem::Timeout { what: "the answer to the close" })? {
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| u16::from(frame.code));
                return Ok((Finding::Close { code }, ()));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken(&error)),
            None => return Err(Problem::ClosedWithoutAnswer { to: "the close" }),
        }
    }
}

fn received(message: Option<Result<Message, Error>>) -> Result<Message, Problem> {
    match message {
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(broken(&error)),
        None => Err(Problem::ClosedWithoutAnswer { to: "the WebSocket" }),
    }
}

fn broken(error: &Error) -> Problem {
    Problem::Broken { error: error.to_string() }
}

fn closed(frame: Option<&CloseFrame>) -> Problem {
    let error = match frame {
        Some(frame) => format!("the server closed it with code {}", frame.code),
        None => "the server closed it".to_owned(),
    };
    Problem::Broken { error }
}
