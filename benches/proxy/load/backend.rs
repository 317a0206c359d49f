//! The backend: 1 KiB for a request; after a handshake each message is sent back once all of it is here.

use std::io::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::clients::{BODY, frame_length, header};

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Prints its port and serves until standard input ends.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(8192)?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let mut input = tokio::io::stdin();
    tokio::select! {
        () = accept(listener) => {}
        _ = input.read_u8() => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A connection that ends is no news.
                let _ = answer(stream).await;
            });
        }
    }
}

async fn answer(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let plain =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n").as_bytes(), &[b'x'; BODY]].concat();
    let mut input = Vec::with_capacity(4096);
    loop {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&input, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        // Envoy writes names in lower case.
        let upgrade = memchr::memmem::find(&input.to_ascii_lowercase(), b"sec-websocket-key").is_some();
        input.drain(..end);
        if upgrade {
            stream.write_all(ACCEPTED).await?;
            return echo(stream, input).await;
        }
        stream.write_all(&plain).await?;
    }
}

/// Sends each message back, without its mask; what is in it is nobody's concern.
async fn echo(mut stream: TcpStream, mut input: Vec<u8>) -> anyhow::Result<()> {
    let mut output = Vec::new();
    loop {
        while let Some((head, payload)) =
            frame_length(&input).filter(|(head, payload)| input.len() >= head + payload)
        {
            header(&mut output, payload, false);
            output.extend_from_slice(input.get(head..head + payload).unwrap_or_default());
            input.drain(..head + payload);
        }
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
        if input.is_empty() && input.capacity() > 128 * 1024 {
            (input, output) = (Vec::with_capacity(128 * 1024), Vec::new());
        }
        input.reserve(64 * 1024);
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}
