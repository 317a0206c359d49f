//! socket.io's own server and client behind an Application Load Balancer with two instances: stickiness is what holds
//! their sessions together, which begin by polling and go on as WebSockets.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::peers_v2::{python, run};
use super::rig::{Instance, OFFSET, Rig, eventually, free_port};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/local/data_plane/socket_io").join(name)
}

/// Puts the application on an instance, until it is dropped.
async fn serve(python: &Path, name: &str, instance: Instance) -> Child {
    let at = instance.listener.local_addr().unwrap();
    drop(instance);
    let mut command = Command::new(python);
    command.arg(script("app.py")).args([name, &at.ip().to_string(), &at.port().to_string()]);
    let mut app = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    eventually(|| {
        assert!(app.try_wait().unwrap().is_none(), "the application ended");
        std::net::TcpStream::connect(at).ok()
    })
    .await;
    app
}

/// Who served each visitor that came by this transport; `None` where the session was lost.
type Served = Vec<Option<String>>;

async fn visit(python: &Path, port: u16) -> serde_json::Value {
    let output =
        run(Command::new(python).arg(script("visitors.py")).arg(format!("http://127.0.0.1:{port}"))).await;
    serde_json::from_slice(&output.stdout).unwrap()
}

fn served(by: &serde_json::Value, transport: &str) -> Served {
    serde_json::from_value(by[transport].clone()).unwrap()
}

#[tokio::test]
async fn stickiness_holds_the_sessions_of_socket_io() {
    let Some(python) = python("socketio, aiohttp").await else { return };
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (one, two) = (rig.launch().await, rig.launch().await);
    let group = rig.target_group("web", "HTTP", "");
    rig.register_targets(&group, &[&one, &two]);
    let _apps = [serve(&python, "one", one).await, serve(&python, "two", two).await];
    let port = free_port(IpAddr::from([127, 0, 0, 1])) - OFFSET;
    balancer.listen("HTTP", port, &group).await;

    // Without it every second request comes to the instance that does not know the session. A WebSocket alone is
    // one connection, and needs none.
    let by = visit(&python, port + OFFSET).await;
    for transport in ["polling", "upgraded"] {
        assert!(served(&by, transport).iter().all(Option::is_none), "{by}");
    }
    assert!(served(&by, "websocket").iter().all(Option::is_some), "{by}");

    let both = BTreeSet::from([Some("one".to_owned()), Some("two".to_owned())]);
    rig.group_attribute(&group, "stickiness.enabled", "true");
    for settings in [
        &[("stickiness.type", "lb_cookie")][..],
        &[("stickiness.app_cookie.cookie_name", "io"), ("stickiness.type", "app_cookie")],
    ] {
        for (key, value) in settings {
            rig.group_attribute(&group, key, value);
        }
        let by = visit(&python, port + OFFSET).await;
        for transport in ["polling", "upgraded", "websocket"] {
            let served: BTreeSet<Option<String>> = served(&by, transport).into_iter().collect();
            assert_eq!(served, both, "{settings:?} {transport}: {by}");
        }
    }
}
