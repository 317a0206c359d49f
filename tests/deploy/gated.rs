//! What stands between one instance and the next: the load balancer's own word.

use elbws::provision::resource::sha256_of;

use crate::account::{REGION, text};
use crate::programs::{proxy, rebuilt};
use crate::world::{SPEC, World};

/// Takes the load balancer's way to the instances.
async fn shut_off(world: &World) {
    let form = "Action=DescribeSecurityGroups&Filter.1.Name=group-name&Filter.1.Value.1=default";
    let groups = world.client.ec2(REGION, form).await.unwrap();
    let group = text(&groups, "groupId");
    let form = format!("Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={group}");
    let rules = world.client.ec2(REGION, &form).await.unwrap();
    for rule in rules.split("<item>").filter(|rule| rule.contains("<isEgress>false")) {
        let rule = text(rule, "securityGroupRuleId");
        let form = format!("Action=RevokeSecurityGroupIngress&GroupId={group}&SecurityGroupRuleId.1={rule}");
        world.client.ec2(REGION, &form).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_the_load_balancer_finds_unhealthy_stops_the_rollout() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(2).await;
    let [(one, _), (other, _)] = &serving[..] else { unreachable!() };
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let first = proxy(world.directory());
    let second = rebuilt(&first, 2);
    let hashes = [&first, &second].map(|program| sha256_of(std::fs::read(program).unwrap()));
    world.done(&["apply", spec, "--proxy-binary", first.to_str().unwrap()]).await;

    shut_off(&world).await;
    let out_of_service = async {
        loop {
            let status = world.run(&["status", spec, "--output", "json"]).await;
            if !String::from_utf8_lossy(&status.stdout).contains("InService") {
                return;
            }
        }
    };
    tokio::time::timeout(crate::running::PATIENCE, out_of_service).await.expect("they fail their checks");
    let with = ["--proxy-binary", second.to_str().unwrap()];
    let said = world.fails(&[&["deploy", spec, "--yes", "--timeout", "2s"], &with[..]].concat(), 1).await;
    let reason = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.";
    let told = format!("the proxy runs on {}, but after 2 s {} is OutOfService ({reason})", one.id, one.id);
    assert!(said.contains(&told), "{said}");
    let whereabouts = format!(
        "the proxy that runs now:\n  {}: the new one, which the load balancer finds unhealthy\n  {}: what it ran before\n",
        one.id, other.id
    );
    assert!(said.contains(&whereabouts), "{said}");
    assert_eq!(
        [world.running(one).await, world.running(other).await],
        [hashes[1].clone(), hashes[0].clone()]
    );

    // `apply` lets the load balancer in again, and goes on with the next instance.
    let events = world.done(&[&["apply", spec], &with[..]].concat()).await;
    assert_eq!(events.installs(), [(other.id.clone(), true), (other.id.clone(), false)]);
    assert_eq!(world.running(other).await, hashes[1]);
    world.stop().await;
}
