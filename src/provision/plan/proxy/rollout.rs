//! Which instance gets the proxy when: the program first, then instance after instance; where the load balancer's PROXY
//! header is switched, all of them once before and once after.

use std::collections::{BTreeMap, BTreeSet};

use super::switch::{Switch, either_key, seen_key};
use super::{Gate, ProxyOperation, ProxyState, differences, proxy_key, proxy_states};
use crate::provision::plan::fields::field;
use crate::provision::plan::order::{After, Draft, DraftStep, created, made};
use crate::provision::plan::placement::Placement;
use crate::provision::plan::{Action, Disruption, Operation};
use crate::provision::resource::v2::Target;
use crate::provision::resource::{
    Architecture, DesiredBalancer, DesiredProxy, Installation, Installed, InstanceState, Kind, Observed,
    ProgramFile, ResourceKey, Stack, object_key,
};

/// An instance that gets something.
struct Recipient<'a> {
    instance: String,
    program: (Architecture, &'a ProgramFile),
    installed: Installed,
    state: ProxyState,
}

impl Recipient<'_> {
    fn key(&self) -> ResourceKey {
        proxy_key(&self.instance)
    }

    fn program_key(&self) -> ResourceKey {
        ResourceKey::new(Kind::Program, self.program.0)
    }
}

/// What the instances of a round get.
struct Round {
    installation: Installation,
    /// Seconds for which the header is optional.
    optional_for: Option<u32>,
    /// What each of its steps waits for.
    after: Vec<After>,
}

/// Longer than any switch takes, and as much less than the hour that a proxy allows as clocks may differ.
const OPTIONAL_FOR: u32 = 55 * 60;

/// What is planned around.
pub(in crate::provision::plan) struct Site<'a> {
    pub(in crate::provision::plan) stack: &'a Stack,
    pub(in crate::provision::plan) observed: &'a Observed,
    pub(in crate::provision::plan) placement: &'a Placement<'a>,
    pub(in crate::provision::plan) switch: Option<&'a Switch>,
    /// Which target group each target serves in the end.
    pub(in crate::provision::plan) target_groups: &'a BTreeMap<String, BTreeSet<Target>>,
}

/// Plans what is to be installed.
pub(in crate::provision::plan) fn plan(site: &Site<'_>, draft: &mut Draft) {
    let Some(desired) = &site.stack.proxy else { return };
    for instance in site.placement.instances.values().filter(|found| found.state != InstanceState::Running) {
        let state = serde_json::to_value(instance.state).unwrap_or_default();
        draft.warn(format!(
            "instance {} is {}: the proxy is not installed on it; run `elbws deploy` once it runs",
            instance.id,
            state.as_str().unwrap_or_default()
        ));
    }
    let ahead = site.switch.filter(|switch| switch.is_ahead());
    let mut recipients = recipients(site, desired);
    if ahead.is_none() {
        recipients.retain(|recipient| recipient.state != ProxyState::AsDesired);
    }
    for recipient in &recipients {
        change(desired, ahead, recipient, draft);
        if recipient.installed.program.as_ref() != Some(&recipient.program.1.sha256)
            && !site.observed.programs.contains(&recipient.program.1.sha256)
        {
            upload(desired, &recipient.program_key(), recipient.program, draft);
        }
    }
    let mut after = vec![After::EveryMade(Kind::Target), After::EveryMade(Kind::AutoScalingGroup)];
    if let Some(switch) = ahead {
        let optional = Round {
            installation: desired.installation.with_optional_header(switch.accept(), &switch.trusted),
            optional_for: Some(OPTIONAL_FOR),
            after: Vec::new(),
        };
        for step in round(site, desired, &recipients, &optional) {
            draft.step(step);
        }
        confirm(desired, switch, &recipients, draft);
    }
    if let Some(switch) = site.switch
        && await_header(desired, switch, &recipients, draft)
    {
        after.push(made(&seen_key()));
    }
    let strict = Round { installation: desired.installation.clone(), optional_for: None, after };
    for step in round(site, desired, &recipients, &strict) {
        draft.step(step);
    }
}

/// Returns every instance that can get the proxy.
fn recipients<'a>(site: &Site<'_>, desired: &'a DesiredProxy) -> Vec<Recipient<'a>> {
    let states = proxy_states(site.stack, site.observed).into_iter();
    states
        .filter_map(|found| {
            let instance = site.placement.instances.get(found.instance.as_str())?;
            let (made_for, program) = desired.programs.get_key_value(&instance.architecture?)?;
            Some(Recipient {
                instance: found.instance,
                program: (*made_for, program),
                installed: found.installed.unwrap_or_default(),
                state: found.state,
            })
        })
        .collect()
}

/// Shows what becomes of one instance.
fn change(desired: &DesiredProxy, ahead: Option<&Switch>, recipient: &Recipient<'_>, draft: &mut Draft) {
    let installed = &recipient.installed;
    let action = match recipient.state {
        ProxyState::Missing | ProxyState::Unmanaged(_) => Action::Create,
        ProxyState::Differs(_) | ProxyState::AsDesired => Action::Update,
    };
    let restarted = installed.running.is_some()
        && installed.fixed.as_deref() != Some(desired.installation.fixed_sha256().as_str());
    let disruption = if restarted { Disruption::DropsConnections } else { Disruption::None };
    let mut fields = differences(desired, Some(recipient.program.1), installed);
    if action == Action::Create {
        fields.retain(|field| field.path != "state");
    }
    let change = draft.change(action, &recipient.key(), fields, disruption);
    if restarted {
        change.reason = Some(
            "a change of listen, health, metrics, workers or access_log restarts it: its WebSockets are given the \
             time of drain"
                .to_owned(),
        );
    } else if ahead.is_some() {
        change.reason = Some(
            "serves with the PROXY header and without it while the load balancer is switched".to_owned(),
        );
    }
}

/// Returns a step for each instance, as many at the same time as may be unavailable.
fn round<'a>(
    site: &'a Site<'_>,
    desired: &'a DesiredProxy,
    recipients: &'a [Recipient<'_>],
    round: &'a Round,
) -> impl Iterator<Item = DraftStep> + 'a {
    let width = usize::from(desired.max_unavailable.max(1));
    recipients.iter().enumerate().map(move |(number, recipient)| {
        let key = recipient.key();
        let operation = ProxyOperation::Install {
            instance: recipient.instance.clone(),
            bucket: desired.bucket.clone(),
            sha256: recipient.program.1.sha256.clone(),
            installation: round.installation.clone(),
            optional_for: round.optional_for,
            gate: gate(site, &recipient.instance),
            timeout: desired.timeout,
        };
        let before = number.checked_sub(width).and_then(|number| recipients.get(number));
        let step = DraftStep::new(Operation::Proxy(operation), &key);
        let step = step.after([made(&recipient.program_key())]).after(round.after.iter().cloned());
        if round.optional_for.is_some() {
            step.creates().after(before.map(|before| created(&before.key())))
        } else {
            step.completes(&key).after(before.map(|before| made(&before.key())))
        }
    })
}

/// Returns whose word counts on whether an instance is healthy.
fn gate(site: &Site<'_>, instance: &str) -> Gate {
    match &site.stack.load_balancer {
        DesiredBalancer::Classic(balancer) => Gate::Classic { load_balancer: balancer.name.clone() },
        DesiredBalancer::V2(_) => {
            let serving = site
                .target_groups
                .iter()
                .filter(|(_, targets)| targets.iter().any(|target| target.id == instance));
            Gate::TargetGroups { names: serving.map(|(name, _)| name.clone()).collect() }
        }
    }
}

/// Plans that every proxy is asked whether it serves with the header and without it.
fn confirm(desired: &DesiredProxy, switch: &Switch, recipients: &[Recipient<'_>], draft: &mut Draft) {
    let (Some(status), Some(first)) = (&desired.installation.status, switch.turning.first()) else { return };
    let operation = ProxyOperation::ConfirmOptional {
        instances: ids(recipients),
        status: status.clone(),
        accept: switch.accept().to_owned(),
    };
    let others = switch.turning.iter().skip(1).cloned();
    draft.step(
        DraftStep::new(Operation::Proxy(operation), first)
            .also_for(others)
            .completes(&either_key())
            .after(recipients.iter().map(|recipient| created(&recipient.key()))),
    );
}

/// Plans that every proxy that still serves both is asked until it has seen what the load balancer sends now. Says
/// whether there is one.
fn await_header(
    desired: &DesiredProxy,
    switch: &Switch,
    recipients: &[Recipient<'_>],
    draft: &mut Draft,
) -> bool {
    let concerned = recipients
        .iter()
        .filter(|recipient| switch.is_ahead() || recipient.installed.optional_until.is_some());
    let keys: Vec<ResourceKey> = if switch.is_ahead() {
        switch.turning.iter().cloned().collect()
    } else {
        concerned.clone().map(Recipient::key).collect()
    };
    let (Some(status), Some(first)) = (&desired.installation.status, keys.first()) else { return false };
    let operation = ProxyOperation::AwaitHeader {
        instances: concerned.map(|recipient| recipient.instance.clone()).collect(),
        status: status.clone(),
        begins: switch.to,
        ceases: switch.from,
        timeout: desired.timeout,
    };
    draft.step(
        DraftStep::new(Operation::Proxy(operation), first)
            .also_for(keys.iter().skip(1).cloned())
            .completes(&seen_key())
            .after(switch.turning.iter().map(made))
            .after([After::EveryMade(Kind::Target), After::EveryMade(Kind::AutoScalingGroup)]),
    );
    true
}

fn ids(recipients: &[Recipient<'_>]) -> BTreeSet<String> {
    recipients.iter().map(|recipient| recipient.instance.clone()).collect()
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
