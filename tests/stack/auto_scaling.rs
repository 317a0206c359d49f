//! Stacks whose instances are those of an Auto Scaling group.

use std::collections::BTreeSet;
use std::path::Path;

use elbws::provision::plan::{self, Adoption};

use crate::convergence::{apply_and_settle, converges, destroy};
use crate::iam_policy::allows_what_was_called;
use crate::v2::stacks::{APPLICATION, NETWORK};
use crate::world::{World, assert_same, certificate_files};

/// A Classic stack; `INSTANCES` gives way to who serves.
const CLASSIC: &str = "
stack: ws-group
instances: INSTANCES
load_balancer:
  type: classic
  name: ws-group
  listeners: [ { port: 80, protocol: tcp, instance_port: 80 } ]
";
pub(crate) const WORKERS: &str = "{ auto_scaling_group: workers }";
pub(crate) const BATCH: &str = "{ auto_scaling_group: batch }";
/// Its tag is that of the instances of the group `workers`.
const TAGGED: &str = "{ tags: { App: ws-workers } }";

/// The Classic stack with these instances.
pub(crate) fn classic(instances: &str) -> String {
    CLASSIC.replace("INSTANCES", instances)
}

/// A stack of `v2::stacks` with the group beside the instances that it has.
pub(crate) fn with_group(text: &str, group: &str) -> String {
    let instances = r#"instances: { ids: ["${one}"], tags: { App: ws-chat } }"#;
    assert!(text.contains(instances), "{text}");
    text.replace(
        instances,
        &format!(
            r#"instances: {{ ids: ["${{one}}"], tags: {{ App: ws-chat }}, auto_scaling_group: {group} }}"#
        ),
    )
}

/// The instances that are registered with the Classic load balancer.
fn registered(world: &World) -> BTreeSet<String> {
    let body = world.account.elb("Action=DescribeLoadBalancers&LoadBalancerNames.member.1=ws-group");
    ids(&body, "<InstanceId>")
}

/// What is between `open` and the next tag, everywhere.
fn ids(body: &str, open: &str) -> BTreeSet<String> {
    body.split(open).skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

fn members(world: &World, group: &str) -> BTreeSet<String> {
    world.members(group).into_iter().collect()
}

/// What a group is attached to.
fn attached(world: &World, group: &str) -> usize {
    let form = format!("Action=DescribeTrafficSources&AutoScalingGroupName={group}");
    world.account.auto_scaling(&form).matches("<Identifier>").count()
}

fn resize(world: &World, group: &str, size: u32) {
    world.account.auto_scaling(&format!(
        "Action=SetDesiredCapacity&AutoScalingGroupName={group}&DesiredCapacity={size}"
    ));
    assert_eq!(world.members(group).len(), size as usize);
}

#[test]
fn stacks_of_every_type_converge_and_leave_nothing() {
    let directory = certificate_files();
    converges("classic", directory.path(), &classic(WORKERS));
    converges(
        "union",
        directory.path(),
        &classic("{ ids: [\"${one}\"], tags: { App: ws-workers }, auto_scaling_group: workers }"),
    );
    converges("application", directory.path(), &with_group(APPLICATION, "workers"));
    converges("network", directory.path(), &with_group(NETWORK, "workers"));
}

#[test]
fn what_the_group_launches_later_comes_into_service_by_itself() {
    let text = classic(WORKERS);
    let world = World::for_spec(&text);
    let stack = world.stack(Path::new(""), &text);
    let plan = world.account.plan(&stack);
    let running: BTreeSet<String> = members(&world, "workers");
    assert_eq!(plan.targets, running);
    world.account.forget_calls();
    apply_and_settle(&world, &stack, "apply");
    let calls = world.account.calls();
    assert!(calls.iter().any(|call| call.operation == "AttachLoadBalancers"), "{calls:?}");
    assert!(!calls.iter().any(|call| call.operation == "RegisterInstancesWithLoadBalancer"), "{calls:?}");
    assert_eq!(registered(&world), running);

    resize(&world, "workers", 3);
    assert_eq!(registered(&world), members(&world, "workers"));
    let health = world.account.elb("Action=DescribeInstanceHealth&LoadBalancerName=ws-group");
    assert_eq!(health.matches("<State>InService</State>").count(), 3, "{health}");
    apply_and_settle(&world, &stack, "after a launch");
    let first = world.members("workers").remove(0);
    world.account.ec2(&format!("Action=TerminateInstances&InstanceId.1={first}"));
    let plan = world.account.plan(&stack);
    assert!(plan.steps.is_empty() && plan.changes.is_empty(), "{plan:#?}");
    assert_eq!(registered(&world), members(&world, "workers"));
    assert!(!registered(&world).contains(&first));
    resize(&world, "workers", 0);
    let plan = world.account.plan(&stack);
    // It stays admitted: who is launched next has the same security groups.
    assert!(plan.steps.is_empty(), "{plan:#?}");
    assert!(plan.warnings.iter().any(|warning| warning.contains("workers has no instance yet")), "{plan:#?}");
    destroy(&world, &stack, "destroy");
    assert_eq!(attached(&world, "workers"), 0);
}

#[test]
fn another_group_takes_over_and_then_none_is_left() {
    let texts = [classic(WORKERS), classic(BATCH), classic(TAGGED), classic(WORKERS)];
    let world = World::for_spec(&texts[0]);
    let before = world.everything();
    let [workers, batch, tagged, again] = texts.each_ref().map(|text| world.stack(Path::new(""), text));
    apply_and_settle(&world, &workers, "workers");

    let plan = world.account.plan(&batch);
    let expected = ["create auto-scaling-group/batch: state", "delete auto-scaling-group/workers: state"];
    assert_eq!(world.changes(&plan), expected.map(str::to_owned).into());
    apply_and_settle(&world, &batch, "batch");
    assert_eq!((attached(&world, "workers"), attached(&world, "batch")), (0, 1));
    assert_eq!(registered(&world), members(&world, "batch"));

    apply_and_settle(&world, &workers, "back");
    // The same instances stay, one by one: what AWS deregisters with the group is registered again.
    world.account.forget_calls();
    apply_and_settle(&world, &tagged, "by tags");
    allows_what_was_called(&world, &[&workers, &tagged], "by tags");
    assert_eq!((attached(&world, "workers"), attached(&world, "batch")), (0, 0));
    assert_eq!(registered(&world), members(&world, "workers"));
    resize(&world, "workers", 3);
    assert_ne!(registered(&world), members(&world, "workers"));
    resize(&world, "workers", 2);

    apply_and_settle(&world, &again, "again");
    destroy(&world, &again, "destroy");
    let groups = |facts: Vec<String>| -> Vec<String> {
        facts
            .into_iter()
            .filter(|fact| fact.contains("TrafficSources") || fact.contains("LoadBalancer"))
            .collect()
    };
    assert_same(&groups(before), &groups(world.everything()), "destroyed");
}

#[test]
fn a_target_group_that_is_made_again_has_the_group_attached_first() {
    let directory = certificate_files();
    let text = with_group(APPLICATION, "workers");
    let world = World::for_spec(&text);
    let before = world.everything();
    let stack = world.stack(directory.path(), &text);
    apply_and_settle(&world, &stack, "apply");
    assert_eq!(attached(&world, "workers"), 2);
    let moved = world.stack(directory.path(), &text.replace("ws: { port: 9000", "ws: { port: 9001"));
    apply_and_settle(&world, &moved, "another port");
    assert_eq!(attached(&world, "workers"), 2);
    let without = APPLICATION.replace("ws: { port: 9000", "ws: { port: 9001");
    let without = world.stack(directory.path(), &without);
    let plan = world.account.plan(&without);
    let expected =
        ["delete auto-scaling-group/web/workers: state", "delete auto-scaling-group/ws/workers: state"];
    assert_eq!(world.changes(&plan), expected.map(str::to_owned).into());
    apply_and_settle(&world, &without, "without");
    assert_eq!(attached(&world, "workers"), 0);
    destroy(&world, &without, "destroy");
    assert_same(&before, &world.everything(), "destroyed");
}

#[test]
fn what_somebody_else_has_attached_stays_until_the_spec_names_it() {
    let world = World::for_spec("");
    let (alone, named) =
        (classic("{ ids: [\"${one}\"] }"), classic("{ ids: [\"${one}\"], auto_scaling_group: batch }"));
    let (alone, named) = (world.stack(Path::new(""), &alone), world.stack(Path::new(""), &named));
    apply_and_settle(&world, &alone, "alone");
    world.account.auto_scaling(
        "Action=AttachLoadBalancers&AutoScalingGroupName=batch&LoadBalancerNames.member.1=ws-group",
    );
    apply_and_settle(&world, &alone, "beside it");
    assert_eq!(attached(&world, "batch"), 1);
    let plan = world.account.plan(&named);
    assert!(world.changes(&plan).contains("update auto-scaling-group/batch: owner"), "{plan:#?}");
    apply_and_settle(&world, &named, "named");
    apply_and_settle(&world, &alone, "and no longer");
    assert_eq!(attached(&world, "batch"), 0);
    destroy(&world, &alone, "destroy");
}

#[test]
fn what_cannot_be_attached_is_refused_with_a_hint() {
    let world = World::for_spec("");
    let refused = |text: &str| {
        let stack = world.stack(Path::new(""), text);
        let errors = plan::plan(&stack, &world.account.observe(&stack), Adoption::Refuse).unwrap_err();
        let told: Vec<String> = errors.iter().map(|error| format!("{error}; {}", error.hint())).collect();
        told.join("\n")
    };
    let told = refused(&classic("{ auto_scaling_group: nobody }"));
    assert!(
        told.starts_with(
            "instances.auto_scaling_group: there is no Auto Scaling group nobody in us-east-1; check"
        ),
        "{told}"
    );
    let told = refused(
        "
stack: ws-group
instances: { auto_scaling_group: workers }
load_balancer:
  type: network
  listeners: [ { port: 80, protocol: tcp, target_group: web } ]
  target_groups: { web: { port: 80, ports: [8080] } }
",
    );
    assert!(told.contains("load_balancer.target_groups.web: an Auto Scaling group registers"), "{told}");
}

#[test]
fn a_group_that_is_gone_is_no_obstacle() {
    let text = classic("{ ids: [\"${one}\"], auto_scaling_group: batch }");
    let world = World::for_spec(&text);
    let (stack, alone) =
        (world.stack(Path::new(""), &text), world.stack(Path::new(""), &classic("{ ids: [\"${one}\"] }")));
    apply_and_settle(&world, &stack, "apply");
    world.account.auto_scaling("Action=DeleteAutoScalingGroup&AutoScalingGroupName=batch&ForceDelete=true");
    apply_and_settle(&world, &alone, "without it");
    destroy(&world, &alone, "destroy");
}
