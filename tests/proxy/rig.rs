//! What every test needs: a running proxy, scripted backends, and peers that never wait for ever.

use std::future::Future;
use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use elbws::proxy::config::Config;
use elbws::proxy::serve::{Listeners, Proxy};
use elbws::proxy::stream::Transport as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

/// The PROXY header of a visitor at 192.0.2.1 who came in over https.
pub(crate) const HTTPS: &str = "PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n";
/// The same over plain http.
pub(crate) const HTTP: &str = "PROXY TCP4 192.0.2.1 198.51.100.2 50000 80\r\n";
/// A good handshake for `/ws/`.
pub(crate) const HANDSHAKE: &str = "GET /ws/ HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// Its good answer.
pub(crate) const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Fails a test that waits for longer than anything here takes.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), work).await.expect("within 60 s")
}

/// Waits until `condition` holds; for states that nobody announces.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Starts a proxy on port 0 with one worker; `{web}` and `{ws}` in the extra YAML are not replaced.
pub(crate) fn proxy(extra: &str, routes: &[(&str, SocketAddr)]) -> Proxy {
    let routes: Vec<String> =
        routes.iter().map(|(path, at)| format!("  - {{ path: {path}, upstream: \"{at}\" }}\n")).collect();
    start(&format!("{extra}\nroutes:\n{}", routes.concat()))
}

/// Starts a proxy on port 0 with one worker.
pub(crate) fn start(yaml: &str) -> Proxy {
    let config = config(yaml);
    let listeners = Listeners::bind(&config).unwrap();
    Proxy::start(config, listeners).unwrap()
}

pub(crate) fn config(yaml: &str) -> Config {
    Config::parse(&format!("listen: \"127.0.0.1:0\"\nworkers: 1\n{yaml}")).unwrap()
}

/// A backend that accepts connections for a test to script.
pub(crate) struct Backend {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Backend {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Peer {
        within(self.accept_whenever()).await
    }

    /// The next connection, however long it takes.
    pub(crate) async fn accept_whenever(&self) -> Peer {
        Peer { stream: self.listener.accept().await.unwrap().0, input: Vec::new() }
    }
}

/// An address that nobody listens on.
pub(crate) async fn nobody() -> SocketAddr {
    Backend::new().await.address
}

/// One end of a connection, with a buffer of what was read ahead.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

impl Peer {
    /// A client of the proxy that has said nothing yet.
    pub(crate) async fn connect(proxy: &Proxy) -> Self {
        Self::to(proxy.addresses()[0]).await
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new() }
    }

    /// A client that came in over https.
    pub(crate) async fn https(proxy: &Proxy) -> Self {
        let mut client = Self::connect(proxy).await;
        client.send(HTTPS).await;
        client
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads a head, its empty line included.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
                return String::from_utf8(self.input.drain(..at + 4).collect()).unwrap();
            }
            let before = self.input.len();
            let read = within(self.stream.read_buf(&mut self.input)).await.unwrap();
            let so_far = String::from_utf8_lossy(&self.input[..before]).into_owned();
            assert!(read > 0, "the peer closed in the midst of a head: {so_far:?}");
        }
    }

    /// Reads a head; `None` once the peer has closed, however long that takes.
    pub(crate) async fn head_or_end(&mut self) -> Option<String> {
        if self.input.is_empty() && !matches!(self.stream.read_buf(&mut self.input).await, Ok(1..)) {
            return None;
        }
        Some(self.head().await)
    }

    /// Reads so many bytes.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            let read = within(self.stream.read_buf(&mut self.input)).await.unwrap();
            assert!(read > 0, "the peer closed after {:?}", String::from_utf8_lossy(&self.input));
        }
        self.input.drain(..count).collect()
    }

    /// Reads so many bytes and forgets them, however long it takes; `None` if the peer closes before.
    pub(crate) async fn skip(&mut self, count: usize) -> Option<()> {
        while self.input.len() < count {
            self.stream.read_buf(&mut self.input).await.ok().filter(|read| *read > 0)?;
        }
        self.input.drain(..count);
        Some(())
    }

    /// Reads exactly these bytes.
    pub(crate) async fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let taken = self.take(bytes.as_ref().len()).await;
        assert_eq!(String::from_utf8_lossy(&taken), String::from_utf8_lossy(bytes.as_ref()));
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        within(self.stream.read_to_end(&mut self.input)).await.unwrap();
        std::mem::take(&mut self.input)
    }

    /// Whether the peer has closed and everything was read.
    pub(crate) async fn is_over(&mut self) -> bool {
        self.input.is_empty() && !matches!(within(self.stream.read_buf(&mut self.input)).await, Ok(1..))
    }

    /// Asserts that the peer closes without another byte.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest().await), "");
    }

    /// Asserts that the connection is reset, whatever comes before.
    pub(crate) async fn expect_reset(&mut self) {
        let error = within(self.stream.read_to_end(&mut self.input)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }

    /// Both halves of the connection; what was read ahead comes out of the first one first.
    pub(crate) fn into_halves(self) -> (impl AsyncRead + Unpin, OwnedWriteHalf) {
        let (from, to) = self.stream.into_split();
        (Cursor::new(self.input).chain(from), to)
    }

    /// Closes with RST.
    pub(crate) fn reset(self) {
        self.stream.abort();
    }

    /// Sends a request and reads the whole answer: its head and its body by Content-Length.
    pub(crate) async fn ask(&mut self, request: &str) -> (String, String) {
        self.send(request).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.take(length).await;
        (head, String::from_utf8(body).unwrap())
    }
}

/// The value of a field in a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The status in an answer's head.
pub(crate) fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// A client and a backend with a tunnel between them.
pub(crate) async fn tunnel(proxy: &Proxy, backend: &Backend) -> (Peer, Peer) {
    let mut client = Peer::https(proxy).await;
    client.send(HANDSHAKE).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(ACCEPTED).await;
    assert_eq!(status(&client.head().await), "101");
    (client, server)
}
