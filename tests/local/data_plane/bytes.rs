//! TCP and SSL listeners: what arrives at the instance, byte for byte.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use elbws::local::Config;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::rig::{OFFSET, Rig, eventually, exchange, free_port, line, tls, within};

#[tokio::test]
async fn tcp_is_carried_both_ways_and_ends_with_its_ends() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let address = rig.create("TCP/TCP", 80, &[&instance]).await;
    assert_eq!((address.ip().to_string().starts_with("127.65."), address.port()), (true, 80 + OFFSET));
    let client = TcpStream::connect(address).await.unwrap();
    let served = instance.accept().await;
    assert_eq!(served.peer_addr().unwrap().ip(), address.ip(), "from the load balancer's address");
    exchange(client, served).await;
}

#[tokio::test]
async fn tls_ends_at_the_load_balancer_with_the_requested_certificate() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let arn = rig.certificate("chat.example.com");
    let address = rig.create(&format!("SSL/TCP/{arn}"), 443, &[&instance]).await;
    let connect = || TcpStream::connect(address);
    let mut client = tls(rig.authority(&arn), "chat.example.com", connect().await.unwrap()).await.unwrap();
    let state = client.get_ref().1;
    assert_eq!(state.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2), "Classic has no newer one");
    assert_eq!(state.alpn_protocol(), None);
    let mut served = instance.accept().await;
    client.write_all(b"in the clear\n").await.unwrap();
    assert_eq!(line(&mut served).await, "in the clear\n");
    served.write_all(b"back\n").await.unwrap();
    drop(served);
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "back\n");

    let other = tls(rig.authority(&arn), "other.example.com", connect().await.unwrap()).await;
    assert!(other.unwrap_err().to_string().contains("not valid for name"));
}

#[tokio::test]
async fn the_proxy_header_is_there_if_and_only_if_the_port_has_the_policy() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let arn = rig.certificate("chat.example.com");
    let address = rig.create(&format!("SSL/TCP/{arn}"), 443, &[&instance]).await;
    let authority = rig.authority(&arn);
    let connect = async |address| {
        let stream = TcpStream::connect(address).await.unwrap();
        let from = stream.local_addr().unwrap();
        let client = tls(authority.clone(), "chat.example.com", stream).await.unwrap();
        (client, instance.accept().await, from)
    };
    let (mut before, mut served_before, _) = connect(address).await;
    rig.enable_proxy_protocol(instance.port());

    let (mut client, mut served, from) = connect(address).await;
    client.write_all(b"hello\n").await.unwrap();
    let (ip, to, port) = (from.ip(), address.ip(), from.port());
    assert_eq!(line(&mut served).await, format!("PROXY TCP4 {ip} {to} {port} 443\r\n"));
    assert_eq!(line(&mut served).await, "hello\n");

    before.write_all(b"still without\n").await.unwrap();
    assert_eq!(line(&mut served_before).await, "still without\n", "open connections stay as they are");

    rig.set_backend_policies(instance.port(), "&PolicyNames=");
    let (mut client, mut served, _) = connect(address).await;
    client.write_all(b"without again\n").await.unwrap();
    assert_eq!(line(&mut served).await, "without again\n");
}

#[tokio::test]
async fn localhost_is_the_load_balancers_too_in_both_families() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    // A port that no other test's load balancer has.
    let own = free_port([127, 0, 0, 1].into()) - OFFSET;
    rig.create("TCP/TCP", own, &[&instance]).await;
    rig.enable_proxy_protocol(instance.port());
    let addresses = rig.addresses(own);
    assert!(addresses.iter().any(|address| address.ip().to_string() == "127.0.0.1"), "{addresses:?}");
    for address in addresses {
        let client = TcpStream::connect(address).await.unwrap();
        let from = client.local_addr().unwrap();
        let family = if address.is_ipv4() { "TCP4" } else { "TCP6" };
        let expected = format!("PROXY {family} {} {} {} {own}\r\n", from.ip(), address.ip(), from.port());
        assert_eq!(line(&mut instance.accept().await).await, expected);
    }
}

#[tokio::test]
async fn instances_take_turns_and_nobody_is_a_closed_connection() {
    let rig = Rig::start();
    let one = rig.launch().await;
    let other = rig.launch_on(one.port()).await;
    let address = rig.create("TCP/TCP", 80, &[&one, &other]).await;
    for _ in 0..3 {
        let _clients =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let _served = tokio::join!(one.accept(), other.accept());
    }
    for instance in [&one, &other] {
        rig.deregister(instance);
    }
    let mut client = TcpStream::connect(address).await.unwrap();
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0, "closed");
}

#[tokio::test]
async fn an_instance_may_speak_tls_with_any_certificate() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let made = rcgen::generate_simple_self_signed(["anything".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let address = rig.create("TCP/SSL", 80, &[&instance]).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"encrypted on the way\n").await.unwrap();
    let mut served = within(acceptor.accept(instance.accept().await)).await.unwrap();
    assert_eq!(line(&mut served).await, "encrypted on the way\n");
    served.write_all(b"back\n").await.unwrap();
    assert_eq!(line(&mut client).await, "back\n");
}

#[tokio::test]
async fn a_negotiation_policy_decides_on_protocols_and_ciphers() {
    let (told, mut messages) = tokio::sync::mpsc::unbounded_channel();
    let rig = Rig::with(Config { assume_healthy: true, messages: Some(told), ..Config::default() });
    let instance = rig.launch().await;
    let arn = rig.certificate("chat.example.com");
    let address = rig.create(&format!("SSL/TCP/{arn}"), 443, &[&instance]).await;
    let set = |name: &str, attributes: &[&str]| {
        let mut form = format!(
            "Action=CreateLoadBalancerPolicy&LoadBalancerName=chat&PolicyName={name}&PolicyTypeName=SSLNegotiationPolicyType"
        );
        for (index, attribute) in attributes.iter().enumerate() {
            let member = format!("&PolicyAttributes.member.{}", index + 1);
            write!(form, "{member}.AttributeName={attribute}{member}.AttributeValue=true").unwrap();
        }
        rig.elb(&form);
        rig.elb(&format!(
            "Action=SetLoadBalancerPoliciesOfListener&LoadBalancerName=chat&LoadBalancerPort=443&PolicyNames.member.1={name}"
        ));
    };
    let connect = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        tls(rig.authority(&arn), "chat.example.com", stream).await
    };
    set("strong", &["Protocol-TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"]);
    let client = connect().await.unwrap();
    let suite = client.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
    set("old", &["Protocol-TLSv1", "ECDHE-ECDSA-AES128-GCM-SHA256"]);
    assert!(connect().await.is_err());
    let wanted = |said: &String| said.contains("policy allows no protocol and cipher");
    eventually(|| messages.try_recv().ok().filter(wanted)).await;
}

#[tokio::test]
async fn a_node_serves_its_own_zone_unless_zones_are_crossed() {
    let rig = Rig::start();
    let subnets = rig.subnets();
    let one = rig.launch_in(&subnets[0]).await;
    let two = rig.launch_in_on(&subnets[1], one.port()).await;
    let three = rig.launch_in_on(&subnets[1], one.port()).await;
    let address = rig.create("TCP/TCP", 80, &[&one, &two, &three]).await;
    let count = async || {
        let mut counts = [0; 3];
        for _ in 0..12 {
            let _client = TcpStream::connect(address).await.unwrap();
            let served = tokio::select! {
                _ = one.accept() => 0,
                _ = two.accept() => 1,
                _ = three.accept() => 2,
            };
            counts[served] += 1;
        }
        counts
    };
    // The zones share evenly, and the instances do not.
    assert_eq!(count().await, [6, 3, 3]);
    rig.attributes("&LoadBalancerAttributes.CrossZoneLoadBalancing.Enabled=true");
    assert_eq!(count().await, [4, 4, 4]);
    // A zone without anybody in service is nobody's way.
    rig.attributes("&LoadBalancerAttributes.CrossZoneLoadBalancing.Enabled=false");
    rig.deregister(&one);
    assert_eq!(count().await, [0, 6, 6]);
}

#[tokio::test]
async fn an_imported_certificate_is_served_with_its_chain() {
    let authority = |name: &str| {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority
    };
    let [root_key, between_key, key] = [(); 3].map(|()| KeyPair::generate().unwrap());
    let root = authority("root").self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(authority("root"), root_key);
    let between = authority("between").signed_by(&between_key, &root_issuer).unwrap();
    let between_issuer = Issuer::new(authority("between"), between_key);
    let leaf = CertificateParams::new(vec!["chat.example.com".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &between_issuer).unwrap();

    let rig = Rig::start();
    let instance = rig.launch().await;
    let import = serde_json::json!({
        "Certificate": STANDARD.encode(leaf.pem()),
        "PrivateKey": STANDARD.encode(key.serialize_pem()),
        "CertificateChain": STANDARD.encode(between.pem()),
    });
    let imported = rig.acm("ImportCertificate", &import.to_string()).json();
    let arn = imported["CertificateArn"].as_str().unwrap();
    let address = rig.create(&format!("SSL/TCP/{arn}"), 443, &[&instance]).await;
    let stream = TcpStream::connect(address).await.unwrap();
    // Whoever trusts the root alone needs the one between.
    let client = tls(root.der().clone(), "chat.example.com", stream).await.unwrap();
    assert_eq!(client.get_ref().1.peer_certificates().unwrap(), [leaf.der().clone(), between.der().clone()]);
}
