//! Visitors with a raw WebSocket, in process.

use std::net::SocketAddr;
use std::time::Duration;

use elbws::demo::chat::{Chat, LONGEST_MESSAGE};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A running ws-chat.
pub(crate) struct Server {
    pub(crate) web: SocketAddr,
    pub(crate) socket: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let chat = Chat::bind(any, any).await.unwrap();
        let (web, socket) = (chat.web_address().unwrap(), chat.socket_address().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(chat.serve(async {
            let _ = stopped.await;
        }));
        Self { web, socket, stop: Some(stop), task }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        within(self.task).await.unwrap().unwrap();
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), work).await.expect("within 60 s")
}

struct Visitor(WebSocketStream<TcpStream>);

impl Visitor {
    async fn enter(server: &Server, query: &str, headers: &[(&'static str, &str)]) -> Self {
        Self::try_enter(server, query, headers).await.unwrap()
    }

    async fn try_enter(
        server: &Server,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Box<Error>> {
        let stream = TcpStream::connect(server.socket).await.unwrap();
        let mut request = format!("ws://{}/ws/{query}", server.socket).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let (socket, _) = within(tokio_tungstenite::client_async(request, stream)).await?;
        Ok(Self(socket))
    }

    async fn say(&mut self, text: impl Into<String>) {
        within(self.0.send(Message::text(text.into()))).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        match within(self.0.next()).await.unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    async fn closed(&mut self) -> CloseFrame {
        loop {
            match within(self.0.next()).await.unwrap().unwrap() {
                Message::Close(frame) => return frame.unwrap(),
                Message::Text(_) => {}
                other => panic!("not a close frame: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn visitors_of_a_room_hear_each_other() {
    let server = Server::start().await;
    let mut ann = Visitor::enter(&server, "?room=tea&name=Ann", &[("x-forwarded-for", "192.0.2.7")]).await;
    let welcome = ann.hear().await;
    assert_eq!(welcome["type"], "welcome");
    assert_eq!((&welcome["room"], &welcome["name"]), (&"tea".into(), &"Ann".into()));
    assert_eq!((&welcome["address"], &welcome["history"]), (&"192.0.2.7".into(), &Value::Array(Vec::new())));

    let spoof = [("x-forwarded-for", "10.9.9.9"), ("x-forwarded-for", "10.8.8.8, 2001:db8::9")];
    let mut bob = Visitor::enter(&server, "?room=tea&name=Bob%20B", &spoof).await;
    assert_eq!(bob.hear().await["address"], "2001:db8::9");
    let join = ann.hear().await;
    assert_eq!((&join["type"], &join["name"]), (&"join".into(), &"Bob B".into()));
    assert_eq!(join["address"], "2001:db8::9");

    bob.say("hällo <b>").await;
    for visitor in [&mut ann, &mut bob] {
        let line = visitor.hear().await;
        assert_eq!((&line["type"], &line["text"]), (&"message".into(), &"hällo <b>".into()));
        assert_eq!((&line["name"], &line["address"]), (&"Bob B".into(), &"2001:db8::9".into()));
        assert!(line["at"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    bob.0.close(None).await.unwrap();
    assert!(matches!(within(bob.0.next()).await, Some(Ok(Message::Close(_)))), "a close is answered");
    assert_eq!(ann.hear().await["type"], "leave");

    let mut eve = Visitor::enter(&server, "?room=tea", &[]).await;
    let welcome = eve.hear().await;
    assert_eq!((&welcome["name"], &welcome["address"]), (&"guest".into(), &"127.0.0.1".into()));
    assert_eq!(welcome["history"][0]["text"], "hällo <b>");
    assert_eq!(welcome["history"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn seats_tell_visitors_of_one_name_apart() {
    let (server, elsewhere) = (Server::start().await, Server::start().await);
    let (mut first, mut second) =
        (Visitor::enter(&server, "", &[]).await, Visitor::enter(&elsewhere, "", &[]).await);
    let (one, other) = (first.hear().await, second.hear().await);
    assert_eq!(
        one["members"],
        serde_json::json!([{"seat": one["seat"], "name": "guest", "address": "127.0.0.1"}])
    );
    assert_ne!(one["seat"], other["seat"], "a visitor who comes to another server has another seat");
    let mut again = Visitor::enter(&server, "", &[]).await;
    let own = again.hear().await["seat"].clone();
    assert_ne!(own, one["seat"]);
    again.say("hello").await;
    for kind in ["join", "message"] {
        let line = first.hear().await;
        assert_eq!((&line["type"], &line["seat"]), (&kind.into(), &own));
    }
    drop(again);
    let line = first.hear().await;
    assert_eq!((&line["type"], &line["seat"]), (&"leave".into(), &own));
}

#[tokio::test]
async fn messages_beyond_64_kib_are_refused_with_1009() {
    let server = Server::start().await;
    let mut ann = Visitor::enter(&server, "?name=Ann", &[]).await;
    ann.hear().await;
    ann.say("x".repeat(LONGEST_MESSAGE)).await;
    assert_eq!(ann.hear().await["text"].as_str().unwrap().len(), LONGEST_MESSAGE);
    ann.say("x".repeat(LONGEST_MESSAGE + 1)).await;
    assert_eq!(u16::from(ann.closed().await.code), 1009);

    let mut bob = Visitor::enter(&server, "?name=Bob", &[]).await;
    bob.hear().await;
    // Header alone: what it announces is refused before it is sent.
    let header = [0x81, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4];
    bob.0.get_mut().write_all(&header).await.unwrap();
    assert_eq!(u16::from(bob.closed().await.code), 1009);
    server.stop().await;
}

#[tokio::test]
async fn binary_messages_are_refused_with_1003_and_blank_ones_are_nothing() {
    let server = Server::start().await;
    let mut ann = Visitor::enter(&server, "?name=Ann", &[]).await;
    ann.hear().await;
    ann.say(" \n").await;
    ann.say("a").await;
    assert_eq!(ann.hear().await["text"], "a");
    within(ann.0.send(Message::binary(vec![1]))).await.unwrap();
    assert_eq!(u16::from(ann.closed().await.code), 1003);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_closes_with_1001() {
    let server = Server::start().await;
    let mut ann = Visitor::enter(&server, "?name=Ann", &[]).await;
    ann.hear().await;
    let farewell = async { u16::from(ann.closed().await.code) };
    let (code, ()) = tokio::join!(farewell, server.stop());
    assert_eq!(code, 1001);
}

#[tokio::test]
async fn long_names_and_plain_requests_are_refused() {
    let server = Server::start().await;
    let error = Visitor::try_enter(&server, &format!("?name={}", "n".repeat(33)), &[]).await.err().unwrap();
    assert!(matches!(&*error, Error::Http(answer) if answer.status() == 400), "{error}");
    let answer = get(server.socket, "/ws/").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_whole() {
    let server = Server::start().await;
    let page = get(server.web, "/").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(page.contains("<title>ws-chat</title>"));
    let body = page.split_once("\r\n\r\n").unwrap().1;
    assert!(!body.contains("src=\"http") && !body.contains("href=\"http"), "no external assets");
    assert!(get(server.web, "/other").await.starts_with("HTTP/1.1 404"));
    server.stop().await;
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}
