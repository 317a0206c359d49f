//! Who gets a client's requests: weights, turns, and cookies that keep them together.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tokio::net::TcpStream;

use super::application::{GET, SWITCH, UPGRADE, ask, serve, start};
use super::changes::echoes;
use super::http::{head, send};
use super::rig::{OFFSET, Rig, within};

fn cookies(head: &str) -> Vec<String> {
    let set = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    // Names of cookies keep their case, so that they are put back into it.
    set.map(|cookie| cookie.split(';').next().unwrap().to_owned())
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => format!("{}={value}", name.to_uppercase()),
            None => pair,
        })
        .collect()
}

fn get_with(cookies: &[String]) -> String {
    format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", cookies.join("; "))
}

#[tokio::test]
async fn weights_share_requests_and_cookies_keep_clients_with_groups_and_targets() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (mut instances, web, listener) = start(&balancer, 3).await;
    let new = rig.target_group("new", "HTTP", "");
    let third = instances.pop().unwrap();
    rig.deregister_targets(&web, &[&third]);
    rig.register_targets(&new, &[&third]);
    let second = instances.pop().unwrap();
    let _serving = [serve("one", instances.pop().unwrap()), serve("two", second), serve("new", third)];
    let mut names = vec![ask(listener.address, GET).await.1, ask(listener.address, GET).await.1];
    names.sort();
    assert_eq!(names, ["one", "two"], "they take turns");

    rig.group_attribute(&web, "stickiness.enabled", "true");
    let (head, first) = ask(listener.address, GET).await;
    let kept: Vec<String> =
        cookies(&head).into_iter().filter(|cookie| cookie.starts_with("AWSALB=")).collect();
    assert_eq!(kept.len(), 1, "{head}");
    assert!(head.contains("awsalbcors=") && head.contains("; samesite=none"), "{head}");
    for _ in 0..4 {
        assert_eq!(ask(listener.address, &get_with(&kept)).await.1, first);
    }
    rig.group_attribute(&web, "stickiness.app_cookie.cookie_name", "APP");
    rig.group_attribute(&web, "stickiness.type", "app_cookie");
    let (head, first) = ask(listener.address, GET).await;
    let both = cookies(&head);
    assert!(both.iter().any(|cookie| cookie.starts_with("AWSALBAPP-0=")), "{head}");
    for _ in 0..4 {
        assert_eq!(ask(listener.address, &get_with(&both)).await.1, first);
    }

    rig.group_attribute(&web, "stickiness.enabled", "false");
    let mut form =
        format!("Action=ModifyListener&ListenerArn={}&DefaultActions.member.1.Type=forward", listener.arn);
    let config = "&DefaultActions.member.1.ForwardConfig";
    for (index, (arn, weight)) in [(&web, 3), (&new, 1)].into_iter().enumerate() {
        let member = format!("{config}.TargetGroups.member.{}", index + 1);
        write!(form, "{member}.TargetGroupArn={arn}{member}.Weight={weight}").unwrap();
    }
    rig.v2(&form);
    let mut of_new = 0;
    for _ in 0..8 {
        of_new += usize::from(ask(listener.address, GET).await.1 == "new");
    }
    assert_eq!(of_new, 2);
    write!(form, "{config}.TargetGroupStickinessConfig.Enabled=true{config}.TargetGroupStickinessConfig.DurationSeconds=60").unwrap();
    rig.v2(&form);
    let (head, first) = ask(listener.address, GET).await;
    let kept: Vec<String> =
        cookies(&head).into_iter().filter(|cookie| cookie.starts_with("AWSALBTG=")).collect();
    for _ in 0..4 {
        let name = ask(listener.address, &get_with(&kept)).await.1;
        assert_eq!(name == "new", first == "new", "{name} and {first}");
    }
}

#[tokio::test]
async fn an_open_websocket_counts_where_the_fewest_outstanding_requests_decide() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (mut instances, web, listener) = start(&balancer, 2).await;
    rig.group_attribute(&web, "load_balancing.algorithm.type", "least_outstanding_requests");
    let mut client = TcpStream::connect(listener.address).await.unwrap();
    send(&mut client, UPGRADE).await;
    let (mut served, busy) = tokio::select! {
        served = instances[0].accept_forever() => (served, 0),
        served = instances[1].accept_forever() => (served, 1),
    };
    within(head(&mut served)).await;
    send(&mut served, SWITCH).await;
    head(&mut client).await;
    let free = instances.remove(1 - busy);
    let _serving = [serve("free", free), serve("busy", instances.remove(0))];
    for _ in 0..4 {
        assert_eq!(ask(listener.address, GET).await.1, "free");
    }
    echoes(&mut client, &mut served).await;
    drop((client, served));
    // Once it has ended both are asked, and where chance decides, too.
    for algorithm in ["least_outstanding_requests", "weighted_random"] {
        rig.group_attribute(&web, "load_balancing.algorithm.type", algorithm);
        let mut seen = BTreeSet::new();
        within(async {
            while seen.len() < 2 {
                seen.insert(ask(listener.address, GET).await.1);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn connections_are_shared_by_weight_as_well() {
    let rig = Rig::start();
    let balancer = rig.balancer("network");
    let instances = [rig.launch().await, rig.launch().await];
    let groups = ["blue", "green"].map(|name| rig.target_group(name, "TCP", ""));
    let mut action = "&DefaultActions.member.1.Type=forward".to_owned();
    for (index, ((group, instance), weight)) in groups.iter().zip(&instances).zip([3, 1]).enumerate() {
        rig.register_targets(group, &[instance]);
        let member = format!("&DefaultActions.member.1.ForwardConfig.TargetGroups.member.{}", index + 1);
        write!(action, "{member}.TargetGroupArn={group}{member}.Weight={weight}").unwrap();
    }
    let listener = balancer.listen_with("TCP", 80, &action).await;
    assert_eq!(listener.address.port(), 80 + OFFSET);
    let mut came = [0, 0];
    for _ in 0..8 {
        let _client = TcpStream::connect(listener.address).await.unwrap();
        let served = within(async {
            tokio::select! {
                served = instances[0].accept_forever() => (served, 0),
                served = instances[1].accept_forever() => (served, 1),
            }
        });
        came[served.await.1] += 1;
    }
    assert_eq!(came, [6, 2]);
}
