//! What is read of a stack and of all that lies on the way to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;

use super::live::Live;
use crate::provision::aws::{AwsError, Clients, InstanceHealth, Rules, TargetHealth, acm, iam, vpc};
use crate::provision::observe::{instance_health, observe, target_health};
use crate::provision::plan::{Adoption, Change, PlanError, plan};
use crate::provision::resource::path::{
    CertificateDetail, Machine, NetworkAcl, Renewal, RouteTable, SubnetRoom,
};
use crate::provision::resource::{DesiredBalancer, Observed, Stack};

/// What was read, or why it could not be.
pub(super) type Read<T> = Result<T, String>;

/// All that was read.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) observed: Observed,
    pub(super) live: Option<Live>,
    /// What the next apply would change, or why it cannot tell; without the proxy on the instances, of which there are
    /// checks of its own.
    pub(super) drift: Result<Vec<Change>, Vec<PlanError>>,
    /// The rules of the load balancer's and the instances' groups.
    pub(super) rules: Read<Rules>,
    /// The subnets of the load balancer and the instances.
    pub(super) rooms: Read<Vec<SubnetRoom>>,
    pub(super) machines: Read<Vec<Machine>>,
    pub(super) acls: Read<Vec<NetworkAcl>>,
    pub(super) tables: Read<Vec<RouteTable>>,
    /// The certificates on the listeners by ARN; none for one that is not there.
    pub(super) certificates: BTreeMap<String, Read<Option<CertificateDetail>>>,
    /// Seconds since the Unix epoch.
    pub(super) now: i64,
}

/// What the load balancer says of its targets.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) instances: Vec<InstanceHealth>,
    /// By the ARN of the target group.
    pub(super) groups: BTreeMap<String, Vec<TargetHealth>>,
}

impl Facts {
    pub(super) async fn read(clients: &Clients, stack: &Stack) -> Result<Self, AwsError> {
        let observed = Box::pin(observe(clients, stack)).await?;
        let health = health(clients, stack, &observed).await?;
        let live = Live::of(stack, &observed, &health);
        let drift = plan(&stack.without_proxy(), &observed, Adoption::Refuse).map(|plan| plan.changes);
        let ids: BTreeSet<String> = observed.instances.iter().map(|found| found.id.clone()).collect();
        let machines = vpc::machines(clients, &ids).await.map_err(|error| error.to_string());
        let subnets: BTreeSet<String> = live
            .iter()
            .flat_map(|live| &live.subnets)
            .chain(machines.iter().flatten().filter_map(|machine| machine.subnet.as_ref()))
            .cloned()
            .collect();
        let groups: BTreeSet<String> = live
            .iter()
            .flat_map(|live| &live.groups)
            .chain(observed.instances.iter().flat_map(|found| &found.security_groups))
            .cloned()
            .collect();
        let in_vpc = live.as_ref().and_then(|live| live.vpc.as_deref());
        let arns = live.as_ref().map(Live::certificates).unwrap_or_default();
        let (rules, rooms, acls, tables, certificates) = tokio::join!(
            vpc::rules(clients, &groups),
            vpc::rooms(clients, &subnets),
            async {
                if let Some(id) = in_vpc { vpc::network_acls(clients, id).await } else { Ok(Vec::new()) }
            },
            async {
                if let Some(id) = in_vpc { vpc::route_tables(clients, id).await } else { Ok(Vec::new()) }
            },
            join_all(arns.iter().map(|arn| certificate(clients, arn))),
        );
        Ok(Self {
            live,
            drift,
            rules: rules.map_err(|error| error.to_string()),
            rooms: rooms.map_err(|error| error.to_string()),
            machines,
            acls: acls.map_err(|error| error.to_string()),
            tables: tables.map_err(|error| error.to_string()),
            certificates: arns.into_iter().zip(certificates).collect(),
            observed,
            now: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| i64::try_from(since.as_secs()).ok())
                .unwrap_or_default(),
        })
    }

    /// Returns what is known of an instance, if that could be read.
    pub(super) fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.iter().flatten().find(|machine| machine.id == id)
    }

    /// Returns what is known of a subnet, if that could be read.
    pub(super) fn room(&self, id: &str) -> Option<&SubnetRoom> {
        self.rooms.iter().flatten().find(|room| room.id == id)
    }
}

async fn health(clients: &Clients, stack: &Stack, observed: &Observed) -> Result<Health, AwsError> {
    let name = stack.load_balancer.name();
    let mut health = Health::default();
    match &stack.load_balancer {
        DesiredBalancer::Classic(_) => {
            if observed.load_balancer(name).is_some() {
                health.instances = instance_health(clients, name).await?;
            }
        }
        DesiredBalancer::V2(_) => {
            let Some(found) = observed.v2_load_balancer(name) else { return Ok(health) };
            let of_it =
                observed.target_groups.iter().filter(|group| group.load_balancers.contains(&found.arn));
            for group in of_it {
                health.groups.insert(group.arn.clone(), target_health(clients, group).await?);
            }
        }
    }
    Ok(health)
}

async fn certificate(clients: &Clients, arn: &str) -> Read<Option<CertificateDetail>> {
    let found = if arn.contains(":server-certificate/") {
        iam::certificate(clients, iam::name_in(arn)).await.map(|found| {
            found.map(|certificate| CertificateDetail {
                certificate,
                status: "ISSUED".to_owned(),
                renewal: Renewal::Imported,
            })
        })
    } else {
        acm::detail(clients, arn).await
    };
    found.map_err(|error| error.to_string())
}
