//! What `status`, `doctor` and `probe` say of a stack whose proxy was deployed.

use serde_json::Value;

use crate::world::{SPEC, World};

impl World {
    /// Runs a command that prints JSON.
    async fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}{text}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// What is wrong, as `error systems-manager`.
fn findings(diagnosis: &Value) -> Vec<String> {
    let checks = diagnosis["checks"].as_array().unwrap().iter();
    let wrong = checks.filter(|check| check["outcome"] == "wrong");
    wrong.map(|check| format!("{} {}", check["severity"], check["check"]).replace('"', "")).collect()
}

fn found<'a>(diagnosis: &'a Value, name: &str) -> &'a Value {
    let mut checks = diagnosis["checks"].as_array().unwrap().iter();
    checks.find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {diagnosis:#}"))
}

/// The program is the one beside `elbws`, as these three have no other to compare with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_that_runs_is_held_against_the_spec() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(1).await;
    let instance = &serving[0].0;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    world.done(&["apply", spec]).await;

    let status = world.json(&["status", spec], 0).await;
    assert_eq!((&status["drift"], &status["proxies"][0]["state"]), (&0.into(), &"as-desired".into()));
    let diagnosis = world.json(&["doctor", spec], 0).await;
    assert_eq!(findings(&diagnosis), Vec::<String>::new(), "{diagnosis:#}");
    let reached = "its agent is online and runs scripts, with the instance profile ws-chat";
    assert_eq!(found(&diagnosis, "systems-manager")["found"], reached);
    let promises = world.json(&["probe", spec], 0).await;
    assert_eq!(promises["kept"], true, "{promises:#}");

    // Another configuration than the one that runs.
    let other = world.spec("other", &SPEC.replace("drain: 2s", "drain: 3s"));
    let other = other.to_str().unwrap();
    let diagnosis = world.json(&["doctor", other], 0).await;
    assert_eq!(findings(&diagnosis), ["note spec"], "{diagnosis:#}");
    let promises = world.json(&["probe", other], 1).await;
    let told = format!("the proxy on {} differs from the spec's in configuration, unit", instance.id);
    assert_eq!(promises["promises"][0]["error"], told, "{promises:#}");
    assert_eq!(promises["promises"][0]["likely"][0]["mend"], "`elbws deploy SPEC`", "{promises:#}");

    // It does not run.
    world.run_on(instance, "systemctl stop elbws-proxy").await;
    let diagnosis = world.json(&["doctor", spec], 1).await;
    assert!(findings(&diagnosis).contains(&"error spec".to_owned()), "{diagnosis:#}");
    let status = world.json(&["status", spec], 0).await;
    assert_eq!((&status["drift"], &status["proxies"][0]["state"]), (&1.into(), &"differs".into()));
    world.done(&["deploy", spec]).await;
    let status = world.json(&["status", spec], 0).await;
    assert_eq!((&status["drift"], &status["proxies"][0]["state"]), (&0.into(), &"as-desired".into()));
    world.stop().await;
}
