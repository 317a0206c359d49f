//! What signals ask of the running proxy.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::handover;
use super::{explain, notify, say, warn};
use crate::proxy::config::Config;
use crate::proxy::serve::{Listeners, Proxy};

/// The signals that mean something.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
    hand_over: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
            hand_over: signal(SignalKind::user_defined2())?,
        })
    }

    /// Reloads, drains, stops and hands over as asked, the latter only once `taking` tells that all of the process
    /// before was taken; returns once the proxy has ended, with the thread that may still send to the process that
    /// took over.
    pub(super) async fn obey(
        mut self,
        proxy: &Arc<Proxy>,
        path: &Path,
        program: &Path,
        listeners: Listeners,
        mut taking: Option<oneshot::Receiver<()>>,
    ) -> Option<JoinHandle<()>> {
        let (mut draining, mut wanted) = (false, false);
        let mut sending = None;
        // Gone with the drain: a listener that is open but not accepted from would only keep clients waiting.
        let mut listeners = Some(Arc::new(listeners));
        loop {
            tokio::select! {
                () = proxy.ended() => return sending,
                () = taken(&mut taking) => {}
                _ = self.reload.recv() => {
                    if listeners.is_none() || !was_replaced(program) {
                        reload(proxy, path);
                        continue;
                    }
                    say("the program was replaced");
                    wanted = true;
                }
                _ = self.terminate.recv() => {
                    listeners = None;
                    end(proxy, &mut draining);
                }
                _ = self.interrupt.recv() => {
                    listeners = None;
                    end(proxy, &mut draining);
                }
                _ = self.hand_over.recv() => wanted = true,
            }
            let Some(copies) = listeners.clone().filter(|_| wanted) else { continue };
            if taking.is_some() {
                // What the process before still passes on would find nobody here any more.
                say("the process before is still handing over to this one, which hands over after that");
                continue;
            }
            wanted = false;
            if let Some(begun) = hand_over(proxy, program, copies).await {
                listeners = None;
                draining = true;
                sending = Some(begun);
            }
        }
    }
}

/// Waits until everything of the process before was taken, which is once; for ever if there is none.
async fn taken(taking: &mut Option<oneshot::Receiver<()>>) {
    match taking {
        None => std::future::pending().await,
        Some(told) => {
            // A sender that is gone takes no more either.
            let _ = told.await;
            *taking = None;
        }
    }
}

/// Whether another file has the program's path now, as after an upgrade.
fn was_replaced(program: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino()));
    match (identity(Path::new("/proc/self/exe")), identity(program)) {
        (Ok(running), Ok(there)) => running != there,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Starts the new process; where that fails, this one goes on as if nothing had been asked.
async fn hand_over(proxy: &Arc<Proxy>, program: &Path, listeners: Arc<Listeners>) -> Option<JoinHandle<()>> {
    let program = program.to_owned();
    let begun = tokio::task::spawn_blocking(move || handover::begin(&program, &listeners)).await;
    let begun = begun.map_err(io::Error::other).and_then(|begun| begun).and_then(|heir| {
        say(&format!("handing over to process {}", heir.process));
        // systemd listens to the main process only, so this one speaks for the new one.
        notify(&[NotifyState::MainPid(heir.process), NotifyState::Ready]);
        heir.receive_from(proxy)
    });
    match begun {
        Ok(sending) => Some(sending),
        Err(error) => {
            say(&format!("error: the new process did not take over: {error}"));
            None
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
        Ok(config) => {
            warn(&config);
            match proxy.reload(config) {
                Ok(()) => say("reloaded"),
                Err(error) => say(&format!("error: {error}; the old configuration stays")),
            }
        }
    }
    notify(&[NotifyState::Ready]);
}
