//! What runs on an instance beside the proxy: a web server that answers the instance's name, and a WebSocket server that
//! sends back what comes.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::accept_async;

/// Runs until it is dropped.
pub(crate) struct Application([JoinHandle<()>; 2]);

impl Drop for Application {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Application {
    /// Opens the web server and the WebSocket server.
    pub(crate) async fn start(name: &str, web: SocketAddr, socket: SocketAddr) -> Self {
        let (web, socket) = (TcpListener::bind(web).await.unwrap(), TcpListener::bind(socket).await.unwrap());
        let name = name.to_owned();
        Self([
            tokio::spawn(serve(web, move |stream| answer(stream, name.clone()))),
            tokio::spawn(serve(socket, echo)),
        ])
    }
}

async fn serve<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    visit: impl Fn(TcpStream) -> F,
) {
    // All of them end with this.
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                visits.spawn(visit(stream));
            }
            Some(_) = visits.join_next() => {}
        }
    }
}

/// Answers requests until the client leaves.
async fn answer(mut stream: TcpStream, name: String) {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        head.extend_from_slice(&piece[..count]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn echo(stream: TcpStream) {
    let Ok(mut socket) = accept_async(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        let is_said = message.is_text() || message.is_binary();
        if is_said && socket.send(message).await.is_err() {
            return;
        }
    }
}
