//! Whether Systems Manager reaches the instances, and what they have of the proxy that it is to install.
//!
//! Sources: "Setting up Systems Manager for EC2 instances", "Troubleshooting managed node availability" and "SSM Agent
//! communications" of the Systems Manager guide (the agent speaks HTTPS, port 443).

use super::facts::Facts;
use super::sheet::{Sheet, finding, list};
use super::{Finding, Name, Severity};
use crate::provision::plan::{Lack, PlanError, ProxyOn, ProxyState, proxy_states};
use crate::provision::resource::Stack;

/// Where the agent finds Systems Manager.
const HTTPS: u16 = 443;

/// Nothing where nothing is to be installed.
pub(super) fn check(stack: &Stack, facts: &Facts, sheet: &mut Sheet) {
    for found in proxy_states(stack, &facts.observed) {
        let ProxyOn { instance, state, .. } = &found;
        let lack = match state {
            ProxyState::Unmanaged(lack) => lack,
            ProxyState::AsDesired | ProxyState::Differs(_) | ProxyState::Missing => {
                sheet.right(Name::SystemsManager, instance, reached(instance, facts));
                installed(instance, state, sheet);
                continue;
            }
        };
        sheet.wrong(Name::SystemsManager, instance, out_of_reach(instance, lack, facts));
    }
}

fn reached(instance: &str, facts: &Facts) -> String {
    let profile = facts.machine(instance).and_then(|machine| machine.profile.as_deref());
    let profile = profile.map(|arn| arn.rsplit('/').next().unwrap_or(arn));
    let by = profile.map(|name| format!(", with the instance profile {name}")).unwrap_or_default();
    format!("its agent is online and runs scripts{by}")
}

fn out_of_reach(instance: &str, lack: &Lack, facts: &Facts) -> Finding {
    let why = "`elbws apply` and `elbws deploy` are refused until the proxy can be installed on it";
    let shut_in = match lack {
        Lack::Registration | Lack::Connection(_) => shut_in(instance, facts),
        Lack::Profile | Lack::Answer { .. } => None,
    };
    if let Some(groups) = shut_in {
        let problem = format!("{lack}, and no outbound rule of {} admits port {HTTPS}", list(groups));
        let group = groups.first().map_or("", String::as_str);
        let fix = format!(
            "`aws ec2 authorize-security-group-egress --group-id {group} --ip-permissions \
             'IpProtocol=tcp,FromPort={HTTPS},ToPort={HTTPS},IpRanges=[{{CidrIp=0.0.0.0/0}}]'`"
        );
        return finding(Severity::Error, problem, why, fix);
    }
    let fix = match lack {
        Lack::Profile => format!(
            "`aws ec2 associate-iam-instance-profile --instance-id {instance} --iam-instance-profile Name=…`, with a role \
             that has AmazonSSMManagedInstanceCore (or the account's Default Host Management Configuration)"
        ),
        Lack::Registration | Lack::Connection(_) | Lack::Answer { .. } => {
            let region = facts.observed.region.clone();
            PlanError::NotManaged { instance: instance.to_owned(), lack: lack.clone(), region }.hint()
        }
    };
    finding(Severity::Error, lack.to_string(), why, fix)
}

/// The instance's security groups, where none of them lets it out to Systems Manager.
fn shut_in<'a>(instance: &str, facts: &'a Facts) -> Option<&'a std::collections::BTreeSet<String>> {
    let groups = &facts.observed.instances.iter().find(|found| found.id == instance)?.security_groups;
    let rules = facts.rules.as_ref().ok()?;
    let is_way_out = |rule: &&crate::provision::resource::GroupRule| {
        groups.contains(&rule.group) && rule.admits_port(HTTPS)
    };
    rules.egress.iter().find(is_way_out).is_none().then_some(groups)
}

/// Says how the proxy on an instance differs from the spec's.
fn installed(instance: &str, state: &ProxyState, sheet: &mut Sheet) {
    let fix = "`elbws deploy SPEC`";
    let wrong = match state {
        ProxyState::AsDesired | ProxyState::Unmanaged(_) => return,
        ProxyState::Missing => {
            let why = "nobody answers there: the load balancer finds it unhealthy";
            finding(Severity::Error, "there is no elbws-proxy on it", why, fix)
        }
        ProxyState::Differs(fields) => {
            let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
            let problem = format!("the proxy on it differs from the spec's in {}", list(&paths));
            if paths.contains(&"state") {
                finding(Severity::Error, problem, "it does not run", fix)
            } else if paths.contains(&"accept") {
                let why = "it refuses connections that begin as the load balancer of the spec has them begin";
                finding(Severity::Error, problem, why, fix)
            } else {
                finding(Severity::Note, problem, "it was not deployed since, or changed by other means", fix)
            }
        }
    };
    sheet.wrong(Name::Spec, instance, wrong);
}
