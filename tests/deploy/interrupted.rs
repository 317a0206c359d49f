//! A deploy that is interrupted: by Ctrl-C, and by a kill that it cannot answer.

use std::process::Stdio;
use std::time::Duration;

use elbws::provision::resource::sha256_of;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::load::Load;
use crate::programs::{proxy, rebuilt};
use crate::running::{PATIENCE, send};
use crate::world::{Instance, SPEC, World};

const TUNNELS: usize = 10;

/// Two instances that serve, in the order of their turns.
async fn instances(world: &World) -> (Vec<Instance>, Vec<crate::application::Application>) {
    world.launch_serving(2).await.into_iter().unzip()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_lets_the_current_instance_come_to_its_end_and_the_next_run_goes_on() {
    let Some(world) = World::start().await else { return };
    let (instances, _applications) = instances(&world).await;
    let [one, other] = &instances[..] else { unreachable!() };
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let first = proxy(world.directory());
    let second = rebuilt(&first, 2);
    let hashes = [&first, &second].map(|program| sha256_of(std::fs::read(program).unwrap()));
    world.done(&["apply", spec, "--proxy-binary", first.to_str().unwrap()]).await;

    let load = Load::start(&world, TUNNELS).await;
    let deploy = ["deploy", spec, "--proxy-binary", second.to_str().unwrap(), "--yes", "--output", "json"];
    let mut child = world.command(&deploy).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = format!("\"proxy/{}\"", one.id);
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line in time").unwrap();
        let line = line.expect("the install begins");
        if line.contains("step-started") && line.contains(&begun) {
            break;
        }
    }
    send(&child, nix::sys::signal::Signal::SIGINT);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(errors.contains("interrupted: waiting for the calls in flight"), "{errors}");
    assert!(errors.contains(&format!("these remain:\n  install the proxy on {}\n", other.id)), "{errors}");
    let whereabouts =
        format!("the proxy that runs now:\n  {}: the new one\n  {}: what it ran before\n", one.id, other.id);
    assert!(errors.contains(&whereabouts), "{errors}");
    assert!(errors.contains("hint: run it again: it goes on from what was done"), "{errors}");
    let running = [world.running(one).await, world.running(other).await];
    assert_eq!(running, [hashes[1].clone(), hashes[0].clone()]);

    let events = world.done(&deploy[..4]).await;
    assert_eq!(events.installs(), [(other.id.clone(), true), (other.id.clone(), false)]);
    load.finish().await.assert_unharmed();
    assert_eq!(world.running(other).await, hashes[1]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_the_next_run_comes_to_the_same_end() {
    let Some(world) = World::start().await else { return };
    let (instances, _applications) = instances(&world).await;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let program = proxy(world.directory());
    world.done(&["apply", spec, "--proxy-binary", program.to_str().unwrap()]).await;
    let load = Load::start(&world, TUNNELS).await;

    // With the upload, with the first script, and with the second one.
    for (build, (service, operation, nth)) in
        (2..).zip([("s3", "PutObject", 1), ("ssm", "SendCommand", 2), ("ssm", "SendCommand", 3)])
    {
        let newer = rebuilt(&program, build);
        let deploy = ["deploy", spec, "--proxy-binary", newer.to_str().unwrap()];
        world.forget_calls().await;
        let mut child = world.command(&[&deploy[..], &["--yes"]].concat());
        let mut child = child.stdout(Stdio::null()).spawn().unwrap();
        let called = async {
            while world.calls(service).await.iter().filter(|call| *call == operation).count() < nth {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, called).await.expect("it is called");
        child.start_kill().unwrap();
        let status = child.wait().await.unwrap();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
        assert_eq!(status.code(), None, "killed after {operation} {nth}: {errors}");

        world.done(&deploy).await;
        let hash = sha256_of(std::fs::read(&newer).unwrap());
        for instance in &instances {
            assert_eq!(world.running(instance).await, hash, "killed after {operation} {nth}");
        }
        let again = world.done(&deploy).await;
        assert_eq!(again.planned(), Vec::<String>::new(), "killed after {operation} {nth}");
    }
    load.finish().await.assert_unharmed();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_waits_for_the_one_that_is_at_work_on_the_instance() {
    let Some(world) = World::start().await else { return };
    let (instances, _applications) = instances(&world).await;
    let [one, _] = &instances[..] else { unreachable!() };
    let spec = world.spec("chat", SPEC);
    let program = proxy(world.directory());
    let apply = ["apply", spec.to_str().unwrap(), "--proxy-binary", program.to_str().unwrap()];
    let at_work = world.run_on(
        one,
        "exec 9>/run/elbws-install.lock; flock 9; touch /run/at-work; until [ -e /run/done ]; do sleep 0.1; done",
    );
    let another = async {
        world.run_on(one, "until [ -e /run/at-work ]; do sleep 0.1; done").await;
        let waits = async {
            world.run_on(one, "until cat /proc/[0-9]*/comm | grep -qx flock; do sleep 0.1; done").await;
            assert_eq!(world.run_on(one, "ls /usr/local/bin").await, "");
            world.run_on(one, "touch /run/done").await;
        };
        tokio::join!(world.done(&apply), waits);
    };
    tokio::join!(at_work, another);
    assert_eq!(world.running(one).await, sha256_of(std::fs::read(&program).unwrap()));
    world.stop().await;
}
