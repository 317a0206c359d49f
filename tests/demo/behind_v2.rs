//! What goes wrong behind Application and Network load balancers, made by calls of the API one by one, each
//! explained by `elbws probe SPEC`.

use std::path::Path;

use crate::world::{Promises, World};

/// With a certificate by SNI, a record, and a path that the load balancer answers itself.
const APPLICATION: &str = "\
certificate: { domain: chat.localhost, additional: [{ domain: other.localhost }] }
dns: { zone: chat.localhost }
load_balancer:
  type: application
  idle_timeout: 2s
  listeners:
    - port: 443
      protocol: https
      rules: [{ path: /gone, fixed_response: { status: 410 } }]
    - { port: 80, protocol: http, default_action: { redirect: https } }
proxy:
  routes:
    - { path: /ws/, upstream: \"127.0.0.1:9000\" }
    - { path: /, upstream: \"127.0.0.1:8000\" }
";
const NETWORK: &str = "\
load_balancer:
  type: network
  listeners:
    - { port: 443, protocol: tls }
    - { port: 80, protocol: tcp }
proxy:
  routes:
    - { path: /ws/, upstream: \"127.0.0.1:9000\" }
    - { path: /, upstream: \"127.0.0.1:8000\" }
";
const BEHIND_ALB: &str = "accept: off\ntrusted: [127.65.0.0/16]";

/// The texts of every element of a name.
fn texts<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let tag = format!("<{name}>");
    xml.split(&tag).skip(1).map(|rest| rest.split_once("</").unwrap().0).collect()
}

async fn one(world: &World, form: &str, name: &str) -> String {
    let answer = world.elbv2(form).await;
    texts(&answer, name).first().unwrap_or_else(|| panic!("no {name}: {answer}")).to_string()
}

/// The ARN of a listener of the only load balancer.
async fn listener(world: &World, port: u16) -> String {
    let balancer = one(world, "Action=DescribeLoadBalancers", "LoadBalancerArn").await;
    let answer = world.elbv2(&format!("Action=DescribeListeners&LoadBalancerArn={balancer}")).await;
    // A redirect has a port as well.
    let is_it =
        |part: &&str| part.starts_with("<ListenerArn>") && part.contains(&format!("<Port>{port}</Port>"));
    let found = answer.split("<member>").find(is_it);
    let found = found.unwrap_or_else(|| panic!("{answer}"));
    texts(found, "ListenerArn")[0].to_owned()
}

/// The ARN of the certificate that a listener shows by default.
async fn certificate(world: &World, listener: &str) -> String {
    let form = format!("Action=DescribeListenerCertificates&ListenerArn={listener}");
    let answer = world.elbv2(&form).await;
    let default = answer.split("<member>").find(|part| part.contains("<IsDefault>true")).unwrap();
    texts(default, "CertificateArn")[0].to_owned()
}

/// The ARN of the certificate that a listener shows by SNI.
async fn additional_certificate(world: &World, listener: &str) -> String {
    let form = format!("Action=DescribeListenerCertificates&ListenerArn={listener}");
    let answer = world.elbv2(&form).await;
    let other = answer.split("<member>").skip(1).find(|part| part.contains("<IsDefault>false")).unwrap();
    texts(other, "CertificateArn")[0].to_owned()
}

/// Probes, checks that exactly these promises are broken, and returns what was found.
async fn broken(world: &World, spec: &Path, expected: &[&str]) -> Promises {
    let (code, promises) = world.probe(spec, &[]).await;
    let mut found = promises.broken();
    found.dedup();
    assert_eq!((code, &found[..]), (1, expected), "{promises:?}");
    promises
}

async fn is_kept(world: &World, spec: &Path, more: &[&str]) -> Promises {
    let (code, promises) = world.probe(spec, more).await;
    assert_eq!((code, promises.broken()), (0, vec![]), "{promises:?}");
    promises
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_load_balancers_failures_are_told_apart() {
    let world = World::issuing(&["chat.localhost", "other.localhost"]).await;
    let zone = world.zone("chat.localhost").await;
    let instance = world.launch(1).await;
    let _chat = world.run_chat(&instance).await;
    let proxy = world.run_proxy(&instance, BEHIND_ALB);
    let spec = world.spec("application", APPLICATION);
    world.apply(&spec, &[]).await;

    let promises = is_kept(&world, &spec, &["--hold", "20s"]).await;
    assert!(promises.found("targets", "default").starts_with("healthy: "), "{promises:?}");
    assert!(promises.found("record", "chat.localhost").starts_with("an alias of ws-chat-"), "{promises:?}");
    assert!(promises.found("certificate", "443 other.localhost").starts_with("for other.localhost"));
    assert_eq!(promises.found("route", "443 /gone"), "the load balancer answers 410");
    assert!(promises.found("redirect", "80").starts_with("301 to https://chat.localhost:"), "{promises:?}");
    assert_eq!(promises.found("client-address", "443"), "/ws/ names this client's address, 127.0.0.1");
    assert!(promises.found("idle-timeout", "443 /ws/").contains("closed after 2."), "{promises:?}");

    // The listener of plain http forwards.
    let (http, https) = (listener(&world, 80).await, listener(&world, 443).await);
    let group = one(&world, "Action=DescribeTargetGroups", "TargetGroupArn").await;
    let forward = |listener: &str, group: &str| {
        format!(
            "Action=ModifyListener&ListenerArn={listener}\
             &DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={group}"
        )
    };
    world.elbv2(&forward(&http, &group)).await;
    let promises = broken(&world, &spec, &["stack", "redirect"]).await;
    assert_eq!(promises.cause("redirect", "80"), "the listener does something else than to redirect");
    world.apply(&spec, &[]).await;

    // The listener has another certificate; then it has none of the additional ones.
    let (own, other) = (certificate(&world, &https).await, additional_certificate(&world, &https).await);
    world
        .elbv2(&format!(
            "Action=ModifyListener&ListenerArn={https}&Certificates.member.1.CertificateArn={other}"
        ))
        .await;
    // The former one stays, by SNI, until it is taken off.
    let remove = |certificate: &str| {
        format!(
            "Action=RemoveListenerCertificates&ListenerArn={https}&Certificates.member.1.CertificateArn={certificate}"
        )
    };
    world.elbv2(&remove(&own)).await;
    let promises = broken(&world, &spec, &["stack", "certificate"]).await;
    assert_eq!(promises.cause("certificate", "443"), "the listener has a certificate for another domain");
    world.apply(&spec, &[]).await;
    assert_eq!(certificate(&world, &https).await, own);
    world.elbv2(&remove(&other)).await;
    let promises = broken(&world, &spec, &["stack", "certificate"]).await;
    let lacking = "the listener does not have the certificate for other.localhost among its additional ones";
    assert_eq!(promises.cause("certificate", "443 other.localhost"), lacking);
    assert_eq!(promises.outcome("certificate", "443"), "kept");
    world.apply(&spec, &[]).await;

    // The listener forwards to a group that can carry no WebSocket.
    let vpc = one(&world, "Action=DescribeTargetGroups", "VpcId").await;
    let form = format!(
        "Action=CreateTargetGroup&Name=other&Protocol=HTTP&ProtocolVersion=HTTP2&Port=80&VpcId={vpc}"
    );
    let newer = one(&world, &form, "TargetGroupArn").await;
    let form = format!("Action=RegisterTargets&TargetGroupArn={newer}&Targets.member.1.Id={}", instance.id);
    world.elbv2(&form).await;
    world.elbv2(&forward(&https, &newer)).await;
    let promises = broken(&world, &spec, &["stack", "targets", "route"]).await;
    assert_eq!(promises.cause("targets", "default"), "the listener is gone, or forwards elsewhere");
    assert_eq!(promises.cause("route", "443 /ws/"), "the target group's protocol version is not HTTP1");
    world.apply(&spec, &[]).await;
    world.elbv2(&format!("Action=DeleteTargetGroup&TargetGroupArn={newer}")).await;

    // The record leads elsewhere.
    world.point_elsewhere(&zone, "chat.localhost").await;
    let promises = broken(&world, &spec, &["stack", "record"]).await;
    assert_eq!(
        promises.cause("record", "chat.localhost"),
        "the record was changed, or belongs to something else"
    );
    world.apply(&spec, &["--adopt"]).await;

    // Nobody is healthy.
    proxy.kill().await;
    world.in_service(0, &spec).await;
    let promises = broken(&world, &spec, &["targets", "route"]).await;
    let cause = promises.cause("targets", "default");
    assert!(cause.starts_with(&instance.id) && cause.contains("(Target."), "{cause}");
    assert_eq!(promises.cause("route", "443 /ws/"), "no target is healthy");
    let _proxy = world.run_proxy(&instance, BEHIND_ALB);
    world.in_service(1, &spec).await;

    // The load balancer may not reach the instance any more.
    world.revoke("default").await;
    world.in_service(0, &spec).await;
    let promises = broken(&world, &spec, &["stack", "targets", "route"]).await;
    assert_eq!(promises.cause("targets", "default"), "a security group lacks a rule of the spec's");
    assert_eq!(promises.cause("route", "443 /ws/"), "a security group lacks a rule of the spec's");
    world.apply(&spec, &[]).await;

    // The listener is gone.
    world.elbv2(&format!("Action=DeleteListener&ListenerArn={http}")).await;
    let promises = broken(&world, &spec, &["stack", "listener"]).await;
    assert_eq!(promises.cause("listener", "80"), "the load balancer has no listener on port 80");
    world.apply(&spec, &[]).await;
    is_kept(&world, &spec, &[]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_load_balancers_failures_are_told_apart() {
    let world = World::start().await;
    let instance = world.launch(1).await;
    let _chat = world.run_chat(&instance).await;
    let redirect = format!("redirect_http: true\nhttps_port: {}", 443 + world.offset);
    let proxy = world.run_proxy(&instance, &format!("accept: v2\n{redirect}"));
    let spec = world.spec("network", NETWORK);
    world.apply(&spec, &[]).await;
    let promises = is_kept(&world, &spec, &["--hold", "1s"]).await;
    assert_eq!(promises.found("client-address", "443"), "/ws/ names this client's address, 127.0.0.1");
    assert!(promises.found("idle-timeout", "443 /ws/").contains("the timeout is 350 s"), "{promises:?}");
    assert!(promises.found("redirect", "80").starts_with("301 to https://chat.localhost:"), "{promises:?}");

    // The header is switched off, and the proxy insists.
    let group = one(&world, "Action=DescribeTargetGroups", "TargetGroupArn").await;
    world
        .elbv2(&format!(
            "Action=ModifyTargetGroupAttributes&TargetGroupArn={group}\
             &Attributes.member.1.Key=proxy_protocol_v2.enabled&Attributes.member.1.Value=false"
        ))
        .await;
    let promises = broken(&world, &spec, &["stack", "route", "client-address", "redirect"]).await;
    let missing = "the proxy expects a PROXY header and the load balancer sends none";
    for (promise, subject) in [("route", "443 /ws/"), ("route", "443 /"), ("redirect", "80")] {
        assert_eq!((promises.cause(promise, subject), promises.causes(promise, subject)), (missing, 1));
    }
    let attribute = "the attribute proxy_protocol_v2.enabled is not as load_balancer.proxy_protocol says";
    assert_eq!(promises.cause("client-address", "443"), attribute);
    assert_eq!(promises.outcome("targets", "default"), "kept", "health checks carry no header that counts");
    world.apply(&spec, &[]).await;

    // What runs there expects the other version.
    proxy.kill().await;
    let proxy = world.run_proxy(&instance, &format!("accept: v1\n{redirect}"));
    world.in_service(1, &spec).await;
    let promises = broken(&world, &spec, &["route", "redirect"]).await;
    let unexpected =
        "the load balancer sends a PROXY header and what runs on the instances does not expect it";
    assert_eq!((promises.cause("route", "443 /ws/"), promises.causes("route", "443 /ws/")), (unexpected, 1));

    // Nobody is healthy.
    proxy.kill().await;
    world.in_service(0, &spec).await;
    let (code, promises) = world.probe(&spec, &[]).await;
    assert_eq!(code, 1);
    assert!(promises.cause("targets", "default").starts_with(&instance.id), "{promises:?}");
    assert_eq!(promises.cause("route", "443 /ws/"), "no target is healthy");
    // The reset may come while it still connects.
    let first = if promises.outcome("listener", "80") == "broken" { "listener" } else { "redirect" };
    assert_eq!(promises.cause(first, "80"), "no target is healthy");
    let _proxy = world.run_proxy(&instance, &format!("accept: v2\n{redirect}"));
    world.in_service(1, &spec).await;

    // Visitors may not reach the load balancer any more.
    world.revoke("elbws-network-ws-chat").await;
    let (code, promises) = world.probe(&spec, &[]).await;
    assert_eq!(code, 1);
    let first = if promises.outcome("listener", "443") == "broken" { "listener" } else { "tls-version" };
    assert_eq!(promises.cause(first, "443"), "a security group lacks a rule of the spec's");
    world.apply(&spec, &[]).await;
    is_kept(&world, &spec, &[]).await;
    world.stop().await;
}
