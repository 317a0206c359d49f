//! What runs on the demo's instance, at its private address: ws-chat, and elbws-proxy where it is not deployed.

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
    address: Ipv4Addr,
    offset: u16,
    proxy: Option<Proxy>,
    chat: JoinHandle<io::Result<()>>,
    stop_chat: oneshot::Sender<()>,
}

impl Instance {
    /// Starts ws-chat at `address`, every port lifted by `offset`.
    pub(super) async fn start(address: Ipv4Addr, offset: u16) -> Result<Self, DemoError> {
        let (web, socket) = (at(address, WEB, offset)?, at(address, SOCKET, offset)?);
        let chat = Chat::bind(web, socket).await.map_err(|source| DemoError::Chat { web, socket, source })?;
        // From here on nothing fails and nothing is awaited: who gives up on the start leaves no task behind.
        let (stop_chat, stopped) = oneshot::channel::<()>();
        let chat = tokio::spawn(chat.serve(async {
            // A sender that is gone asks for the same.
            let _ = stopped.await;
        }));
        Ok(Self { address, offset, proxy: None, chat, stop_chat })
    }

    /// Starts elbws-proxy beside it, in this process.
    pub(super) fn serve(&mut self, proxy: &spec::Proxy) -> Result<(), DemoError> {
        let proxy = lifted(proxy, |port| at(self.address, port, self.offset))?;
        let config = Config::parse(&proxy_config(&proxy))?;
        let listeners = Listeners::bind(&config)?;
        self.proxy = Some(Proxy::start(config, listeners)?);
        Ok(())
    }

    /// Says goodbye to the visitors and ends.
    pub(super) async fn stop(self) {
        let _ = self.stop_chat.send(());
        // It ends within seconds by itself, and how is of no interest any more.
        let _ = self.chat.await;
        if let Some(proxy) = self.proxy {
            proxy.stop();
            proxy.ended().await;
        }
    }
}

fn at(address: Ipv4Addr, port: u16, offset: u16) -> Result<SocketAddr, DemoError> {
    let port = port.checked_add(offset).ok_or(DemoError::Offset)?;
    Ok(SocketAddr::new(IpAddr::V4(address), port))
}

/// Returns the proxy of the spec with every address as this machine has it.
fn lifted(
    proxy: &spec::Proxy,
    at: impl Fn(u16) -> Result<SocketAddr, DemoError>,
) -> Result<spec::Proxy, DemoError> {
    let bind = |port| at(port).map(|to| Bind { address: Some(to.ip()), port: to.port() });
    let mut proxy = proxy.clone();
    for listen in &mut proxy.listen {
        *listen = bind(listen.port)?;
    }
    proxy.health = bind(proxy.health.port)?;
    proxy.metrics = None;
    for upstream in proxy.routes.iter_mut().flat_map(|route| &mut route.upstream) {
        if let Ok(local) = upstream.parse::<SocketAddr>() {
            *upstream = at(local.port())?.to_string();
        }
    }
    Ok(proxy)
}
