//! A local AWS of the test's own, and a plain HTTP client for it that knows no AWS types.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use elbws::local::{Config, bind};
use tokio::sync::oneshot;

/// A server in a thread of its own, ended when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Response {
    /// The text of the first element of that name.
    pub(crate) fn text(&self, name: &str) -> &str {
        let open = format!("<{name}>");
        let start =
            self.body.find(&open).unwrap_or_else(|| panic!("no {name} in {}", self.body)) + open.len();
        let end = self.body[start..].find('<').unwrap();
        &self.body[start..start + end]
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Server {
    pub(crate) fn start(config: Config) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (open, opened) = std::sync::mpsc::channel();
        // All in a thread of its own, since the caller may be in a runtime already.
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let bound = bind(config).await.unwrap();
                open.send(bound.local_addr()).unwrap();
                bound
                    .serve(async {
                        let _ = stopped.await;
                    })
                    .await;
            });
        });
        let address = opened.recv().expect("the server starts");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Sends a request and reads to the end; `None` if the connection was closed without an answer.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Response> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            request.extend([*name, ": ", *value, "\r\n"]);
        }
        request.push_str("\r\n");
        request.push_str(body);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        // A connection that a fault closes may be reset.
        let _ = stream.read_to_string(&mut answer);
        if answer.is_empty() {
            return None;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Response { status, body: body.to_owned() })
    }

    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> Response {
        self.send(method, path, &[], body).expect("an admin call is always answered")
    }

    /// Calls an operation of a query service; `None` if the connection was closed without an answer.
    pub(crate) fn try_query(&self, region: &str, service: Query, form: &str) -> Option<Response> {
        let authorization = signed(region, service.scope);
        let body = format!("{form}&Version={}", service.version);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ];
        self.send("POST", "/", &headers, &body)
    }

    pub(crate) fn query(&self, region: &str, service: Query, form: &str) -> Response {
        self.try_query(region, service, form).expect("an answer")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A service that speaks a query protocol.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    scope: &'static str,
    version: &'static str,
}

pub(crate) const ELB: Query = Query { scope: "elasticloadbalancing", version: "2012-06-01" };
pub(crate) const ELBV2: Query = Query { scope: "elasticloadbalancing", version: "2015-12-01" };
pub(crate) const EC2: Query = Query { scope: "ec2", version: "2016-11-15" };

/// An Authorization header with that credential scope; nobody checks the signature.
pub(crate) fn signed(region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=local/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}
