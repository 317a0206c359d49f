//! A stack from nothing, with its proxy, and what a second time does.

use crate::load::Load;
use crate::world::{SPEC, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_is_deployed_with_the_stack_and_once_only() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(2).await;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    world.forget_calls().await;
    let events = world.done(&["apply", spec]).await;
    world.policy_allows_what_was_called(spec).await;
    let planned = events.planned();
    for (instance, _) in &serving {
        assert!(planned.contains(&format!("create proxy/{}", instance.id)), "{planned:?}");
    }
    assert_eq!(events.installs().len(), 4, "{events:?}");
    let load = Load::start(&world, 4).await;
    load.until(|counts| counts.answered.len() == 2).await;
    load.finish().await.assert_unharmed();

    // Again: they are asked what they have, all of them at once, and nothing is sent to them.
    for verb in ["apply", "deploy"] {
        world.forget_calls().await;
        let events = world.done(&[verb, spec]).await;
        assert_eq!((events.planned(), events.installs()), (Vec::new(), Vec::new()), "{verb}");
        let asked = world.calls("ssm").await;
        assert_eq!(asked.iter().filter(|call| *call == "SendCommand").count(), 1, "{verb}: {asked:?}");
        assert!(!asked.contains(&"GetCommandInvocation".to_owned()), "{verb}: {asked:?}");
        assert_eq!(world.calls("s3").await, ["HeadObject"], "{verb}");
        assert_eq!(
            world.calls("elb").await.iter().find(|call| !call.starts_with("Describe")),
            None,
            "{verb}"
        );
    }

    // What is on the instances stays there.
    world.done(&["destroy", spec]).await;
    for (instance, _) in &serving {
        assert_eq!(world.run_on(instance, "systemctl is-active elbws-proxy").await, "active\n");
    }
    world.stop().await;
}
