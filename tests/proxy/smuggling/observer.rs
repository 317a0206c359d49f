//! A backend with a parser of its own, as literal as can be: it answers each request with what it saw.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(super) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(BufReader::new(stream)));
        }
    });
    address
}

/// Serves until the connection ends; a malformed request makes it answer 599, which no case expects.
async fn serve(mut stream: BufReader<TcpStream>) {
    while let Some(answer) = one(&mut stream).await {
        let (status, text) = answer.map_or((599, "malformed".to_owned()), |text| (200, text));
        let bytes = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        if stream.write_all(bytes.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Method, target and body length of one request; `None` at the end, `Some(None)` if it is malformed.
async fn one(stream: &mut BufReader<TcpStream>) -> Option<Option<String>> {
    let line = line(stream).await?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Some(None) };
    let (mut length, mut chunked, mut hosts) = (None, false, 0);
    loop {
        let field = self::line(stream).await?;
        if field.is_empty() {
            break;
        }
        let Some((name, value)) = field.split_once(": ") else { return Some(None) };
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "content-length" if length.is_none() => length = Some(value.parse::<usize>().ok()?),
            "transfer-encoding" if value == "chunked" && !chunked => chunked = true,
            "content-length" | "transfer-encoding" | "content_length" | "transfer_encoding" => {
                return Some(None);
            }
            _ => {}
        }
    }
    if hosts != 1 || (chunked && length.is_some()) {
        return Some(None);
    }
    let seen = if chunked { chunks(stream).await? } else { Some(skip(stream, length.unwrap_or(0)).await?) };
    Some(seen.map(|seen| format!("{method} {target} {seen}")))
}

async fn chunks(stream: &mut BufReader<TcpStream>) -> Option<Option<usize>> {
    let mut total = 0;
    loop {
        let Ok(size) = usize::from_str_radix(&line(stream).await?, 16) else { return Some(None) };
        if size == 0 {
            loop {
                let trailer = line(stream).await?.to_ascii_lowercase();
                match trailer.as_str() {
                    "" => return Some(Some(total)),
                    _ if trailer.starts_with("host") || trailer.contains("length") => return Some(None),
                    _ => {}
                }
            }
        }
        total += skip(stream, size).await?;
        if !line(stream).await?.is_empty() {
            return Some(None);
        }
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut bytes = Vec::new();
    stream.read_until(b'\n', &mut bytes).await.ok().filter(|count| *count > 0)?;
    let text = bytes.strip_suffix(b"\r\n")?;
    Some(text.iter().map(|byte| char::from(*byte)).collect())
}

async fn skip(stream: &mut BufReader<TcpStream>, count: usize) -> Option<usize> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.ok()
}
