//! What the instances have of the proxy: a script that Systems Manager runs on all of them at once says it.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use super::super::aws::s3::Place;
use super::super::aws::ssm::{self, Invocation, InvocationState, Script};
use super::super::aws::{AwsError, Clients, s3};
use super::super::resource::{
    AutoScalingGroup, DesiredProxy, Installed, Instance, InstanceState, Management, ObservedProxy, Stack,
    object_key,
};

const INSPECT: &str = include_str!("inspect.sh");
/// Seconds until the script is killed: it hashes a file and asks the proxy for its state.
const SECONDS: u32 = 60;

/// What there is of a stack's proxy.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    pub(super) proxies: Vec<ObservedProxy>,
    pub(super) programs: BTreeSet<String>,
}

/// Reads what is there of the proxy on the stack's running instances and in the bucket: no call where nothing is to
/// be installed. Otherwise, for up to 50 instances, one that says who is managed, one that sends the script, a few
/// that ask for the answers, and one or two for each program.
pub(super) async fn observe(
    clients: &Clients,
    stack: &Stack,
    instances: &[Instance],
    groups: &[AutoScalingGroup],
) -> Result<Proxies, AwsError> {
    let Some(desired) = &stack.proxy else { return Ok(Proxies::default()) };
    let ids: Vec<&str> = instances
        .iter()
        .filter(|found| found.state == InstanceState::Running && stack.instances.selects(found, groups))
        .map(|found| found.id.as_str())
        .collect();
    let (proxies, programs) =
        tokio::try_join!(proxies(clients, desired, &ids), programs(clients, desired, !ids.is_empty()))?;
    Ok(Proxies { proxies, programs })
}

/// Reads which of the desired programs the bucket has.
async fn programs(
    clients: &Clients,
    desired: &DesiredProxy,
    needed: bool,
) -> Result<BTreeSet<String>, AwsError> {
    if !needed {
        return Ok(BTreeSet::new());
    }
    let reads = desired.programs.values().map(|program| async move {
        let key = object_key(&program.sha256);
        let place = Place { bucket: &desired.bucket, key: &key };
        Ok(s3::has(clients, place).await?.then(|| program.sha256.clone()))
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

async fn proxies(
    clients: &Clients,
    desired: &DesiredProxy,
    ids: &[&str],
) -> Result<Vec<ObservedProxy>, AwsError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let managed = ssm::managed(clients, ids).await?;
    let online: Vec<&str> =
        managed.iter().filter(|found| found.is_online()).map(|found| found.instance.as_str()).collect();
    let answers = if online.is_empty() { Vec::new() } else { ask(clients, desired, &online).await? };
    Ok(ids
        .iter()
        .map(|id| {
            let management = match managed.iter().find(|found| found.instance == *id) {
                None => Management::Unknown,
                Some(found) if !found.is_online() => Management::Offline(found.ping.clone()),
                Some(_) => match answers.iter().find(|answer| answer.instance == *id) {
                    Some(answer) => management(answer),
                    None => Management::Failed { status: "Pending".to_owned(), output: String::new() },
                },
            };
            ObservedProxy { instance: (*id).to_owned(), management }
        })
        .collect())
}

/// Runs the script on the instances, and gives up on those that do not answer.
async fn ask(
    clients: &Clients,
    desired: &DesiredProxy,
    instances: &[&str],
) -> Result<Vec<Invocation>, AwsError> {
    let status = desired.installation.status.as_deref().unwrap_or_default();
    let text = INSPECT.replace("@STATUS@", status);
    let script = Script { text: &text, comment: "elbws: what is there of elbws-proxy", seconds: SECONDS };
    ssm::run(clients, instances, script).await
}

fn management(answer: &Invocation) -> Management {
    match answer.state {
        InvocationState::Succeeded => Management::Managed(installed(&answer.stdout)),
        InvocationState::Running | InvocationState::Failed => Management::Failed {
            status: answer.status.clone(),
            output: answer.stdout.trim().lines().last().unwrap_or_default().to_owned(),
        },
    }
}

/// Reads what the script says.
fn installed(output: &str) -> Installed {
    let value = |word: &str| {
        let mut lines = output.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == word).map(|(_, value)| value.trim().to_owned())
    };
    Installed {
        program: value("program"),
        running: value("running"),
        config: value("config"),
        loaded: value("loaded"),
        unit: value("unit"),
        fixed: value("fixed"),
        accept: value("accept"),
        optional_until: value("optional"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::resource::Installation;

    fn answer(state: InvocationState, stdout: &str) -> Invocation {
        Invocation {
            instance: "i-1".to_owned(),
            status: "ExecutionTimedOut".to_owned(),
            state,
            exit: Some(0),
            stdout: stdout.to_owned(),
            stderr: String::new(),
        }
    }

    #[test]
    fn what_the_script_does_not_say_is_not_there() {
        let said = answer(InvocationState::Succeeded, "program aa\nconfig bb\naccept v1\nrunning cc\n");
        let expected = Installed {
            program: Some("aa".to_owned()),
            running: Some("cc".to_owned()),
            config: Some("bb".to_owned()),
            accept: Some("v1".to_owned()),
            ..Installed::default()
        };
        assert_eq!(management(&said), Management::Managed(expected));
        assert_eq!(
            management(&answer(InvocationState::Succeeded, "")),
            Management::Managed(Installed::default())
        );
        let expected =
            Management::Failed { status: "ExecutionTimedOut".to_owned(), output: "two".to_owned() };
        assert_eq!(management(&answer(InvocationState::Failed, "one\ntwo\n")), expected);
    }

    /// What only a restart takes up is the same to the script that installs, to this one and to the planner.
    #[test]
    fn what_is_fixed_is_the_same_everywhere() {
        let pattern = |script: &str| {
            let (_, rest) = script.split_once("grep -E '^(").unwrap();
            rest.split_once("): '").unwrap().0.to_owned()
        };
        let fields = pattern(INSPECT);
        assert_eq!(pattern(include_str!("../install/install.sh")), fields);
        let of = |config: String| {
            let (unit, health) = (String::new(), String::new());
            Installation { config, unit, health, status: None }.fixed_sha256()
        };
        for field in fields.split('|') {
            assert_ne!(of(format!("{field}: 1\n")), of(format!("{field}: 2\n")), "{field}");
        }
        for field in ["accept", "routes", "xlisten", "drain"] {
            assert_eq!(of(format!("{field}: 1\n")), of(format!("{field}: 2\n")), "{field}");
        }
    }

    /// The script runs as it is on this machine, where no proxy is installed.
    #[test]
    fn the_script_runs_where_nothing_is_installed() {
        let text = INSPECT.replace("@STATUS@", "http://127.0.0.1:9/status");
        let run = std::process::Command::new("sh").arg("-c").arg(text).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        assert_eq!(installed(&String::from_utf8(run.stdout).unwrap()).running, None);
    }
}
