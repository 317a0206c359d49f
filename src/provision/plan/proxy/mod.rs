//! The proxy on the instances in the planner: who gets it, in which order, and what stands in the way.

mod operation;
mod rollout;
mod switch;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub use operation::{Gate, ProxyOperation};
pub(super) use rollout::{Site, plan};
pub(super) use switch::{Switch, either_key};

use super::fields::field;
use super::placement::Placement;
use super::{FieldChange, PlanError};
use crate::provision::resource::{
    DesiredProxy, Installed, Instance, Kind, Management, Observed, ProgramFile, ResourceKey, Stack, sha256_of,
};

/// Why Systems Manager cannot run anything on an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It has no instance profile, so its agent has no credentials.
    Profile,
    /// Its agent has never registered.
    Registration,
    /// Its agent is not connected, in SSM's words.
    Connection(String),
    /// It took a command and did not carry it out.
    Answer {
        /// The command's status.
        status: String,
        /// The end of its output.
        output: String,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile => f.write_str("it has no instance profile"),
            Self::Registration => f.write_str("its agent has never registered"),
            Self::Connection(ping) => write!(f, "its agent is not connected ({ping})"),
            Self::Answer { status, output } if output.is_empty() => {
                write!(f, "it did not carry out a command ({status})")
            }
            Self::Answer { status, output } => {
                write!(f, "it did not carry out a command ({status}: {output})")
            }
        }
    }
}

/// How what an instance has differs from what it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyState {
    /// It runs what it is to run.
    AsDesired,
    /// It runs, or has, something else.
    Differs(Vec<FieldChange>),
    /// It has none.
    Missing,
    /// Nobody can tell.
    Unmanaged(Lack),
}

/// The proxy on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyOn {
    /// The instance's id.
    pub instance: String,
    /// How it differs from what is desired; without a program to compare with, that is left out.
    pub state: ProxyState,
    /// What there is.
    pub installed: Option<Installed>,
}

/// Returns the state of the proxy on every selected instance that runs; none where it is not to be installed.
#[must_use]
pub fn proxy_states(stack: &Stack, observed: &Observed) -> Vec<ProxyOn> {
    let Some(desired) = &stack.proxy else { return Vec::new() };
    let states = observed.proxies.iter().map(|found| {
        let instance = observed.instances.iter().find(|instance| instance.id == found.instance);
        let program = instance
            .and_then(|instance| instance.architecture)
            .and_then(|architecture| desired.programs.get(&architecture));
        let (state, installed) = match &found.management {
            Management::Managed(installed) => (state(desired, program, installed), Some(installed.clone())),
            other => (ProxyState::Unmanaged(lack(instance, other)), None),
        };
        ProxyOn { instance: found.instance.clone(), state, installed }
    });
    states.collect()
}

fn lack(instance: Option<&Instance>, management: &Management) -> Lack {
    match management {
        Management::Offline(ping) => Lack::Connection(ping.clone()),
        Management::Failed { status, output } => {
            Lack::Answer { status: status.clone(), output: output.clone() }
        }
        Management::Unknown | Management::Managed(_) => {
            if instance.is_some_and(|instance| instance.profile.is_none()) {
                Lack::Profile
            } else {
                Lack::Registration
            }
        }
    }
}

fn state(desired: &DesiredProxy, program: Option<&ProgramFile>, installed: &Installed) -> ProxyState {
    if installed.program.is_none() && installed.running.is_none() && installed.config.is_none() {
        return ProxyState::Missing;
    }
    let fields = differences(desired, program, installed);
    if fields.is_empty() { ProxyState::AsDesired } else { ProxyState::Differs(fields) }
}

/// Returns what differs; hashes are shown as far as it takes to tell them apart.
fn differences(
    desired: &DesiredProxy,
    program: Option<&ProgramFile>,
    installed: &Installed,
) -> Vec<FieldChange> {
    const SHOWN: usize = 12;
    let shown =
        |hash: &Option<String>| hash.as_ref().map(|hash| hash.get(..SHOWN).unwrap_or(hash).to_owned());
    let is = |found: &Option<String>, wanted: &str| found.as_deref() == Some(wanted);
    let mut fields = Vec::new();
    if let Some(program) = program {
        let wanted = &program.sha256;
        if installed.running.is_some() && !is(&installed.running, wanted) {
            fields.push(field("program", shown(&installed.running), shown(&Some(wanted.clone()))));
        } else if !is(&installed.program, wanted) {
            fields.push(field("program", shown(&installed.program), shown(&Some(wanted.clone()))));
        }
    }
    let texts = &desired.installation;
    let config = sha256_of(&texts.config);
    let stale = installed.loaded.as_ref().filter(|loaded| **loaded != config);
    if !is(&installed.config, &config) || (stale.is_some() && installed.running.is_some()) {
        let from = if is(&installed.config, &config) { &installed.loaded } else { &installed.config };
        fields.push(field("configuration", shown(from), shown(&Some(config))));
    }
    if installed.accept.as_deref() != Some(texts.accept()) {
        fields.push(field("accept", &installed.accept, texts.accept()));
    }
    let unit = sha256_of(&texts.unit);
    if !is(&installed.unit, &unit) {
        fields.push(field("unit", shown(&installed.unit), shown(&Some(unit))));
    }
    if installed.running.is_none() {
        fields.push(field("state", "stopped", "running"));
    }
    fields
}

/// Returns the key of the proxy on an instance.
fn proxy_key(instance: &str) -> ResourceKey {
    ResourceKey::new(Kind::Proxy, instance)
}

/// Checks that every instance can be reached and that there is a program for each.
pub(super) fn check(
    stack: &Stack,
    observed: &Observed,
    (placement, switch): (&Placement<'_>, Option<&Switch>),
    errors: &mut Vec<PlanError>,
) {
    let Some(desired) = &stack.proxy else { return };
    if let Some(switch) = switch {
        switch.check(desired, errors);
    }
    let mut without: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for found in proxy_states(stack, observed) {
        let Some(instance) = placement.instances.get(found.instance.as_str()) else { continue };
        if let ProxyState::Unmanaged(lack) = found.state {
            errors.push(PlanError::NotManaged {
                instance: found.instance.clone(),
                lack,
                region: observed.region.clone(),
            });
        }
        if !instance.architecture.is_some_and(|made_for| desired.programs.contains_key(&made_for)) {
            without.entry(instance.architecture).or_default().push(found.instance);
        }
    }
    for (architecture, instances) in without {
        let found = desired.programs.iter().map(|(made_for, program)| (*made_for, program.path.clone()));
        errors.push(PlanError::NoProgram { architecture, instances, found: found.collect() });
    }
}
