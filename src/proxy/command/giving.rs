//! A handover that this process has begun, and its way back should the new process die before it has everything.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::heir::{Given, Heir};
use super::{notify, say};
use crate::proxy::serve::{Listeners, Proxy};

/// How long the way back is kept open where the handover takes longer, since requests are under way.
const PROBATION: Duration = Duration::from_secs(10);

/// The handover, seen from the old process.
pub(super) struct Giving {
    process: u32,
    outcome: oneshot::Receiver<Given>,
    /// Kept to serve on again; gone once the new process is the service's main process.
    listeners: Option<Arc<Listeners>>,
    ends: Instant,
}

/// A proxy that goes on in place of one that handed over in vain.
pub(super) struct Resumed {
    pub(super) proxy: Arc<Proxy>,
    pub(super) listeners: Arc<Listeners>,
    /// Told once the proxy before has passed on everything.
    pub(super) taking: oneshot::Receiver<()>,
}

impl Giving {
    pub(super) fn begin(heir: Heir, proxy: &Proxy, listeners: Arc<Listeners>) -> std::io::Result<Self> {
        say(&format!("handing over to process {}", heir.process));
        let process = heir.process;
        let outcome = heir.receive_from(proxy)?;
        Ok(Self { process, outcome, listeners: Some(listeners), ends: Instant::now() + PROBATION })
    }

    /// Waits for the end; between, when the time comes, makes the new process the main one.
    pub(super) async fn wait(&mut self) -> Given {
        if self.listeners.is_some() {
            tokio::select! {
                given = &mut self.outcome => return given.unwrap_or(Given::All),
                () = sleep_until(self.ends) => self.settle(),
            }
        }
        // A sender that is gone gives no more.
        (&mut self.outcome).await.unwrap_or(Given::All)
    }

    /// The new process is the service from now on: systemd listens to the main process only, so this one says so.
    pub(super) fn settle(&mut self) {
        if self.listeners.take().is_some() {
            notify(&[NotifyState::MainPid(self.process), NotifyState::Ready]);
        }
    }

    /// Passes on a signal that was meant for whoever serves; false once that was sent to the new process itself.
    pub(super) fn relay(&self, signal: Signal) -> bool {
        let meant = self.listeners.is_some();
        if let Some(process) = i32::try_from(self.process).ok().filter(|_| meant) {
            // It may be dead, which is found out elsewhere.
            let _ = kill(Pid::from_raw(process), signal);
        }
        meant
    }

    /// Serves again, with a proxy that takes over from the one before as the new process would have; `None` where
    /// that is not possible: what is open ends as in a drain then.
    pub(super) fn undo(self, proxy: &Arc<Proxy>, given: Given) -> Option<Resumed> {
        let Given::Not { died, these, rest } = given else { return None };
        let resumed = self.listeners.filter(|_| died).map(|listeners| {
            let again = Proxy::start(proxy.config(), listeners.try_clone()?)?;
            anyhow::Ok((Arc::new(again), listeners))
        });
        let (again, listeners) = match resumed {
            Some(Ok(again)) => again,
            other => {
                if let Some(Err(error)) = other {
                    say(&format!("error: this process cannot serve again: {error:#}"));
                }
                say("what is open ends as in a drain");
                // Without an heir everything stays where it is.
                drop(rest);
                proxy.finish_hand_over();
                for passed in these {
                    proxy.inherit(passed);
                }
                return None;
            }
        };
        let (tell, taking) = oneshot::channel();
        let (before, heir) = (Arc::clone(proxy), Arc::clone(&again));
        tokio::spawn(async move {
            before.ended().await;
            before.finish_hand_over();
        });
        let passing = std::thread::Builder::new().name("estate".to_owned()).spawn(move || {
            these.into_iter().chain(rest).for_each(|passed| heir.inherit(passed));
            // Nobody listens once the program ends.
            let _ = tell.send(());
        });
        if let Err(error) = passing {
            say(&format!("error: what was open is lost: {error}"));
        }
        say("this process serves again");
        Some(Resumed { proxy: again, listeners, taking })
    }
}
