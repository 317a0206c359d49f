//! The proxy on the instances in the planner: who gets it, in which order, and what stands in the way.

mod operation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use operation::{Gate, ProxyOperation};

use super::fields::field;
use super::order::{After, Draft, DraftStep, made};
use super::placement::Placement;
use super::{Action, Disruption, FieldChange, Operation, PlanError};
use crate::provision::resource::v2::Target;
use crate::provision::resource::{
    Architecture, DesiredBalancer, DesiredProxy, Installed, Instance, InstanceState, Kind, Management,
    Observed, ProgramFile, ResourceKey, Stack, object_key, sha256_of,
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
    placement: &Placement<'_>,
    errors: &mut Vec<PlanError>,
) {
    let Some(desired) = &stack.proxy else { return };
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

/// Plans what is to be installed: the programs first, then instance after instance. `target_groups` says which group
/// each of them serves in the end.
pub(super) fn plan(
    stack: &Stack,
    observed: &Observed,
    placement: &Placement<'_>,
    target_groups: &BTreeMap<String, BTreeSet<Target>>,
    draft: &mut Draft,
) {
    let Some(desired) = &stack.proxy else { return };
    for instance in placement.instances.values().filter(|found| found.state != InstanceState::Running) {
        let state = serde_json::to_value(instance.state).unwrap_or_default();
        draft.warn(format!(
            "instance {} is {}: the proxy is not installed on it; run `elbws deploy` once it runs",
            instance.id,
            state.as_str().unwrap_or_default()
        ));
    }
    let gate = |instance: &str| match &stack.load_balancer {
        DesiredBalancer::Classic(balancer) => Gate::Classic { load_balancer: balancer.name.clone() },
        DesiredBalancer::V2(_) => {
            let serving = target_groups
                .iter()
                .filter(|(_, targets)| targets.iter().any(|target| target.id == instance));
            Gate::TargetGroups { names: serving.map(|(name, _)| name.clone()).collect() }
        }
    };
    let mut lanes: Vec<Option<ResourceKey>> = vec![None; usize::from(desired.max_unavailable.max(1))];
    let width = lanes.len();
    let mut number = 0;
    for found in proxy_states(stack, observed) {
        let Some(instance) = placement.instances.get(found.instance.as_str()) else { continue };
        let Some((made_for, program)) =
            instance.architecture.and_then(|made_for| desired.programs.get_key_value(&made_for))
        else {
            continue;
        };
        let installed = found.installed.unwrap_or_default();
        let action = match found.state {
            ProxyState::AsDesired => continue,
            ProxyState::Missing | ProxyState::Unmanaged(_) => Action::Create,
            ProxyState::Differs(_) => Action::Update,
        };
        let key = proxy_key(&found.instance);
        let restarted = installed.running.is_some()
            && installed.fixed.as_deref() != Some(desired.installation.fixed_sha256().as_str());
        let disruption = if restarted { Disruption::DropsConnections } else { Disruption::None };
        let mut fields = differences(desired, Some(program), &installed);
        if action == Action::Create {
            fields.retain(|field| field.path != "state");
        }
        let change = draft.change(action, &key, fields, disruption);
        if restarted {
            change.reason = Some(
                "a change of listen, health, metrics, workers or access_log restarts it: its WebSockets are given the \
                 time of drain"
                    .to_owned(),
            );
        }
        let program_key = ResourceKey::new(Kind::Program, made_for);
        if installed.program.as_ref() != Some(&program.sha256) && !observed.programs.contains(&program.sha256)
        {
            upload(desired, &program_key, (*made_for, program), draft);
        }
        let operation = ProxyOperation::Install {
            instance: found.instance.clone(),
            bucket: desired.bucket.clone(),
            sha256: program.sha256.clone(),
            installation: desired.installation.clone(),
            gate: gate(&found.instance),
            timeout: desired.timeout,
        };
        let mut after = vec![
            made(&program_key),
            After::EveryMade(Kind::Target),
            After::EveryMade(Kind::AutoScalingGroup),
        ];
        if let Some(lane) = lanes.get_mut(number % width) {
            after.extend(lane.replace(key.clone()).iter().map(made));
        }
        number += 1;
        draft.step(DraftStep::new(Operation::Proxy(operation), &key).makes().after(after));
    }
}

fn upload(
    desired: &DesiredProxy,
    key: &ResourceKey,
    (architecture, program): (Architecture, &ProgramFile),
    draft: &mut Draft,
) {
    if draft.has_change(key) {
        return;
    }
    let object = format!("s3://{}/{}", desired.bucket, object_key(&program.sha256));
    let fields = vec![field("file", (), &program.path), field("object", (), object)];
    draft.change(Action::Create, key, fields, Disruption::None);
    let operation = ProxyOperation::UploadProgram {
        architecture,
        program: program.clone(),
        bucket: desired.bucket.clone(),
    };
    draft.step(DraftStep::new(Operation::Proxy(operation), key).makes());
}
