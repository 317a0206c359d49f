//! Targets of every kind, and what becomes of requests when they leave.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use elbws::local::Config;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::changes::echoes;
use super::http::{body, head, respond, send};
use super::peers::find;
use super::rig::{Instance, OFFSET, Rig, eventually, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: chat.example.com\r\n\r\n";

#[tokio::test]
async fn requests_end_with_the_deregistration_delay() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let instance = rig.launch().await;
    let group = rig.target_group("web", "HTTP", "");
    rig.group_attribute(&group, "deregistration_delay.timeout_seconds", "1");
    rig.register_targets(&group, &[&instance]);
    let address = balancer.listen("HTTP", 80, &group).await.address;
    // One waits for an answer, the other for the rest of one.
    let mut waiting = TcpStream::connect(address).await.unwrap();
    send(&mut waiting, GET).await;
    let mut unanswered = instance.accept().await;
    head(&mut unanswered).await;
    let mut reading = TcpStream::connect(address).await.unwrap();
    send(&mut reading, GET).await;
    let mut answering = instance.accept().await;
    head(&mut answering).await;
    send(&mut answering, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst").await;
    head(&mut reading).await;
    body(&mut reading, "first").await;

    let left = Instant::now();
    rig.deregister_targets(&group, &[&instance]);
    send(&mut answering, "still").await;
    body(&mut reading, "still").await;
    let answer = head(&mut waiting).await;
    assert!(answer.starts_with("http/1.1 502 bad gateway\r\n"), "{answer}");
    assert!(left.elapsed() >= Duration::from_millis(900), "{:?}", left.elapsed());
    assert_eq!(within(reading.read(&mut [0])).await.unwrap_or(0), 0, "cut short");
    assert_eq!(within(answering.read(&mut [0])).await.unwrap_or(0), 0, "the target is told as well");
}

/// Serves HTTP/2 on an instance, with TLS where there is an acceptor for it: what was asked, with that status of
/// gRPC's.
fn serve_http2(instance: Instance, acceptor: Option<TlsAcceptor>, status: &'static str) {
    fn respond(request: &Request<Incoming>, status: &'static str) -> Response<Full<Bytes>> {
        let (version, uri) = (request.version(), request.uri());
        let said = format!("{version:?} {uri} {:?}", request.headers().get("x-forwarded-port"));
        let mut response = Response::new(Full::new(Bytes::from(said)));
        response.headers_mut().insert("grpc-status", status.parse().unwrap());
        response
    }
    tokio::spawn(async move {
        loop {
            let served = instance.accept_forever().await;
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let service =
                service_fn(move |request| std::future::ready(Ok::<_, Infallible>(respond(&request, status))));
            if let Some(acceptor) = &acceptor {
                let Ok(served) = acceptor.accept(served).await else { continue };
                // As many servers do: no HTTP/2 for who does not ask for it.
                if served.get_ref().1.alpn_protocol() == Some(b"h2") {
                    tokio::spawn(builder.serve_connection(TokioIo::new(served), service));
                }
            } else {
                tokio::spawn(builder.serve_connection(TokioIo::new(served), service));
            }
        }
    });
}

/// One for any name, that knows HTTP/2.
fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["anything".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn an_http2_group_is_spoken_to_and_checked_in_http2() {
    let Some(curl) = find("curl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::with(Config { state_dir: Some(folder.path().to_owned()), ..Config::default() });
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":20}"#);
    let balancer = rig.balancer("application");
    let arn = rig.certificate("chat.example.com");
    for (port, protocol, acceptor) in [(443, "HTTP", None), (444, "HTTPS", Some(acceptor()))] {
        let instance = rig.launch().await;
        let settings =
            format!("&ProtocolVersion=HTTP2&HealthyThresholdCount=2&HealthCheckProtocol={protocol}");
        let group = rig.target_group(&protocol.to_lowercase(), protocol, &settings);
        rig.register_targets(&group, &[&instance]);
        serve_http2(instance, acceptor, "0");
        let address = balancer.listen(&format!("HTTPS/{arn}"), port, &group).await.address;
        rig.health_is(&group, &[("healthy", "")]).await;
        let ask = async |version: &str| {
            let output = tokio::process::Command::new(&curl)
                .args(["-sS", "--noproxy", "*", version, "-w", " %{http_code}", "--cacert"])
                .arg(folder.path().join("ca.pem"))
                .args(["--connect-to", &format!("::{}:{}", address.ip(), address.port())])
                .arg("https://chat.example.com/a?b")
                .output();
            String::from_utf8(within(output).await.unwrap().stdout).unwrap()
        };
        let said = ask("--http2").await;
        let scheme = protocol.to_lowercase();
        let host = if port == 443 { String::new() } else { format!(":{port}") };
        assert_eq!(said, format!("HTTP/2.0 {scheme}://chat.example.com{host}/a?b Some(\"{port}\") 200"));
        let refused = ask("--http1.1").await;
        assert!(refused.ends_with(" 464"), "{refused}");
    }
}

#[tokio::test]
async fn a_grpc_group_is_checked_by_a_call() {
    let rig = Rig::with(Config::default());
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":20}"#);
    let balancer = rig.balancer("application");
    let arn = rig.certificate("chat.example.com");
    let (good, bad) = (rig.launch().await, rig.launch().await);
    let settings = "&ProtocolVersion=GRPC&Matcher.GrpcCode=0-5&UnhealthyThresholdCount=2";
    let group = rig.target_group("grpc", "HTTP", settings);
    rig.register_targets(&group, &[&good, &bad]);
    serve_http2(good, None, "5");
    serve_http2(bad, None, "12");
    balancer.listen(&format!("HTTPS/{arn}"), 443, &group).await;
    rig.health_is(&group, &[("healthy", ""), ("unhealthy", "Target.ResponseCodeMismatch")]).await;
}

#[tokio::test]
async fn addresses_are_targets_too() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let instance = rig.launch().await;
    let group = rig.target_group("web", "HTTP", "&TargetType=ip");
    let ip = instance.listener.local_addr().unwrap().ip();
    let port = instance.port();
    rig.v2(&format!(
        "Action=RegisterTargets&TargetGroupArn={group}&Targets.member.1.Id={ip}&Targets.member.1.Port={port}"
    ));
    let address = balancer.listen("HTTP", 80, &group).await.address;
    let mut client = TcpStream::connect(address).await.unwrap();
    send(&mut client, GET).await;
    respond(&mut instance.accept().await, "by address").await;
    head(&mut client).await;
    body(&mut client, "by address").await;
}

#[tokio::test]
async fn a_missing_rule_is_a_client_that_is_sent_away_and_a_503() {
    let (told, mut messages) = tokio::sync::mpsc::unbounded_channel();
    let rig = Rig::with(Config { assume_healthy: true, messages: Some(told), ..Config::default() });
    let balancer = rig.balancer("application");
    let instance = rig.launch().await;
    let group = rig.target_group("web", "HTTP", "");
    rig.register_targets(&group, &[&instance]);
    let address = balancer.listen("HTTP", 80, &group).await.address;
    let group_id = rig.group();
    let change = |operation: &str, rule: &str| {
        rig.ec2(&format!("Action={operation}SecurityGroupIngress&GroupId={group_id}&{rule}"));
    };
    // Between members of the group everything goes; take that, and leave clients the listener's port.
    change("Revoke", &format!("IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId={group_id}"));
    let all = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=65535\
               &IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0";
    change("Revoke", all);
    let web = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80\
               &IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0";
    change("Authorize", web);
    let mut client = TcpStream::connect(address).await.unwrap();
    send(&mut client, GET).await;
    let answer = head(&mut client).await;
    assert!(answer.starts_with("http/1.1 503 service temporarily unavailable\r\n"), "{answer}");
    // It may say before that another test's load balancer has the port on 127.0.0.1.
    let wanted = |words: &'static str| move |said: &String| said.contains(words);
    eventually(|| messages.try_recv().ok().filter(wanted("there is no target that a rule lets it reach")))
        .await;
    change("Revoke", web);
    let ended = match TcpStream::connect(address).await {
        Ok(mut client) => within(client.read(&mut [0])).await.unwrap_or(0) == 0,
        Err(_) => true,
    };
    assert!(ended);
    eventually(|| messages.try_recv().ok().filter(wanted("no ingress rule"))).await;
}

#[tokio::test]
async fn a_network_load_balancer_may_lead_to_an_application_load_balancer() {
    let rig = Rig::start();
    let inner = rig.balancer("application");
    let instance = rig.launch().await;
    let web = rig.target_group("web", "HTTP", "");
    rig.register_targets(&web, &[&instance]);
    inner.listen("HTTP", 80, &web).await;
    let outer = rig.balancer_named("outer", "network");
    let group = rig.target_group("alb", "TCP", "&TargetType=alb");
    rig.v2(&format!(
        "Action=RegisterTargets&TargetGroupArn={group}&Targets.member.1.Id={}&Targets.member.1.Port=80",
        inner.arn
    ));
    let listener = outer.listen("TCP", 81, &group).await;
    assert_eq!(listener.address.port(), 81 + OFFSET);
    let mut client = TcpStream::connect(listener.address).await.unwrap();
    send(&mut client, GET).await;
    let heard = respond(&mut instance.accept().await, "through both").await;
    assert!(heard.contains("x-forwarded-port: 80\r\n"), "{heard}");
    head(&mut client).await;
    body(&mut client, "through both").await;
}

#[tokio::test]
async fn clients_of_another_family_see_the_load_balancers_own_address() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let instance = rig.launch().await;
    let group = rig.target_group("tcp", "TCP", "");
    rig.group_attribute(&group, "proxy_protocol_v2.enabled", "true");
    rig.register_targets(&group, &[&instance]);
    let port = super::rig::free_port([127, 0, 0, 1].into()) - OFFSET;
    let own = balancer.listen("TCP", port, &group).await.address;
    let localhost = rig.addresses(port).into_iter().find(std::net::SocketAddr::is_ipv6);
    // A machine without IPv6 has nothing to show here.
    let Some(localhost) = localhost else { return };
    let mut client = TcpStream::connect(localhost).await.unwrap();
    let mut served = instance.accept().await;
    assert_eq!(served.peer_addr().unwrap().ip(), own.ip());
    client.write_all(b"?").await.unwrap();
    let mut header = [0; 100];
    within(served.read_exact(&mut header)).await.unwrap();
    assert_eq!(header[12..16], *b"\x21\x21\x00\x54");
    assert_eq!(within(served.read_u8()).await.unwrap(), b'?');
    client.write_all(b"!").await.unwrap();
    assert_eq!(within(served.read_u8()).await.unwrap(), b'!');
    echoes(&mut client, &mut served).await;
}

#[tokio::test]
async fn health_follows_the_matcher_and_tells_why() {
    let rig = Rig::with(Config::default());
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":10}"#);
    let balancer = rig.balancer("application");
    let instance = rig.launch().await;
    let settings = "&HealthCheckPath=/healthz&Matcher.HttpCode=200-299&HealthyThresholdCount=2&UnhealthyThresholdCount=2";
    let group = rig.target_group("web", "HTTP", settings);
    rig.register_targets(&group, &[&instance]);
    rig.health_is(&group, &[("unused", "Target.NotInUse")]).await;
    let code = Arc::new(Mutex::new("204 No Content"));
    let asked = Arc::new(Mutex::new(String::new()));
    let (own_code, own_asked) = (code.clone(), asked.clone());
    let serving = tokio::spawn(async move {
        loop {
            let mut served = instance.accept_forever().await;
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                match served.read_u8().await {
                    Ok(byte) => heard.push(byte),
                    Err(_) => break,
                }
            }
            *own_asked.lock().unwrap() = String::from_utf8(heard).unwrap();
            let code = *own_code.lock().unwrap();
            let _ =
                served.write_all(format!("HTTP/1.1 {code}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    let _listener = balancer.listen("HTTP", 80, &group).await;
    rig.health_is(&group, &[("healthy", "")]).await;
    let request = asked.lock().unwrap().clone();
    assert!(request.starts_with("GET /healthz HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("User-Agent: ELB-HealthChecker/2.0\r\n"), "{request}");
    *code.lock().unwrap() = "301 Moved";
    rig.health_is(&group, &[("unhealthy", "Target.ResponseCodeMismatch")]).await;
    serving.abort();
    rig.health_is(&group, &[("unhealthy", "Target.FailedHealthChecks")]).await;
}

#[tokio::test]
async fn a_target_that_does_not_answer_has_timed_out() {
    let rig = Rig::with(Config::default());
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":10}"#);
    let balancer = rig.balancer("application");
    let instance = rig.launch().await;
    let settings = "&HealthCheckTimeoutSeconds=2&UnhealthyThresholdCount=2";
    let group = rig.target_group("web", "HTTP", settings);
    rig.register_targets(&group, &[&instance]);
    balancer.listen("HTTP", 80, &group).await;
    // Connections wait to be accepted all the while.
    rig.health_is(&group, &[("initial", "Elb.InitialHealthChecking")]).await;
    rig.health_is(&group, &[("unhealthy", "Target.Timeout")]).await;
}
