//! `DescribeInstanceHealth`: the health of instances as a load balancer sees it.

use super::{Context, instances, named, placement};
use crate::local::health::Verdict;
use crate::local::state::ec2::{Instance, InstanceState};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// What a load balancer says of an instance: state, reason code and description, all in the words of AWS.
struct Health {
    state: &'static str,
    reason: &'static str,
    description: &'static str,
}

impl Health {
    const IN_SERVICE: Self = Self { state: "InService", reason: "N/A", description: "N/A" };

    const fn out(reason: &'static str, description: &'static str) -> Self {
        Self { state: "OutOfService", reason, description }
    }
}

/// `DescribeInstanceHealth`.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let assume_healthy = context.settings.assume_healthy;
    let (region_name, table) = (context.region, context.health);
    let region = context.here();
    let load_balancer = named(&mut region.elb, params)?;
    let zones = placement::zones(&region.ec2, load_balancer);
    let asked_for = params.structures("Instances");
    let mut found: Vec<&Instance> = Vec::new();
    if asked_for.is_empty() {
        let registered = load_balancer.instances.iter();
        found.extend(registered.filter_map(|id| instances::find(&region.ec2, id).ok()));
    } else {
        for instance in &asked_for {
            found.push(instances::find(&region.ec2, instance.required("InstanceId")?)?);
        }
    }
    let states = found.into_iter().map(|instance| {
        let health = if !load_balancer.instances.contains(&instance.id) {
            UNREGISTERED
        } else if assume_healthy && instance.state == InstanceState::Running && zones.contains(&instance.zone)
        {
            Health::IN_SERVICE
        } else {
            of(instance, &zones, table.verdict(region_name, &load_balancer.name, &instance.id))
        };
        Members::new()
            .text("InstanceId", &instance.id)
            .text("State", health.state)
            .text("ReasonCode", health.reason)
            .text("Description", health.description)
    });
    Ok(Members::new().structures("InstanceStates", "member", states))
}

const UNREGISTERED: Health =
    Health::out("Instance", "Instance is not currently registered with the LoadBalancer.");

fn of(instance: &Instance, zones: &[String], verdict: Option<Verdict>) -> Health {
    match instance.state {
        InstanceState::Pending => Health::out("Instance", "Instance is in pending state."),
        InstanceState::Stopping | InstanceState::Stopped => {
            Health::out("Instance", "Instance is in stopped state.")
        }
        InstanceState::ShuttingDown | InstanceState::Terminated => {
            Health::out("Instance", "Instance is in terminated state.")
        }
        InstanceState::Running if !zones.contains(&instance.zone) => Health::out(
            "ELB",
            "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route traffic to.",
        ),
        InstanceState::Running => match verdict {
            None | Some(Verdict::Registering) => {
                Health::out("ELB", "Instance registration is still in progress.")
            }
            Some(Verdict::NotYetHealthy) => Health::out(
                "Instance",
                "Instance has not passed the configured HealthyThreshold number of health checks consecutively.",
            ),
            Some(Verdict::Unhealthy) => Health::out(
                "Instance",
                "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.",
            ),
            Some(Verdict::Healthy) => Health::IN_SERVICE,
        },
    }
}
