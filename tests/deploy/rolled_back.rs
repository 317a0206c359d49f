//! What does not serve: instances go back to what they had, visitors notice nothing, and the user is told.

use std::path::Path;

use elbws::provision::resource::sha256_of;

use crate::load::Load;
use crate::programs::{Broken, broken, proxy, rebuilt};
use crate::world::{Instance, SPEC, World};

const TUNNELS: usize = 10;

fn hash_of(program: &Path) -> String {
    sha256_of(std::fs::read(program).unwrap())
}

/// Says of the instances, in the order of their turns, what runs on them.
async fn running(world: &World, instances: &[Instance]) -> Vec<String> {
    let mut hashes = Vec::new();
    for instance in instances {
        hashes.push(world.running(instance).await);
    }
    hashes
}

/// Deploys a broken program onto two instances that serve, and then a good one.
async fn goes_back(how: Broken, words: &[&str], runs: &str) {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(2).await;
    // Their turns come in the order of their ids.
    let instances: Vec<Instance> = serving.iter().map(|(instance, _)| instance.clone()).collect();
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let first = proxy(world.directory());
    world.done(&["apply", spec, "--proxy-binary", first.to_str().unwrap()]).await;

    let load = Load::start(&world, TUNNELS).await;
    let bad = broken(world.directory(), how);
    let said = world.fails(&["deploy", spec, "--yes", "--proxy-binary", bad.to_str().unwrap()], 1).await;
    let [one, other] = &instances[..] else { unreachable!() };
    for words in words {
        assert!(said.contains(words), "{how:?}: no {words:?} in {said}");
    }
    let whereabouts =
        format!("the proxy that runs now:\n  {}: {runs}\n  {}: what it ran before\n", one.id, other.id);
    assert!(said.contains(&whereabouts), "{how:?}: {said}");
    assert!(said.contains(&format!("these remain:\n  install the proxy on {}\n", other.id)), "{said}");
    assert_eq!(running(&world, &instances).await, vec![hash_of(&first); 2], "{how:?}: {said}");

    let second = rebuilt(&first, 2);
    world.done(&["deploy", spec, "--proxy-binary", second.to_str().unwrap()]).await;
    load.finish().await.assert_unharmed();
    assert_eq!(running(&world, &instances).await, vec![hash_of(&second); 2], "{how:?}");
    world.stop().await;
}

/// What the script says of a program that took its configuration.
const ROLLED_BACK: [&str; 4] = [
    ": the new proxy does not serve: it was rolled back, and the previous one serves\n    | ",
    "    | elbws: elbws-proxy does not serve; its last words:\n",
    "    | elbws: went back to the previous version, which serves\n",
    "hint: the instances that were not reached keep what they run: mend it, and run it again",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_dies_is_rolled_back_and_nobody_notices() {
    let words = [&ROLLED_BACK[..], &["]: this build dies\n"]].concat();
    goes_back(Broken::Dies, &words, "what it ran before: it was rolled back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_hangs_is_rolled_back_and_nobody_notices() {
    let words = [&ROLLED_BACK[..], &["]: this build hangs\n"]].concat();
    goes_back(Broken::Hangs, &words, "what it ran before: it was rolled back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_refuses_its_configuration_is_never_started() {
    let words = [
        ": the proxy was not installed, and nothing was changed\n",
        "    | this build refuses\n",
        "    | elbws: elbws-proxy refuses its configuration, or is not made for ",
    ];
    goes_back(Broken::Refuses, &words, "what it ran before").await;
}

/// The configuration is good, but not on one of the instances: something else has the port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_cannot_be_served_is_rolled_back_with_the_service_up() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(2).await;
    let [(one, _), (other, _)] = &serving[..] else { unreachable!() };
    let spec = world.spec("chat", SPEC);
    let program = proxy(world.directory());
    let with = ["--proxy-binary", program.to_str().unwrap()];
    world.done(&[&["apply", spec.to_str().unwrap()], &with[..]].concat()).await;
    let before = world.run_on(one, "sha256sum /etc/elbws/proxy.yaml").await;

    let taken = "perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 1, LocalAddr => q(127.0.0.1), \
                 LocalPort => 9777) or die; open F, q(>), q(/run/up); sleep 6000' & echo $! >/run/pid; \
                 while [ ! -e /run/up ]; do sleep 0.05; done";
    world.run_on(one, taken).await;
    let moved =
        world.spec("moved", &SPEC.replace("  drain: 2s\n", "  drain: 2s\n  metrics: 127.0.0.1:9777\n"));
    let deploy = [&["deploy", moved.to_str().unwrap()], &with[..]].concat();
    let load = Load::start(&world, TUNNELS).await;
    let said = world.fails(&[&deploy[..], &["--yes"]].concat(), 1).await;
    assert!(said.contains("drops connections"), "{said}");
    for words in ROLLED_BACK {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert!(said.contains("127.0.0.1:9777"), "{said}");
    assert!(said.contains(&format!("  {}: what it ran before\n", other.id)), "{said}");
    assert_eq!(world.run_on(one, "sha256sum /etc/elbws/proxy.yaml").await, before);
    let counts = load.finish().await;
    // The plan says it: WebSockets on an instance that is restarted end, with what is on its way just then. A port that is
    // closed inside is closed outside a moment later, so that a few visitors are accepted and then sent away.
    let answered: usize = counts.answered.values().sum();
    let turned_away = counts.failed_requests + counts.failed_connects;
    assert!(counts.closed <= TUNNELS && counts.damaged == 0, "{counts:#?}");
    assert!(turned_away * 10 < answered, "{counts:#?}");

    world.run_on(one, "kill $(cat /run/pid)").await;
    let events = world.done(&deploy).await;
    assert_eq!(events.installs().len(), 4, "{events:?}");
    world.stop().await;
}
