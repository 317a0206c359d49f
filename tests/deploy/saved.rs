//! A plan that is saved and applied later: it names the program, and holds no secret.

use std::fs;

use elbws::provision::resource::sha256_of;

use crate::programs::{proxy, rebuilt};
use crate::world::{SPEC, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_plan_is_for_the_program_that_it_names() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(1).await;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let program = proxy(world.directory());
    let content = fs::read(&program).unwrap();
    let hash = sha256_of(&content);
    let saved = world.directory().join("plan.json");
    let saved_path = saved.to_str().unwrap();
    let plan = ["plan", spec, "--out", saved_path, "--proxy-binary", program.to_str().unwrap()];
    assert_eq!(world.run(&plan).await.status.code(), Some(0));
    let text = fs::read_to_string(&saved).unwrap();
    assert!(text.contains(&hash) && text.contains(program.to_str().unwrap()), "{text}");
    assert!(!text.contains("X-Amz-") && !text.contains("http://127.0.0.1:4"), "{text}");

    // Another program at its path is not what was agreed to.
    let other = fs::read(rebuilt(&program, 2)).unwrap();
    fs::write(&program, other).unwrap();
    let said = world.fails(&["apply", saved_path, "--yes"], 1).await;
    assert!(said.contains(&format!("{} has changed since the plan was made", program.display())), "{said}");
    assert!(said.contains("hint: plan again"), "{said}");

    // What was applied of it does not fit any more: a new plan does.
    fs::write(&program, content).unwrap();
    assert_eq!(world.run(&plan).await.status.code(), Some(0));
    world.done(&["apply", saved_path]).await;
    assert_eq!(world.running(&serving[0].0).await, hash);
    world.stop().await;
}
