//! An Auto Scaling group's instances: those that it has, and one that it launches later.

use std::collections::BTreeSet;

use crate::account::{REGION, ask, signed};
use crate::load::Load;
use crate::world::{Instance, SPEC, World};

const GROUP: &str = "web";

async fn auto_scaling(world: &World, form: &str) {
    let headers = format!("{}Content-Type: application/x-www-form-urlencoded\r\n", signed("autoscaling"));
    let (status, answer) =
        ask(&world.endpoint, "POST /", &headers, &format!("{form}&Version=2011-01-01")).await;
    assert_eq!(status, 200, "{form}: {answer}");
}

/// The instances that run.
async fn members(world: &World) -> Vec<Instance> {
    let instances = world.client.instances().await.unwrap().into_iter();
    instances.map(|found| Instance { id: found.id, address: found.address }).collect()
}

fn ids(instances: &[Instance]) -> BTreeSet<String> {
    instances.iter().map(|instance| instance.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_groups_instances_get_the_proxy_and_one_that_is_launched_later_does_with_the_next_deploy() {
    let Some(world) = World::start().await else { return };
    auto_scaling(
        &world,
        "Action=CreateLaunchConfiguration&LaunchConfigurationName=web&ImageId=ami-0123456789abcdef0\
         &InstanceType=t3.micro&IamInstanceProfile=ws-chat",
    )
    .await;
    auto_scaling(
        &world,
        &format!(
            "Action=CreateAutoScalingGroup&AutoScalingGroupName={GROUP}&LaunchConfigurationName=web&MinSize=0&MaxSize=5\
             &DesiredCapacity=2&AvailabilityZones.member.1={REGION}a"
        ),
    )
    .await;
    let first = members(&world).await;
    assert_eq!(first.len(), 2);
    let mut applications = Vec::new();
    for instance in &first {
        applications.push(world.serve(instance).await);
    }
    let text = SPEC.replace("{ tags: { App: ws-chat } }", &format!("{{ auto_scaling_group: {GROUP} }}"));
    let spec = world.spec("chat", &text);
    let spec = spec.to_str().unwrap();
    world.forget_calls().await;
    let events = world.done(&["apply", spec]).await;
    world.policy_allows_what_was_called(spec).await;
    let installed = |events: &crate::world::Events| -> BTreeSet<String> {
        events.installs().into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(installed(&events), ids(&first));

    let load = Load::start(&world, 4).await;
    load.until(|counts| counts.answered.len() == 2).await;
    auto_scaling(
        &world,
        &format!("Action=SetDesiredCapacity&AutoScalingGroupName={GROUP}&DesiredCapacity=3"),
    )
    .await;
    let mut added = members(&world).await;
    added.retain(|instance| !first.contains(instance));
    assert_eq!(added.len(), 1);
    for instance in &added {
        applications.push(world.serve(instance).await);
    }
    let events = world.done(&["deploy", spec]).await;
    assert_eq!(installed(&events), ids(&added));
    load.until(|counts| counts.answered.len() == 3).await;
    load.finish().await.assert_unharmed();
    world.stop().await;
}
