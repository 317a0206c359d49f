//! How the proxy is put onto the instances: the options, the programs that are found on this machine, and what runs where
//! after a run that did not come to its end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::Globals;
#[cfg(feature = "local")]
use super::session::client_options;
use crate::provision::execute::{ExecuteError, Outcome};
use crate::provision::install::architecture_of;
use crate::provision::plan::{Operation, Plan, ProxyOperation};
use crate::provision::resource::{Architecture, ProgramFile, Stack, sha256_of_all};

const NAME: &str = "elbws-proxy";
/// How much of a program is in memory while it is read, in bytes.
const PIECE: usize = 1 << 20;

/// How the proxy is put onto the instances, where the spec says `proxy.deploy`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Rollout {
    /// The elbws-proxy to install, one for each architecture of the instances [default: the ones beside elbws]
    #[arg(long, value_name = "PATH")]
    proxy_binary: Vec<PathBuf>,
    /// How many instances get the proxy at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    max_unavailable: u16,
}

impl Rollout {
    /// Completes what the spec says of the proxy. `timeout` is what the load balancer is given for each instance.
    pub(crate) fn complete(
        &self,
        globals: &Globals,
        stack: &mut Stack,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let Some(desired) = &mut stack.proxy else {
            return if self.proxy_binary.is_empty() { Ok(()) } else { Err(not_deployed()) };
        };
        desired.programs = given(&self.proxy_binary)?;
        for (architecture, program) in beside()? {
            desired.programs.entry(architecture).or_insert(program);
        }
        #[cfg(feature = "local")]
        if self.proxy_binary.is_empty() && client_options(globals, None).is_local() {
            // Whose instances are this machine: what the demo has deployed on them can be applied again.
            let (architecture, program) = of_this_machine()?;
            desired.programs.entry(architecture).or_insert(program);
        }
        desired.max_unavailable = self.max_unavailable;
        if let Some(timeout) = timeout {
            desired.timeout = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        }
        Ok(())
    }
}

/// Completes what the spec says with the programs beside elbws, for who only compares.
pub(crate) fn complete_for_comparison(stack: &mut Stack) {
    if let Some(desired) = &mut stack.proxy {
        desired.programs = beside().unwrap_or_default();
    }
}

/// Says that the spec does not have the proxy installed.
pub(crate) fn not_deployed() -> Failure {
    Failure {
        error: anyhow!("the spec does not say that the proxy is installed on the instances"),
        hint: Some(
            "write `deploy: { via: ssm, bucket: BUCKET }` under `proxy`, or see `elbws user-data`".to_owned(),
        ),
        exit: Exit::Usage,
    }
}

/// Reads the programs that the user names.
fn given(paths: &[PathBuf]) -> Result<BTreeMap<Architecture, ProgramFile>, Failure> {
    let mut programs: BTreeMap<Architecture, ProgramFile> = BTreeMap::new();
    for path in paths {
        let (architecture, program) = read(path)?;
        if let Some(other) = programs.insert(architecture, program) {
            return Err(Failure {
                error: anyhow!("{} and {} are both for {architecture}", other.path.display(), path.display()),
                hint: Some("give one program for each architecture".to_owned()),
                exit: Exit::Usage,
            });
        }
    }
    Ok(programs)
}

/// Reads the programs that lie beside the one that runs; those with an architecture in their names come first.
fn beside() -> Result<BTreeMap<Architecture, ProgramFile>, Failure> {
    let own = std::env::current_exe().context("cannot find out where elbws is")?;
    let folder = own.parent().unwrap_or(Path::new("/"));
    let mut programs = BTreeMap::new();
    for named in Architecture::ALL {
        let path = folder.join(format!("{NAME}-{named}"));
        if !path.is_file() {
            continue;
        }
        let (architecture, program) = read(&path)?;
        if architecture != named {
            return Err(unusable(&path, &format!("it is made for {architecture}, not for {named}")));
        }
        programs.insert(architecture, program);
    }
    let path = folder.join(NAME);
    if path.is_file() {
        let (architecture, program) = read(&path)?;
        programs.entry(architecture).or_insert(program);
    }
    Ok(programs)
}

/// Returns the program that runs on this machine: the elbws-proxy beside elbws, or elbws, which is the proxy under that
/// name.
#[cfg(feature = "local")]
pub(crate) fn of_this_machine() -> Result<(Architecture, ProgramFile), Failure> {
    let beside = Architecture::of_this_machine().and_then(|machine| beside().ok()?.remove_entry(&machine));
    match beside {
        Some(program) => Ok(program),
        None => read(&std::env::current_exe().context("cannot find out where elbws is")?),
    }
}

fn read(path: &Path) -> Result<(Architecture, ProgramFile), Failure> {
    let unreadable = |error: io::Error| unusable(path, &error.to_string());
    let mut content = BufReader::with_capacity(PIECE, File::open(path).map_err(unreadable)?);
    let header = content.fill_buf().map_err(unreadable)?;
    let architecture = architecture_of(header).map_err(|error| unusable(path, &error.to_string()))?;
    let sha256 = sha256_of_all(content).map_err(unreadable)?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok((architecture, ProgramFile { path, sha256 }))
}

fn unusable(path: &Path, reason: &str) -> Failure {
    Failure {
        error: anyhow!("{} is no elbws-proxy for the instances: {reason}", path.display()),
        hint: Some("--proxy-binary takes an elbws-proxy for Linux on x86_64 or aarch64".to_owned()),
        exit: Exit::Usage,
    }
}

/// Says which instances run what after a run that did not come to its end; none where no proxy was to be installed. Where
/// an instance has two turns, the last one that was taken counts.
pub(crate) fn whereabouts(plan: &Plan, outcome: &Outcome) -> Option<String> {
    let mut runs: BTreeMap<&str, &str> = BTreeMap::new();
    for step in &plan.steps {
        let Operation::Proxy(ProxyOperation::Install { instance, optional_for, .. }) = &step.operation else {
            continue;
        };
        let failed = outcome.failed.iter().find(|(id, _)| *id == step.id).map(|(_, error)| error);
        let now = match failed {
            _ if outcome.done.contains(&step.id) && optional_for.is_some() => {
                "the new one, with the PROXY header and without it"
            }
            _ if outcome.done.contains(&step.id) => "the new one",
            Some(ExecuteError::NotInstalled { aftermath, .. }) => aftermath.runs(),
            Some(ExecuteError::NotHealthy { .. }) => "the new one, which the load balancer finds unhealthy",
            Some(_) => "it is not known which one: elbws status says",
            None => {
                runs.entry(instance).or_insert("what it ran before");
                continue;
            }
        };
        runs.insert(instance, now);
    }
    let lines: Vec<String> = runs.iter().map(|(instance, now)| format!("  {instance}: {now}")).collect();
    (!lines.is_empty()).then(|| format!("the proxy that runs now:\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::provision::plan::{Gate, Step};
    use crate::provision::resource::{Installation, LoadBalancerType};

    fn install(id: usize, instance: &str, optional_for: Option<u32>) -> Step {
        let operation = Operation::Proxy(ProxyOperation::Install {
            instance: instance.to_owned(),
            bucket: "artifacts".to_owned(),
            sha256: String::new(),
            installation: Installation {
                config: String::new(),
                unit: String::new(),
                health: String::new(),
                status: None,
            },
            optional_for,
            gate: Gate::Classic { load_balancer: "chat".to_owned() },
            timeout: 600,
        });
        Step { id, needs: BTreeSet::new(), resources: Vec::new(), operation }
    }

    #[test]
    fn an_instance_is_told_of_once_by_its_last_turn() {
        let plan = Plan {
            stack: "chat".to_owned(),
            region: "us-east-1".to_owned(),
            load_balancer: "chat".to_owned(),
            load_balancer_type: LoadBalancerType::Classic,
            targets: BTreeSet::new(),
            target_groups: BTreeMap::new(),
            changes: Vec::new(),
            warnings: Vec::new(),
            steps: vec![
                install(0, "i-1", Some(3300)),
                install(1, "i-2", Some(3300)),
                install(2, "i-1", None),
                install(3, "i-2", None),
            ],
        };
        let told = |done: &[usize]| {
            let outcome = Outcome { done: done.iter().copied().collect(), ..Outcome::default() };
            whereabouts(&plan, &outcome).unwrap()
        };
        let both = "the new one, with the PROXY header and without it";
        let lines = |one: &str, two: &str| format!("the proxy that runs now:\n  i-1: {one}\n  i-2: {two}");
        assert_eq!(told(&[]), lines("what it ran before", "what it ran before"));
        assert_eq!(told(&[0]), lines(both, "what it ran before"));
        assert_eq!(told(&[0, 1]), lines(both, both));
        assert_eq!(told(&[0, 1, 2]), lines("the new one", both));
        assert_eq!(told(&[0, 1, 2, 3]), lines("the new one", "the new one"));
    }
}
