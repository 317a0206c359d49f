//! What signals ask of the running proxy.

use std::io;
use std::path::Path;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{explain, notify, say};
use crate::proxy::config::Config;
use crate::proxy::serve::Proxy;

/// The signals that mean something.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Reloads, drains and stops as asked; returns once the proxy has ended.
    pub(super) async fn obey(mut self, proxy: &Proxy, path: &Path) {
        let mut draining = false;
        loop {
            tokio::select! {
                () = proxy.ended() => return,
                _ = self.reload.recv() => reload(proxy, path),
                _ = self.terminate.recv() => end(proxy, &mut draining),
                _ = self.interrupt.recv() => end(proxy, &mut draining),
            }
        }
    }
}

fn end(proxy: &Proxy, draining: &mut bool) {
    if std::mem::replace(draining, true) {
        say("ending at once");
        proxy.stop();
    } else {
        say("draining");
        notify(&[NotifyState::Stopping]);
        proxy.drain();
    }
}

/// A configuration that is not valid, or changes what cannot change, leaves the old one in force.
fn reload(proxy: &Proxy, path: &Path) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    match Config::read(path) {
        Err(error) => say(&format!("{}\n  the old configuration stays", explain(path, &error))),
        Ok(config) => match proxy.reload(config) {
            Ok(()) => say("reloaded"),
            Err(error) => say(&format!("error: {error}; the old configuration stays")),
        },
    }
    notify(&[NotifyState::Ready]);
}
