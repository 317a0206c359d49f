//! Run Command's work: which invocations are due, the task that has them run, and what becomes of them.
//!
//! What a command is, and who may send one, is `api`'s business; how a script runs on an instance is [`agent`]'s.
//!
//! [`agent`]: super::agent

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::account::Account;
use super::agent::{AgentError, Agents, Host, Ran, Script};
use super::state::ec2::{self, Instance, InstanceState};
use super::state::ssm::{Command, Invocation, Status};
use super::state::{Region, State};

/// How long the task sleeps when nothing is to come; a change of the account wakes it.
const IDLE: Duration = Duration::from_hours(1);
/// How many commands an instance runs at the same time: the agent's own default, `CommandWorkersLimit`.
/// <https://github.com/aws/amazon-ssm-agent/blob/mainline/README.md>
const WORKERS: usize = 5;
/// What the agent reports of a script that it killed: 128 and SIGKILL's number.
const KILLED: i32 = 137;

/// A command on an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    region: String,
    command: String,
    instance: String,
}

/// What is to be done now, and when to look again.
#[derive(Default)]
struct Turn {
    begin: Vec<(Key, Host, Script)>,
    cut: Vec<Key>,
    next: Option<OffsetDateTime>,
    /// Whether the state was changed.
    changed: bool,
}

/// Has commands run until it is dropped, with those that run.
pub(crate) async fn run(account: Arc<Account>, agents: Agents) {
    let mut changes = account.changes();
    let mut scripts = JoinSet::new();
    let mut running: BTreeMap<Key, AbortHandle> = BTreeMap::new();
    loop {
        let pause = {
            let inner = &mut *account.lock();
            let now = inner.clock.now();
            let turn = turn(&mut inner.state, now, &running.keys().cloned().collect());
            if turn.changed {
                // If it cannot be written, the next operation says so.
                let _ = inner.save();
            }
            for key in &turn.cut {
                if let Some(script) = running.get(key) {
                    script.abort();
                }
            }
            for (key, host, script) in turn.begin {
                let agents = agents.clone();
                let handle = scripts.spawn(async move { agents.run(&host, &script).await });
                running.insert(key, handle);
            }
            turn.next.map_or(IDLE, |next| Duration::try_from(next - now).unwrap_or_default().min(IDLE))
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = changes.changed() => {}
            Some(done) = scripts.join_next_with_id() => {
                let (id, result) = match done {
                    Ok((id, result)) => (id, Some(result)),
                    Err(error) => (error.id(), None),
                };
                if let Some(key) = take(&mut running, id) {
                    let inner = &mut *account.lock();
                    let now = inner.clock.now();
                    record(&mut inner.state, &key, result, now);
                    let _ = inner.save();
                }
            }
        }
    }
}

fn take(running: &mut BTreeMap<Key, AbortHandle>, id: Id) -> Option<Key> {
    let key = running.iter().find(|(_, handle)| handle.id() == id).map(|(key, _)| key.clone())?;
    running.remove(&key);
    Some(key)
}

/// Settles what no longer can be, and takes up what is due: on each instance in the order of arrival.
fn turn(state: &mut State, now: OffsetDateTime, running: &BTreeSet<Key>) -> Turn {
    let mut turn = Turn::default();
    let mut found = BTreeSet::new();
    for (name, region) in &mut state.regions {
        let Region { ec2, ssm, .. } = region;
        let mut busy = BTreeMap::<String, usize>::new();
        for command in &mut ssm.commands {
            let ids = command.invocations.iter().map(|invocation| invocation.instance_id.clone());
            let keys: Vec<Key> = ids
                .map(|instance| Key { region: name.clone(), command: command.id.clone(), instance })
                .collect();
            let is_running = |key: &Key| running.contains(key);
            settle(command, ec2, &keys, &is_running, now, &mut turn);
            for key in keys.iter().filter(|key| is_running(key)) {
                *busy.entry(key.instance.clone()).or_default() += 1;
                found.insert(key.clone());
            }
            begin(command, ec2, &keys, &mut busy, now, &mut turn);
        }
    }
    // Their commands are gone: the account was reset.
    turn.cut.extend(running.difference(&found).cloned());
    turn
}

/// Ends what cannot go on, and has that cut off which runs.
fn settle(
    command: &mut Command,
    region: &ec2::Region,
    keys: &[Key],
    is_running: &dyn Fn(&Key) -> bool,
    now: OffsetDateTime,
    turn: &mut Turn,
) {
    let (deadline, has_failed) = (command.deadline(), command.has_failed());
    for (invocation, key) in command.invocations.iter_mut().zip(keys) {
        let instance = region.instances.get(&invocation.instance_id);
        let state = instance.map_or(InstanceState::Terminated, |instance| instance.state);
        let end = match (invocation.status, is_running(key)) {
            (Status::Pending, _) if has_failed => Some((Status::Terminated, -1)),
            (Status::Pending, _) if state == InstanceState::Terminated => Some((Status::Undeliverable, -1)),
            (Status::Pending, _) if now >= deadline => Some((Status::DeliveryTimedOut, -1)),
            // Its instance is gone, or the server that ran it is.
            (Status::InProgress, running) if !running || state != InstanceState::Running => {
                Some((Status::Undeliverable, -1))
            }
            (Status::Cancelling, false) => Some((Status::Cancelled, KILLED)),
            _ => None,
        };
        if let Some((status, code)) = end {
            invocation.end(status, code, now);
            turn.changed = true;
        }
        if is_running(key) && invocation.status != Status::InProgress {
            turn.cut.push(key.clone());
        }
    }
}

/// Begins what may: its instance has a worker for it, and no more of this one run than may.
fn begin(
    command: &mut Command,
    region: &ec2::Region,
    keys: &[Key],
    busy: &mut BTreeMap<String, usize>,
    now: OffsetDateTime,
    turn: &mut Turn,
) {
    let all = command.invocations.len();
    let most = command.max_concurrency.of(all).max(1);
    let mut active = command.invocations.iter().filter(|one| one.status == Status::InProgress).count();
    let script = script(command, keys.first().map(|key| key.region.as_str()).unwrap_or_default());
    let deadline = command.deadline();
    for (invocation, key) in command.invocations.iter_mut().zip(keys) {
        if invocation.status != Status::Pending {
            continue;
        }
        let instance = region.instances.get(&invocation.instance_id);
        let host =
            instance.filter(|instance| takes_commands(instance)).map(|instance| Host::of(region, instance));
        // Whoever came first stays first, whatever it waits for.
        let taken = busy.entry(invocation.instance_id.clone()).or_default();
        let free = *taken < WORKERS;
        *taken += 1;
        match host.filter(|_| free && active < most) {
            Some(host) => {
                invocation.status = Status::InProgress;
                invocation.started_at = Some(now);
                turn.changed = true;
                active += 1;
                let mut script = script.clone();
                script.environment.insert("AWS_SSM_INSTANCE_ID".to_owned(), host.id.clone());
                turn.begin.push((key.clone(), host, script));
            }
            None => turn.next = Some(turn.next.map_or(deadline, |next| next.min(deadline))),
        }
    }
}

fn takes_commands(instance: &Instance) -> bool {
    instance.state == InstanceState::Running && instance.profile.is_some()
}

fn script(command: &Command, region: &str) -> Script {
    let lines = command.parameters.get("commands").map(|lines| lines.join("\n")).unwrap_or_default();
    let directory = command.parameters.get("workingDirectory").and_then(|values| values.first());
    Script {
        text: lines + "\n",
        environment: BTreeMap::from([("AWS_SSM_REGION_NAME".to_owned(), region.to_owned())]),
        directory: directory.filter(|directory| !directory.is_empty()).map(Into::into),
        time_limit: Duration::from_secs(command.execution_timeout.into()),
    }
}

/// Takes down how a script ended; none if it was cut off.
fn record(state: &mut State, key: &Key, result: Option<Result<Ran, AgentError>>, now: OffsetDateTime) {
    let Some(region) = state.regions.get_mut(&key.region) else { return };
    let Some(command) = region.ssm.commands.iter_mut().find(|command| command.id == key.command) else {
        return;
    };
    let mut invocations = command.invocations.iter_mut();
    let Some(invocation) = invocations.find(|one| one.instance_id == key.instance) else { return };
    // What was settled before its script was gone stays so.
    if invocation.status.is_final() {
        return;
    }
    match result {
        Some(Ok(ran)) => take_down(invocation, ran, now),
        Some(Err(AgentError::Stopped { .. })) => invocation.end(Status::Undeliverable, -1, now),
        Some(Err(error)) => {
            invocation.errors = format!("failed to run commands: {error}");
            invocation.end(Status::Failed, 1, now);
        }
        None if invocation.status == Status::Cancelling => invocation.end(Status::Cancelled, KILLED, now),
        None => invocation.end(Status::Undeliverable, -1, now),
    }
}

fn take_down(invocation: &mut Invocation, ran: Ran, now: OffsetDateTime) {
    invocation.output = ran.stdout;
    invocation.errors = ran.stderr;
    let (status, code) = match ran.exit_code {
        _ if ran.timed_out => (Status::ExecutionTimedOut, KILLED),
        0 => (Status::Success, 0),
        code => (Status::Failed, code),
    };
    // The agent adds this to what the script wrote.
    if status != Status::Success {
        let _ = write!(invocation.errors, "failed to run commands: exit status {code}");
    }
    invocation.end(status, code, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::state::ssm::Share;

    const REGION: &str = "us-east-1";

    fn command(id: &str, statuses: &[Status]) -> Command {
        let invocation = |(index, status): (usize, &Status)| {
            let mut invocation = Invocation::new(format!("i-{index}"), String::new());
            invocation.status = *status;
            invocation
        };
        Command {
            id: id.to_owned(),
            document_version: "$DEFAULT".to_owned(),
            comment: String::new(),
            parameters: BTreeMap::new(),
            instance_ids: Vec::new(),
            targets: Vec::new(),
            requested_at: OffsetDateTime::UNIX_EPOCH,
            timeout: 600,
            execution_timeout: 60,
            max_concurrency: Share::Number(50),
            max_errors: Share::Number(0),
            invocations: statuses.iter().enumerate().map(invocation).collect(),
        }
    }

    fn statuses(state: &State) -> Vec<Status> {
        let commands = state.regions.values().flat_map(|region| &region.ssm.commands);
        commands.flat_map(|command| &command.invocations).map(|invocation| invocation.status).collect()
    }

    #[test]
    fn what_ran_when_the_server_ended_is_over() {
        let mut state = State::default();
        let commands = &mut state.region_mut(REGION).ssm.commands;
        commands
            .push(command("a", &[Status::InProgress, Status::Cancelling, Status::Success, Status::Pending]));
        let turn = turn(&mut state, OffsetDateTime::UNIX_EPOCH, &BTreeSet::new());
        assert!(turn.changed && turn.begin.is_empty() && turn.cut.is_empty());
        // The last one's instance does not exist.
        let expected = [Status::Undeliverable, Status::Cancelled, Status::Success, Status::Undeliverable];
        assert_eq!(statuses(&state), expected);
    }

    #[test]
    fn what_runs_is_cut_off_when_nobody_knows_it_any_more() {
        let mut state = State::default();
        state.region_mut(REGION).ssm.commands.push(command("a", &[Status::Cancelling]));
        let key = |command: &str| Key {
            region: REGION.to_owned(),
            command: command.to_owned(),
            instance: "i-0".to_owned(),
        };
        let running = BTreeSet::from([key("a"), key("of an account that was reset")]);
        let turn = turn(&mut state, OffsetDateTime::UNIX_EPOCH, &running);
        assert_eq!(turn.cut.into_iter().collect::<BTreeSet<_>>(), running);
        // Until its script is gone.
        assert_eq!(statuses(&state), [Status::Cancelling]);
        record(&mut state, &key("a"), None, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(statuses(&state), [Status::Cancelled]);
    }

    #[test]
    fn too_many_errors_end_what_waits() {
        let mut state = State::default();
        let commands = &mut state.region_mut(REGION).ssm.commands;
        commands.push(command("a", &[Status::Failed, Status::Pending]));
        turn(&mut state, OffsetDateTime::UNIX_EPOCH, &BTreeSet::new());
        assert_eq!(statuses(&state), [Status::Failed, Status::Terminated]);
    }
}
