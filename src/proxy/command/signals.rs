//! What signals ask of the running proxy.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal as SysSignal;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::giving::Giving;
use super::heir::{self, Given};
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
    /// before was taken; returns once the proxy has ended and everything was handed over.
    pub(super) async fn obey(
        mut self,
        proxy: Arc<Proxy>,
        path: &Path,
        program: &Path,
        listeners: Listeners,
        mut taking: Option<oneshot::Receiver<()>>,
    ) {
        let mut proxy = proxy;
        let (mut draining, mut wanted, mut ended) = (false, false, false);
        let mut giving: Option<Giving> = None;
        // One that handed over in vain, while it finishes what is under way.
        let mut older: Option<Arc<Proxy>> = None;
        // Gone with the drain: a listener that is open but not accepted from would only keep clients waiting.
        let mut listeners = Some(Arc::new(listeners));
        loop {
            tokio::select! {
                () = all_ended(&proxy, older.as_ref()), if !ended => {
                    // The last connections may still be on their way to the new process.
                    proxy.finish_hand_over();
                    ended = true;
                    if giving.is_none() {
                        return;
                    }
                }
                () = taken(&mut taking) => {}
                given = outcome(&mut giving) => {
                    let Some(mut over) = giving.take() else { continue };
                    if matches!(given, Given::All) {
                        over.settle();
                    } else if let Some(resumed) = over.undo(&proxy, given) {
                        older = Some(std::mem::replace(&mut proxy, resumed.proxy));
                        (listeners, taking) = (Some(resumed.listeners), Some(resumed.taking));
                        (draining, ended) = (false, false);
                    }
                    if ended {
                        return;
                    }
                }
                _ = self.reload.recv() => {
                    if giving.as_ref().is_some_and(|giving| giving.relay(SysSignal::SIGHUP)) {
                        continue;
                    }
                    if listeners.is_none() || !was_replaced(program) {
                        reload(&proxy, path);
                        continue;
                    }
                    say("the program was replaced");
                    wanted = true;
                }
                _ = self.terminate.recv() => {
                    listeners = None;
                    end(&proxy, older.as_deref(), &mut giving, &mut draining);
                }
                _ = self.interrupt.recv() => {
                    listeners = None;
                    end(&proxy, older.as_deref(), &mut giving, &mut draining);
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
            giving = hand_over(&proxy, program, copies).await;
            if giving.is_some() {
                listeners = None;
                draining = true;
            }
        }
    }
}

async fn all_ended(proxy: &Proxy, older: Option<&Arc<Proxy>>) {
    if let Some(older) = older {
        older.ended().await;
    }
    proxy.ended().await;
}

/// Waits for the end of a handover; for ever where there is none.
async fn outcome(giving: &mut Option<Giving>) -> Given {
    match giving {
        None => std::future::pending().await,
        Some(giving) => giving.wait().await,
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
async fn hand_over(proxy: &Arc<Proxy>, program: &Path, listeners: Arc<Listeners>) -> Option<Giving> {
    let (program, copies) = (program.to_owned(), Arc::clone(&listeners));
    let begun = tokio::task::spawn_blocking(move || heir::begin(&program, &copies)).await;
    let begun = begun.map_err(io::Error::other).and_then(|begun| begun);
    match begun.and_then(|heir| Giving::begin(heir, proxy, listeners)) {
        Ok(giving) => Some(giving),
        Err(error) => {
            say(&format!("error: the new process did not take over: {error}"));
            None
        }
    }
}

fn end(proxy: &Proxy, older: Option<&Proxy>, giving: &mut Option<Giving>, draining: &mut bool) {
    if let Some(giving) = giving.as_mut().filter(|giving| giving.relay(SysSignal::SIGTERM)) {
        // The new process drains, and what is passed on to it as well.
        giving.settle();
    } else if std::mem::replace(draining, true) {
        say("ending at once");
        proxy.stop();
        older.into_iter().for_each(Proxy::stop);
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
