//! `specs/chat.yaml` as it is, from nothing to a chat in browsers.

use std::net::SocketAddr;
use std::path::Path;

use elbws::demo::chat::Chat;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::account::REGION;
use crate::peers::{CHROMIUM, WEBSOCKETS};
use crate::running::{PATIENCE, elbws};
use crate::world::{World, said};

/// Leads one address to another, until it is aborted: the instances share their rooms.
async fn relay(from: SocketAddr, to: SocketAddr) -> JoinHandle<()> {
    let listener = TcpListener::bind(from).await.unwrap();
    tokio::spawn(async move {
        let mut visits = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            visits.spawn(async move {
                if let Ok(mut other) = TcpStream::connect(to).await {
                    // However it ends, both ends see it.
                    let _ = copy_bidirectional(&mut stream, &mut other).await;
                }
            });
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_nothing_to_a_chat_in_browsers() {
    let Some(world) = World::issuing("chat.example.com").await else { return };
    world.client.create_bucket(REGION, "my-artifacts").await.unwrap();
    let (one, other) = (world.launch(1).await, world.launch(2).await);
    let chat = Chat::bind(world.at(&one, 8000), world.at(&one, 9000)).await.unwrap();
    let chat = tokio::spawn(chat.serve(std::future::pending()));
    let relays = [
        relay(world.at(&other, 8000), world.at(&one, 8000)).await,
        relay(world.at(&other, 9000), world.at(&one, 9000)).await,
    ];

    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/chat.yaml");
    let spec = spec.to_str().unwrap();
    // As it stands in a shell that has what `elbws local` says.
    let mut apply = elbws();
    apply.args(["apply", spec, "--local", "--yes"]).env("AWS_ENDPOINT_URL", &world.endpoint);
    let output = timeout(PATIENCE, apply.output()).await.expect("applied in time").unwrap();
    said(&output, 0);

    let authority = format!("chat.example.com:{}", 443 + world.offset);
    world.listener(443).await;
    WEBSOCKETS.chat(&format!("wss://{authority}/ws/"), &world.ca(), &[]).await;
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mission.png");
    let screenshots = [screenshots.to_str().unwrap()];
    CHROMIUM.chat(&format!("https://{authority}/"), &world.ca(), &screenshots).await;

    // And there it stays.
    assert_eq!(world.done(&["apply", spec]).await.planned(), Vec::<String>::new());
    relays.iter().for_each(JoinHandle::abort);
    chat.abort();
    world.stop().await;
}
