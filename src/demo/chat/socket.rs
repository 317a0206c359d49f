//! One visitor's WebSocket, from the upgrade to the close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::room::Seat;
use super::visitor::{Visitor, Wish};
use super::{LONGEST_MESSAGE, Shared, wait_stop};

/// What is read of a message before the connection is cut. It is above [`LONGEST_MESSAGE`] so that a message
/// that is a little too long is read to its end: who closes on unread bytes resets the connection, and the
/// close frame with it is lost.
const READ_LIMIT: usize = 1 << 20;
/// How long a visitor may take to accept a frame, and to answer a close.
const PATIENCE: Duration = Duration::from_secs(10);

/// Upgrades a visitor's request and seats them.
pub(super) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let visitor = match Visitor::new(wish, &headers, peer) {
        Ok(visitor) => visitor,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let stop = shared.stop.clone();
    upgrade.max_message_size(READ_LIMIT).max_frame_size(READ_LIMIT).on_upgrade(move |socket| async move {
        match shared.rooms.enter(visitor) {
            Ok(seat) => talk(socket, seat, stop).await,
            Err(error) => close(socket, close_code::AGAIN, &error.to_string()).await,
        }
    })
}

/// Why a conversation ends.
enum End {
    /// The visitor is gone.
    Gone,
    /// The visitor closes.
    Closed,
    /// We close, with this code and reason.
    Close(u16, &'static str),
}

async fn talk(mut socket: WebSocket, mut seat: Seat, mut stop: watch::Receiver<bool>) {
    let end = converse(&mut socket, &mut seat, &mut stop).await;
    // The others need not wait for the close to be answered.
    drop(seat);
    match end {
        End::Gone => {}
        // The answer leaves with the next read; a visitor who does not take it in time is cut off.
        End::Closed => drop(tokio::time::timeout(PATIENCE, finish(&mut socket)).await),
        End::Close(code, reason) => close(socket, code, reason).await,
    }
}

async fn converse(socket: &mut WebSocket, seat: &mut Seat, stop: &mut watch::Receiver<bool>) -> End {
    if !send(socket, seat.welcome.clone()).await {
        return End::Gone;
    }
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) if text.len() > LONGEST_MESSAGE => return too_long(),
                Some(Ok(Message::Binary(bytes))) if bytes.len() > LONGEST_MESSAGE => return too_long(),
                Some(Ok(Message::Text(text))) if text.trim().is_empty() => {}
                Some(Ok(Message::Text(text))) => seat.say(text.as_str().to_owned()),
                Some(Ok(Message::Binary(_))) => return End::Close(close_code::UNSUPPORTED, "text only"),
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) => return End::Closed,
                None => return End::Gone,
                Some(Err(error)) => return broken(error),
            },
            line = seat.lines.recv() => match line {
                Ok(line) => if !send(socket, line).await {
                    return End::Gone;
                },
                Err(RecvError::Lagged(_)) => return End::Close(close_code::AGAIN, "too slow"),
                Err(RecvError::Closed) => return End::Close(close_code::RESTART, "the room is gone"),
            },
            () = wait_stop(stop) => return End::Close(close_code::AWAY, "the server stops"),
        }
    }
}

fn too_long() -> End {
    End::Close(close_code::SIZE, "a message may have 64 KiB")
}

/// What to answer a frame that the library refuses.
fn broken(error: axum::Error) -> End {
    let error = error.into_inner();
    match error.downcast_ref::<tokio_tungstenite::tungstenite::Error>() {
        Some(tokio_tungstenite::tungstenite::Error::Capacity(_)) => too_long(),
        Some(tokio_tungstenite::tungstenite::Error::Utf8(_)) => {
            End::Close(close_code::INVALID, "text must be UTF-8")
        }
        Some(tokio_tungstenite::tungstenite::Error::Protocol(_)) => {
            End::Close(close_code::PROTOCOL, "protocol error")
        }
        _ => End::Gone,
    }
}

/// Sends a frame; false where the visitor does not take it.
async fn send(socket: &mut WebSocket, text: Utf8Bytes) -> bool {
    matches!(tokio::time::timeout(PATIENCE, socket.send(Message::Text(text))).await, Ok(Ok(())))
}

/// Reads to the end of the connection.
async fn finish(socket: &mut WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}

/// Closes, and waits until the visitor has closed as well.
async fn close(mut socket: WebSocket, code: u16, reason: &str) {
    let frame = CloseFrame { code, reason: reason.into() };
    let farewell = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            finish(&mut socket).await;
        }
    };
    // A visitor who does not answer in time is cut off.
    let _ = tokio::time::timeout(PATIENCE, farewell).await;
}
