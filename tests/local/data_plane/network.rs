//! Network Load Balancers: what arrives at the target, byte for byte, and who gets it.

use std::time::{Duration, Instant};

use elbws::local::Config;
use elbws::proxy::proxy_protocol::{Addresses, Origin, Versions, decode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::changes::echoes;
use super::rig::{OFFSET, Rig, exchange, line, tls_with, within};
use super::v2::Balancer;

/// How long nothing may come before we believe that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

/// A TCP listener on port 80 to one instance.
async fn start<'a>(
    rig: &'a Rig,
    balancer: &'a Balancer<'a>,
) -> (super::rig::Instance, String, std::net::SocketAddr) {
    let instance = rig.launch().await;
    let group = rig.target_group("tcp", "TCP", "");
    rig.register_targets(&group, &[&instance]);
    let address = balancer.listen("TCP", 80, &group).await.address;
    (instance, group, address)
}

#[tokio::test]
async fn targets_see_the_client_or_the_load_balancer() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let (instance, group, address) = start(&rig, &balancer).await;
    assert_eq!((address.ip().to_string().starts_with("127.65."), address.port()), (true, 80 + OFFSET));
    let connect = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.9.8.7:0".parse().unwrap()).unwrap();
        (socket.connect(address).await.unwrap(), instance.accept().await)
    };
    let (mut client, mut served) = connect().await;
    assert_eq!(
        served.peer_addr().unwrap().ip().to_string(),
        "127.9.8.7",
        "the client's address is preserved"
    );
    echoes(&mut client, &mut served).await;
    rig.group_attribute(&group, "preserve_client_ip.enabled", "false");
    let (client, served) = connect().await;
    assert_eq!(served.peer_addr().unwrap().ip(), address.ip());
    exchange(client, served).await;
}

#[tokio::test]
async fn the_proxy_header_comes_with_the_clients_first_bytes() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let (instance, group, address) = start(&rig, &balancer).await;
    rig.group_attribute(&group, "proxy_protocol_v2.enabled", "true");
    rig.group_attribute(&group, "preserve_client_ip.enabled", "false");
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut served = instance.accept().await;
    let mut header = [0; 100];
    let early = tokio::time::timeout(SILENCE, served.read(&mut header)).await;
    assert!(early.is_err(), "nothing before the client says something");
    client.write_all(b"hello\n").await.unwrap();
    within(served.read_exact(&mut header)).await.unwrap();
    let decoded = decode(&header, Versions::V2).unwrap().unwrap();
    let addresses =
        Addresses { source: client.local_addr().unwrap(), destination: (address.ip(), 80).into() };
    assert_eq!((decoded.header.origin, decoded.consumed), (Origin::Proxied(addresses), 100));
    assert_eq!(line(&mut served).await, "hello\n");

    let silent = TcpStream::connect(address).await.unwrap();
    let mut served = instance.accept().await;
    drop(silent);
    let mut heard = Vec::new();
    within(served.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.is_empty(), "who says nothing is not announced");
}

#[tokio::test]
async fn tls_ends_with_the_certificate_for_the_name_and_by_the_alpn_policy() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let instance = rig.launch().await;
    let group = rig.target_group("tcp", "TCP", "");
    rig.register_targets(&group, &[&instance]);
    let arns = ["chat.example.com", "other.example.com", "*.wild.example.com", "exact.wild.example.com"]
        .map(|name| rig.certificate(name));
    let listener = balancer.listen(&format!("TLS/{}", arns[0]), 443, &group).await;
    for arn in &arns[1..] {
        rig.v2(&format!(
            "Action=AddListenerCertificates&ListenerArn={}&Certificates.member.1.CertificateArn={arn}",
            listener.arn
        ));
    }
    let authority = rig.authority(&arns[0]);
    let connect = async |name: &str, alpn: &[&str]| {
        let stream = TcpStream::connect(listener.address).await.unwrap();
        tls_with(authority.clone(), name, alpn, stream).await
    };
    for name in ["chat.example.com", "other.example.com", "any.wild.example.com", "exact.wild.example.com"] {
        let mut client = connect(name, &["h2"]).await.expect(name);
        assert_eq!(client.get_ref().1.alpn_protocol(), None, "no ALPN without a policy");
        let mut served = instance.accept().await;
        echoes(&mut client, &mut served).await;
    }
    let unknown = connect("unknown.example.com", &[]).await;
    assert!(unknown.unwrap_err().to_string().contains("not valid for name"), "the default one is shown");
    rig.v2(&format!("Action=ModifyListener&ListenerArn={}&AlpnPolicy.member.1=HTTP2Preferred", listener.arn));
    let client = connect("chat.example.com", &["http/1.1", "h2"]).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn deregistration_ends_connections_only_where_that_is_configured() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let (instance, group, address) = start(&rig, &balancer).await;
    let other = rig.launch().await;
    rig.group_attribute(&group, "deregistration_delay.timeout_seconds", "0");
    let (mut client, mut served) = (TcpStream::connect(address).await.unwrap(), instance.accept().await);
    rig.register_targets(&group, &[&other]);
    rig.deregister_targets(&group, &[&instance]);
    // Longer than it takes to look through all connections.
    tokio::time::sleep(SILENCE * 2).await;
    echoes(&mut client, &mut served).await;
    let (mut new, mut new_served) = (TcpStream::connect(address).await.unwrap(), other.accept().await);
    echoes(&mut new, &mut new_served).await;

    rig.group_attribute(&group, "deregistration_delay.connection_termination.enabled", "true");
    rig.group_attribute(&group, "deregistration_delay.timeout_seconds", "1");
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0, "gone by the new rule");
    rig.register_targets(&group, &[&instance]);
    let left = Instant::now();
    rig.deregister_targets(&group, &[&other]);
    echoes(&mut new, &mut new_served).await;
    assert_eq!(within(new.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(left.elapsed() >= Duration::from_millis(900), "{:?}", left.elapsed());
}

#[tokio::test]
async fn nobody_is_a_connection_that_is_reset() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let (instance, group, address) = start(&rig, &balancer).await;
    let ends = async || {
        let Ok(mut client) = TcpStream::connect(address).await else { return true };
        within(client.read(&mut [0])).await.unwrap_or(0) == 0
    };
    rig.deregister_targets(&group, &[&instance]);
    assert!(ends().await);
    rig.register_targets(&group, &[&instance]);
    drop(instance);
    assert!(ends().await, "nothing listens");
}

#[tokio::test]
async fn a_client_stays_with_its_target_where_the_group_says_so() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let (one, group, address) = start(&rig, &balancer).await;
    let other = rig.launch().await;
    rig.register_targets(&group, &[&other]);
    let accept = async || {
        tokio::select! {
            stream = one.accept() => (0, stream),
            stream = other.accept() => (1, stream),
        }
    };
    let connect = async |from: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let _client = socket.connect(address).await.unwrap();
        accept().await.0
    };
    let mut served = [connect("127.0.0.1").await, connect("127.0.0.1").await];
    served.sort_unstable();
    assert_eq!(served, [0, 1], "they take turns");
    rig.group_attribute(&group, "stickiness.enabled", "true");
    let mut all = Vec::new();
    for last in 1..=16 {
        let from = format!("127.1.1.{last}");
        let first = connect(&from).await;
        assert_eq!(connect(&from).await, first, "{from}");
        all.push(first);
    }
    assert!(all.contains(&0) && all.contains(&1), "clients are spread: {all:?}");
}

#[tokio::test]
async fn a_node_serves_its_own_zone_unless_zones_are_crossed() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let subnets = rig.subnets();
    let mut instances = Vec::new();
    // One in the first zone, two in the second: the zones share evenly, and the targets do not.
    for subnet in [&subnets[0], &subnets[1], &subnets[1]] {
        instances.push(rig.launch_in(subnet).await);
    }
    let group = rig.target_group("tcp", "TCP", "");
    rig.register_targets(&group, &instances.iter().collect::<Vec<_>>());
    let address = balancer.listen("TCP", 80, &group).await.address;
    let count = async || {
        let mut counts = [0; 3];
        for _ in 0..12 {
            let _client = TcpStream::connect(address).await.unwrap();
            let served = tokio::select! {
                _ = instances[0].accept() => 0,
                _ = instances[1].accept() => 1,
                _ = instances[2].accept() => 2,
            };
            counts[served] += 1;
        }
        counts
    };
    assert_eq!(count().await, [6, 3, 3]);
    balancer.attribute("load_balancing.cross_zone.enabled", "true");
    assert_eq!(count().await, [4, 4, 4]);
}

#[tokio::test]
async fn health_decides_and_its_checks_carry_a_local_header() {
    let rig = Rig::with(Config::default());
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":10}"#);
    let balancer = rig.balancer("network");
    let (instance, other) = (rig.launch().await, rig.launch().await);
    let group = rig.target_group("tcp", "TCP", "&HealthyThresholdCount=2&UnhealthyThresholdCount=2");
    rig.group_attribute(&group, "preserve_client_ip.enabled", "false");
    rig.register_targets(&group, &[&instance, &other]);
    let unused = ("unused", "Target.NotInUse");
    rig.health_is(&group, &[unused, unused]).await;
    let address = balancer.listen("TCP", 80, &group).await.address;
    let healthy = ("healthy", "");
    rig.health_is(&group, &[healthy, healthy]).await;
    let mut checked = instance.accept().await;
    assert_eq!(checked.peer_addr().unwrap().ip(), address.ip(), "from the load balancer's address");
    let mut heard = Vec::new();
    within(checked.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.is_empty());

    rig.group_attribute(&group, "proxy_protocol_v2.enabled", "true");
    let header = eventually_header(&instance).await;
    assert_eq!((&header[12..16], &header[16..19]), (&b"\x20\x11\x00\x54"[..], &b"\x03\x00\x04"[..]));
    assert_eq!(decode(&header, Versions::V2).unwrap().unwrap().header.origin, Origin::Socket);
    rig.group_attribute(&group, "proxy_protocol_v2.enabled", "false");

    // A connection to a target that fails is ended, new ones go to the other; with all failing, to all.
    let (mut client, served) = loop {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"x").await.unwrap();
        let found = async {
            loop {
                let mut served = other.accept().await;
                // Checks come too, some still with a header.
                if within(served.read_u8()).await.is_ok_and(|byte| byte == b'x') {
                    return served;
                }
            }
        };
        if let Ok(served) = tokio::time::timeout(SILENCE, found).await {
            break (client, served);
        }
    };
    let at = other.listener.local_addr().unwrap();
    drop(other.listener);
    rig.health_is(&group, &[healthy, ("unhealthy", "Target.FailedHealthChecks")]).await;
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
    drop(served);
    let gone = instance.listener.local_addr().unwrap();
    drop(instance.listener);
    let unhealthy = ("unhealthy", "Target.FailedHealthChecks");
    rig.health_is(&group, &[unhealthy, unhealthy]).await;
    assert_ne!(at, gone);
    let restarted = tokio::net::TcpListener::bind(at).await.unwrap();
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":100000}"#);
    let mut reached = false;
    for _ in 0..8 {
        // The reset for the target that is gone may come before `connect` has returned.
        let Ok(mut client) = TcpStream::connect(address).await else { continue };
        let _ = client.write_all(b"open").await;
        let accepted = tokio::time::timeout(SILENCE, restarted.accept()).await;
        if let Ok(Ok((mut served, _))) = accepted {
            let mut heard = [0; 4];
            reached |= within(served.read_exact(&mut heard)).await.is_ok() && heard == *b"open";
        }
    }
    assert!(reached, "all failing, the load balancer tries all");
}

/// The first bytes of a check that has some.
async fn eventually_header(instance: &super::rig::Instance) -> [u8; 100] {
    for _ in 0..1000 {
        let mut checked = instance.accept().await;
        let mut header = [0; 100];
        if within(checked.read_exact(&mut header)).await.is_ok() {
            return header;
        }
    }
    panic!("no check has a header");
}

#[tokio::test]
async fn a_missing_rule_is_an_unhealthy_target() {
    let rig = Rig::with(Config::default());
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":10}"#);
    let balancer = rig.balancer("network");
    let (_instance, group, _) = start(&rig, &balancer).await;
    rig.health_is(&group, &[("healthy", "")]).await;
    let group_id = rig.group();
    for rule in [
        format!("IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId={group_id}"),
        "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=65535\
         &IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"
            .to_owned(),
    ] {
        rig.ec2(&format!("Action=RevokeSecurityGroupIngress&GroupId={group_id}&{rule}"));
    }
    rig.health_is(&group, &[("unhealthy", "Target.FailedHealthChecks")]).await;
}
