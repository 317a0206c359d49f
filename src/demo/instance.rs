//! What runs on the demo's instance: ws-chat and elbws-proxy, at the instance's private address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::chat::Chat;
use super::stack::DemoError;
use crate::proxy::config::Config;
use crate::proxy::serve::{Listeners, Proxy};

/// The ports of `specs/classic.yaml`, as the instance has them.
const PROXY: u16 = 80;
const HEALTH: u16 = 8081;
const WEB: u16 = 8000;
const SOCKET: u16 = 9000;

/// The running software of an instance.
pub(super) struct Instance {
    proxy: Proxy,
    chat: JoinHandle<io::Result<()>>,
    stop_chat: oneshot::Sender<()>,
}

impl Instance {
    /// Starts everything at `address`, every port lifted by `offset`. `https_port` is where visitors find https.
    pub(super) async fn start(address: Ipv4Addr, offset: u16, https_port: u16) -> Result<Self, DemoError> {
        let at = |port: u16| {
            let port = port.checked_add(offset).ok_or(DemoError::Offset)?;
            Ok::<_, DemoError>(SocketAddr::new(IpAddr::V4(address), port))
        };
        let (web, socket) = (at(WEB)?, at(SOCKET)?);
        let chat = Chat::bind(web, socket).await.map_err(|source| DemoError::Chat { address, source })?;
        let config = Config::parse(&format!(
            "listen: \"{}\"\nhealth: \"{}\"\naccept: v1\nredirect_http: true\nhttps_port: {https_port}\n\
             routes:\n  - {{ path: /ws/, upstream: \"{socket}\" }}\n  - {{ path: /, upstream: \"{web}\" }}\n",
            at(PROXY)?,
            at(HEALTH)?,
        ))?;
        let listeners = Listeners::bind(&config)?;
        let proxy = Proxy::start(config, listeners)?;
        // From here on nothing fails and nothing is awaited: who gives up on the start leaves no task behind.
        let (stop_chat, stopped) = oneshot::channel::<()>();
        let chat = tokio::spawn(chat.serve(async {
            // A sender that is gone asks for the same.
            let _ = stopped.await;
        }));
        Ok(Self { proxy, chat, stop_chat })
    }

    /// Says goodbye to the visitors and ends.
    pub(super) async fn stop(self) {
        let _ = self.stop_chat.send(());
        // It ends within seconds by itself, and how is of no interest any more.
        let _ = self.chat.await;
        self.proxy.stop();
        self.proxy.ended().await;
    }
}
