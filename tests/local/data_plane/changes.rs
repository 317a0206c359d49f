//! Changes by API call, and what they do to connections that are open.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use elbws::local::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::rig::{OFFSET, Rig, eventually, free_port, tls, within};

/// Sends a byte each way.
pub(super) async fn echoes<A, B>(client: &mut A, served: &mut B)
where
    A: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    B: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    client.write_all(b"?").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(within(served.read_u8()).await.unwrap(), b'?');
    served.write_all(b"!").await.unwrap();
    assert_eq!(within(client.read_u8()).await.unwrap(), b'!');
}

#[tokio::test]
async fn another_certificate_is_for_new_connections() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let (first, second) = (rig.certificate("chat.example.com"), rig.certificate("new.example.com"));
    let address = rig.create(&format!("SSL/TCP/{first}"), 443, &[&instance]).await;
    let authority = rig.authority(&first);
    let connect = async |name: &str| {
        let stream = TcpStream::connect(address).await.unwrap();
        tls(authority.clone(), name, stream).await
    };
    let mut client = connect("chat.example.com").await.unwrap();
    let mut served = instance.accept().await;
    rig.elb(&format!(
        "Action=SetLoadBalancerListenerSSLCertificate&LoadBalancerName=chat&LoadBalancerPort=443&SSLCertificateId={second}"
    ));
    let mut new = connect("new.example.com").await.unwrap();
    let mut new_served = instance.accept().await;
    assert!(connect("chat.example.com").await.is_err());
    echoes(&mut client, &mut served).await;
    echoes(&mut new, &mut new_served).await;
}

#[tokio::test]
async fn listeners_come_and_go_and_take_only_their_own_connections() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let first = rig.create("TCP/TCP", 80, &[&instance]).await;
    let mut client = TcpStream::connect(first).await.unwrap();
    let mut served = instance.accept().await;
    rig.create_listener("TCP/TCP", 81, instance.port());
    let second = rig.address(81).await;
    assert_eq!((second.ip(), second.port()), (first.ip(), 81 + OFFSET));
    let mut other = TcpStream::connect(second).await.unwrap();
    let mut other_served = instance.accept().await;
    echoes(&mut other, &mut other_served).await;

    rig.delete_listener(81);
    assert_eq!(within(other.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(second).await.is_err(), "the port is closed");
    assert_eq!(rig.addresses(81), []);
    echoes(&mut client, &mut served).await;

    rig.elb("Action=DeleteLoadBalancer&LoadBalancerName=chat");
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(first).await.is_err());
}

#[tokio::test]
async fn silence_ends_a_connection_at_the_configured_time() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let address = rig.create("TCP/TCP", 80, &[&instance]).await;
    rig.attributes("&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=2");
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut served = instance.accept().await;
    let (mut busy, mut busy_served) = (TcpStream::connect(address).await.unwrap(), instance.accept().await);
    echoes(&mut client, &mut served).await;
    let silent_since = Instant::now();
    let talk = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            echoes(&mut busy, &mut busy_served).await;
        }
    };
    let mut byte = [0];
    tokio::select! {
        () = talk => {}
        read = within(client.read(&mut byte)) => assert_eq!(read.unwrap_or(0), 0),
    }
    let silent = silent_since.elapsed().as_secs_f64();
    assert!((2.0..3.0).contains(&silent), "{silent}");
    assert_eq!(within(served.read(&mut byte)).await.unwrap_or(0), 0, "the instance is told as well");
    echoes(&mut busy, &mut busy_served).await;
}

#[tokio::test]
async fn draining_lets_connections_go_on_until_its_timeout() {
    let rig = Rig::start();
    let one = rig.launch().await;
    let other = rig.launch_on(one.port()).await;
    let address = rig.create("TCP/TCP", 80, &[&one]).await;
    let connect = || TcpStream::connect(address);
    rig.attributes(
        "&LoadBalancerAttributes.ConnectionDraining.Enabled=true&LoadBalancerAttributes.ConnectionDraining.Timeout=1",
    );
    let (mut client, mut served) = (connect().await.unwrap(), one.accept().await);
    rig.register(&other);
    let left = Instant::now();
    rig.deregister(&one);
    echoes(&mut client, &mut served).await;
    let _new = (connect().await.unwrap(), other.accept().await);
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(left.elapsed() >= Duration::from_millis(900), "{:?}", left.elapsed());

    rig.attributes("&LoadBalancerAttributes.ConnectionDraining.Enabled=false");
    let (mut client, _served) = (connect().await.unwrap(), other.accept().await);
    rig.deregister(&other);
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0, "at once without draining");
}

#[tokio::test]
async fn health_decides_who_gets_connections() {
    let rig = Rig::with(Config::default());
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":10}"#);
    let one = rig.launch().await;
    let other = rig.launch_on(one.port()).await;
    let address = rig.create("TCP/TCP", 80, &[&one, &other]).await;
    rig.elb(&format!(
        "Action=ConfigureHealthCheck&LoadBalancerName=chat&HealthCheck.Target=TCP:{}&HealthCheck.Interval=30\
         &HealthCheck.Timeout=5&HealthCheck.UnhealthyThreshold=2&HealthCheck.HealthyThreshold=2",
        one.port()
    ));
    let in_service = |count: usize| {
        let rig = &rig;
        eventually(move || {
            let body = rig.elb("Action=DescribeInstanceHealth&LoadBalancerName=chat").body;
            (body.matches("<State>InService</State>").count() == count).then_some(())
        })
    };
    // Checks connect too; who speaks is a client.
    let (names, at) = (["one", "other"], other.listener.local_addr().unwrap());
    let serve = |name: &'static str, listener: tokio::net::TcpListener| {
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    if stream.read_u8().await.is_ok() {
                        let _ = stream.write_all(name.as_bytes()).await;
                    }
                });
            }
        })
    };
    let _one = serve(names[0], one.listener);
    let killed = serve(names[1], other.listener);
    let ask = async || {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"?").await.unwrap();
        let mut name = String::new();
        within(client.read_to_string(&mut name)).await.unwrap();
        name
    };
    let both = async || {
        let mut answers = [ask().await, ask().await];
        answers.sort();
        answers
    };
    in_service(2).await;
    assert_eq!(both().await, names);
    killed.abort();
    in_service(1).await;
    assert_eq!(both().await, ["one", "one"]);
    let _other = serve(names[1], tokio::net::TcpListener::bind(at).await.unwrap());
    in_service(2).await;
    assert_eq!(both().await, names);
}

#[tokio::test]
async fn a_missing_rule_is_a_connection_that_fails() {
    let (told, mut messages) = tokio::sync::mpsc::unbounded_channel();
    let rig = Rig::with(Config { assume_healthy: true, messages: Some(told), ..Config::default() });
    let instance = rig.launch().await;
    let address = rig.create("TCP/TCP", 80, &[&instance]).await;
    let group = rig.group();
    let revoke = |rule: &str| {
        rig.ec2(&format!("Action=RevokeSecurityGroupIngress&GroupId={group}&{rule}"));
    };
    let ends = async || {
        // The reset may come while it still connects.
        let Ok(mut client) = TcpStream::connect(address).await else { return true };
        within(client.read(&mut [0])).await.unwrap_or(0) == 0
    };
    // Connections between members of the group have a rule, those from the internet no more.
    revoke(
        "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=65535\
         &IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
    );
    assert!(ends().await);
    let mut said = eventually(|| messages.try_recv().ok().filter(|said| said.contains("refuses"))).await;
    assert!(said.contains("no ingress rule that admits 127.0.0.1 to port 80"), "{said}");
    rig.server.admin("POST", "/_elbws/settings", r#"{"enforce_security_groups":false}"#);
    let _client = (TcpStream::connect(address).await.unwrap(), instance.accept().await);

    // Now the other way round: the internet, and nobody to the instance.
    rig.server.admin("POST", "/_elbws/settings", r#"{"enforce_security_groups":true}"#);
    rig.ec2(&format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=tcp\
         &IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
    ));
    revoke(&format!("IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId={group}"));
    assert!(ends().await);
    said = eventually(|| messages.try_recv().ok().filter(|said| said.contains("closes"))).await;
    assert!(said.contains("no instance is in service that a rule lets it reach"), "{said}");
}

#[tokio::test]
async fn a_restart_serves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        || Config { assume_healthy: true, state_dir: Some(directory.path().to_owned()), ..Config::default() };
    let rig = Rig::with(config());
    let instance = rig.launch().await;
    let arn = rig.certificate("chat.example.com");
    let address = rig.create(&format!("SSL/TCP/{arn}"), 443, &[&instance]).await;
    let authority = rig.authority(&arn);
    drop(rig);
    assert!(TcpStream::connect(address).await.is_err(), "the port closes with the server");
    let rig = Rig::with(config());
    assert_eq!(rig.address(443).await, address);
    let stream = TcpStream::connect(address).await.unwrap();
    let mut client = tls(authority, "chat.example.com", stream).await.unwrap();
    echoes(&mut client, &mut instance.accept().await).await;
}

#[tokio::test]
async fn a_port_that_something_else_has_is_told_of_and_taken_when_it_is_free() {
    let (told, mut messages) = tokio::sync::mpsc::unbounded_channel();
    let rig = Rig::with(Config { assume_healthy: true, messages: Some(told), ..Config::default() });
    let instance = rig.launch().await;
    let localhost = IpAddr::from([127, 0, 0, 1]);
    let other = std::net::TcpListener::bind((localhost, free_port(localhost))).unwrap();
    let taken = other.local_addr().unwrap();
    let port = taken.port() - OFFSET;
    let address = rig.create("TCP/TCP", port, &[&instance]).await;
    let wanted = format!("cannot listen on {taken} for port {port} of load balancer chat: ");
    eventually(|| messages.try_recv().ok().filter(|said| said.starts_with(&wanted))).await;
    assert!(!rig.addresses(port).contains(&taken));
    let _client = (TcpStream::connect(address).await.unwrap(), instance.accept().await);
    drop(other);
    eventually(|| rig.addresses(port).contains(&taken).then_some(())).await;
    let _client = (TcpStream::connect(taken).await.unwrap(), instance.accept().await);
}

#[tokio::test]
async fn localhost_passes_to_the_next_load_balancer_that_has_the_port() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let localhost = [127, 0, 0, 1].into();
    let free = SocketAddr::new(localhost, free_port(localhost));
    let port = free.port() - OFFSET;
    let first = rig.create("TCP/TCP", port, &[&instance]).await;
    rig.elb(&format!(
        "Action=CreateLoadBalancer&LoadBalancerName=later&AvailabilityZones.member.1=us-east-1a\
         &Listeners.member.1.Protocol=tcp&Listeners.member.1.LoadBalancerPort={port}&Listeners.member.1.InstancePort=80"
    ));
    let later = || {
        let balancers = rig.server.admin("GET", "/_elbws/load-balancers", "").json();
        let later = balancers.as_array().unwrap().iter().find(|one| one["name"] == "later").unwrap();
        later["listeners"][0]["addresses"]
            .as_array()
            .map(|addresses| (addresses[0].clone(), addresses.contains(&free.to_string().into())))
    };
    let (own, has_localhost) = eventually(later).await;
    assert_ne!(own, first.to_string());
    assert!(!has_localhost, "the first has it");
    rig.elb("Action=DeleteLoadBalancer&LoadBalancerName=chat");
    eventually(|| later().filter(|(_, has_localhost)| *has_localhost)).await;
}
