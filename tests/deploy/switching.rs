//! The PROXY header turned on and off behind visitors who stay.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::load::Load;
use crate::world::{Events, Instance, SPEC, World};

const INSTANCES: u8 = 2;

/// The spec with the header on or off.
fn spec(world: &World, kind: &str, header: bool) -> PathBuf {
    let balancer = format!("load_balancer: {{ type: {kind}, proxy_protocol: {header} }}");
    let text = SPEC.replace("load_balancer: { type: classic }", &balancer);
    assert_ne!(text, SPEC);
    world.spec(&format!("{kind}-{header}"), &text)
}

/// What the proxy on an instance says of the header: what it accepts, and until when it is optional.
async fn says(world: &World, instance: &Instance) -> (String, Value) {
    let out = world.run_on(instance, "curl --silent --fail http://127.0.0.1:9145/status").await;
    let status: Value = serde_json::from_str(&out).expect(&out);
    let configuration = &status["configuration"];
    (configuration["accept"].as_str().unwrap().to_owned(), configuration["header_optional_until"].clone())
}

async fn apply(world: &World, kind: &str, header: bool) -> Events {
    world.done(&["apply", spec(world, kind, header).to_str().unwrap()]).await
}

/// Whether every proxy is strict, and nothing is left to do.
async fn assert_settled(world: &World, instances: &[&Instance], (kind, header): (&str, bool), strict: &str) {
    for instance in instances {
        assert_eq!(says(world, instance).await, (strict.to_owned(), Value::Null));
    }
    assert_eq!(apply(world, kind, header).await.planned(), Vec::<String>::new());
}

/// Turns the header on and off again under so many WebSockets and steady requests.
async fn on_and_off(kind: &str, version: &str, turned: &str, tunnels: usize) {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(INSTANCES).await;
    let instances: Vec<&Instance> = serving.iter().map(|(instance, _)| instance).collect();
    apply(&world, kind, false).await;
    let load = Load::start(&world, tunnels).await;
    for (header, strict) in [(true, version), (false, "off")] {
        let plan = world.run(&["plan", spec(&world, kind, header).to_str().unwrap()]).await;
        let plan = String::from_utf8(plan.stdout).unwrap();
        assert!(plan.contains("in steps, with nobody turned away"), "{plan}");
        assert!(!plan.contains("This plan"), "it disturbs nobody: {plan}");
        let events = apply(&world, kind, header).await;
        assert!(events.planned().iter().any(|change| change.contains(turned)), "{events:?}");
        assert_settled(&world, &instances, (kind, header), strict).await;
        let met = load.so_far().answered.values().sum::<usize>();
        load.until(|counts| counts.answered.values().sum::<usize>() > met + 20).await;
    }
    load.finish().await.assert_unharmed();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_classic_load_balancer_s_header_is_switched_under_500_websockets() {
    on_and_off("classic", "v1", "backend-policies/80", 500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_load_balancer_s_header_is_switched_under_load() {
    on_and_off("network", "v2", "target-group/", 50).await;
}

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
enum At {
    Started(usize),
    Finished(usize),
}

impl At {
    fn is(self, event: &Value) -> bool {
        let (word, count) = match self {
            Self::Started(step) => ("step-started", step),
            Self::Finished(step) => ("step-finished", step),
        };
        event["event"] == word && event["step"] == count
    }
}

/// Applies, and kills that in the middle; says whether it came so far.
async fn killed(world: &World, header: bool, at: At) -> bool {
    let spec = spec(world, "classic", header);
    let arguments = ["apply", spec.to_str().unwrap(), "--yes", "--output", "json"];
    let mut running = world.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if at.is(&serde_json::from_str(&line).unwrap()) {
            running.kill().await.unwrap();
            return true;
        }
    }
    running.wait().await.unwrap();
    false
}

/// Both ways, killed at the beginning of every step one way and at its end the other, and then run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_is_killed_anywhere_goes_on_and_harms_nobody() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(1).await;
    let (instance, _) = &serving[0];
    apply(&world, "classic", false).await;
    let load = Load::start(&world, 20).await;
    let mut step = 0;
    let mut header = true;
    loop {
        let mut came_so_far = false;
        for at in [At::Started(step), At::Finished(step)] {
            came_so_far |= killed(&world, header, at).await;
            apply(&world, "classic", header).await;
            let strict = if header { "v1" } else { "off" };
            assert_eq!(says(&world, instance).await, (strict.to_owned(), Value::Null), "{at:?}");
            assert!(load.so_far().failures.is_empty(), "{at:?}, header {header}: {:#?}", load.so_far());
            header = !header;
        }
        if !came_so_far {
            break;
        }
        step += 1;
    }
    assert!(step >= 6, "there are six steps: {step}");
    load.finish().await.assert_unharmed();
    world.stop().await;
}
