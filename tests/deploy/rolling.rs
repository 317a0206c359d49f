//! Another build onto instances that serve: nobody notices.

use elbws::provision::resource::sha256_of;

use crate::load::Load;
use crate::programs::{proxy, rebuilt};
use crate::world::{SPEC, World};

const TUNNELS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_are_updated_one_at_a_time_without_a_message_lost() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(2).await;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let first = proxy(world.directory());
    let second = rebuilt(&first, 2);
    world.done(&["apply", spec, "--proxy-binary", first.to_str().unwrap()]).await;

    let load = Load::start(&world, TUNNELS).await;
    let events = world.done(&["deploy", spec, "--proxy-binary", second.to_str().unwrap()]).await;
    let before = load.so_far();
    load.until(|counts| counts.echoed > before.echoed + TUNNELS && counts.answered.len() == 2).await;
    load.finish().await.assert_unharmed();

    let [(one, true), (also_one, false), (other, true), (also_other, false)] = &events.installs()[..] else {
        panic!("one after the other: {events:?}");
    };
    assert!(one == also_one && other == also_other && one != other, "{events:?}");
    let hash = sha256_of(std::fs::read(&second).unwrap());
    for (instance, _) in &serving {
        assert_eq!(world.running(instance).await, hash);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_are_updated_at_the_same_time_as_may_be_unavailable() {
    let Some(world) = World::start().await else { return };
    let _serving = world.launch_serving(3).await;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let first = proxy(world.directory());
    let second = rebuilt(&first, 2);
    let two = ["--max-unavailable", "2", "--proxy-binary"];
    let events = world.done(&[&["apply", spec], &two[..], &[first.to_str().unwrap()]].concat()).await;
    assert_eq!(most_at_once(&events.installs()), 2, "{events:?}");

    let load = Load::start(&world, TUNNELS).await;
    let events = world.done(&[&["deploy", spec], &two[..], &[second.to_str().unwrap()]].concat()).await;
    load.finish().await.assert_unharmed();
    assert_eq!(events.installs().len(), 6, "{events:?}");
    assert_eq!(most_at_once(&events.installs()), 2, "{events:?}");
    world.stop().await;
}

/// How many were under way at the same time.
fn most_at_once(installs: &[(String, bool)]) -> usize {
    let mut most = 0;
    let mut running = 0_usize;
    for (_, begun) in installs {
        running = if *begun { running + 1 } else { running - 1 };
        most = most.max(running);
    }
    most
}
