//! What runs on the demo's instance: ws-chat and elbws-proxy, at the instance's private address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::chat::Chat;
use super::failure::DemoError;
use crate::provision::install::proxy_config;
use crate::provision::spec::{self, proxy::Bind};
use crate::proxy::config::Config;
use crate::proxy::serve::{Listeners, Proxy};

/// The ports of the upstreams in the demo's specs, as the instance has them.
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
    pub(super) async fn start(
        address: Ipv4Addr,
        offset: u16,
        https_port: u16,
        proxy: &spec::Proxy,
    ) -> Result<Self, DemoError> {
        let at = |port: u16| {
            let port = port.checked_add(offset).ok_or(DemoError::Offset)?;
            Ok::<_, DemoError>(SocketAddr::new(IpAddr::V4(address), port))
        };
        let (web, socket) = (at(WEB)?, at(SOCKET)?);
        let chat = Chat::bind(web, socket).await.map_err(|source| DemoError::Chat { address, source })?;
        let proxy = lifted(proxy, https_port, |port| at(port).map(|to| (to.ip(), to.port())))?;
        let config = Config::parse(&proxy_config(&proxy))?;
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

/// Returns the proxy of the spec with every address as this machine has it.
fn lifted(
    proxy: &spec::Proxy,
    https_port: u16,
    at: impl Fn(u16) -> Result<(IpAddr, u16), DemoError>,
) -> Result<spec::Proxy, DemoError> {
    let bind = |port| at(port).map(|(address, port)| Bind { address: Some(address), port });
    let mut proxy = proxy.clone();
    for listen in &mut proxy.listen {
        *listen = bind(listen.port)?;
    }
    proxy.health = bind(proxy.health.port)?;
    proxy.metrics = None;
    proxy.https_port = Some(https_port);
    for upstream in proxy.routes.iter_mut().flat_map(|route| &mut route.upstream) {
        if let Ok(local) = upstream.parse::<SocketAddr>() {
            let (address, port) = at(local.port())?;
            *upstream = SocketAddr::new(address, port).to_string();
        }
    }
    Ok(proxy)
}
