//! Which instances Systems Manager reaches, and `DescribeInstanceInformation`.

use serde_json::{Value, json};

use super::list::page;
use super::seconds;
use crate::local::api::Context;
use crate::local::api::input::{list, required_text, texts};
use crate::local::state::ec2::{Instance, InstanceState};
use crate::local::wire::error::ApiError;

/// Whether an instance takes commands now: it runs, its profile lets its agent register, and this machine can run
/// what is sent to it apart from everything else.
pub(super) fn takes_commands(context: &Context<'_>, instance: &Instance) -> bool {
    is_known(context, instance) && instance.state == InstanceState::Running
}

/// Whether its agent has registered at some time, and the instance is still there.
fn is_known(context: &Context<'_>, instance: &Instance) -> bool {
    context.isolates && instance.profile.is_some() && instance.state != InstanceState::Terminated
}

fn ping_status(instance: &Instance) -> &'static str {
    if instance.state == InstanceState::Running { "Online" } else { "ConnectionLost" }
}

/// A filter: a key, and the values of which one must hold.
struct Filter<'a> {
    key: &'a str,
    values: Vec<&'a str>,
}

const KEYS: [&str; 8] = [
    "InstanceIds",
    "AgentVersion",
    "PingStatus",
    "PlatformTypes",
    "ActivationIds",
    "IamRole",
    "ResourceType",
    "AssociationStatus",
];

impl<'a> Filter<'a> {
    fn read_all(input: &'a Value) -> Result<Vec<Self>, ApiError> {
        let older = Self::read(input, "InstanceInformationFilterList", "key", "valueSet")?;
        let newer = Self::read(input, "Filters", "Key", "Values")?;
        if !older.is_empty() && !newer.is_empty() {
            let message = "InstanceInformationFilterList and Filters cannot be used at the same time";
            return Err(ApiError::bad_request("ValidationException", message));
        }
        let tags = |filter: &Self| filter.key == "tag-key" || filter.key.starts_with("tag:");
        let unknown = older.iter().find(|filter| !KEYS.contains(&filter.key));
        let unknown =
            unknown.or_else(|| newer.iter().find(|filter| !KEYS.contains(&filter.key) && !tags(filter)));
        if let Some(unknown) = unknown {
            let message = format!("The filter key {} is not valid", unknown.key);
            return Err(ApiError::bad_request("InvalidFilterKey", message));
        }
        Ok(older.into_iter().chain(newer).collect())
    }

    fn read(input: &'a Value, name: &str, key: &str, values: &str) -> Result<Vec<Self>, ApiError> {
        let mut filters = Vec::new();
        for filter in list(input, name)?.unwrap_or_default() {
            let key = required_text(filter, key)?;
            let values = texts(filter, values)?.unwrap_or_default();
            if values.is_empty() || values.iter().any(|value| value.is_empty()) {
                let message = format!("The values of the filter {key} are not valid");
                return Err(ApiError::bad_request("InvalidInstanceInformationFilterValue", message));
            }
            filters.push(Self { key, values });
        }
        Ok(filters)
    }

    fn admits(&self, instance: &Instance) -> bool {
        if let Some(key) = self.key.strip_prefix("tag:") {
            return instance.tags.get(key).is_some_and(|value| self.values.contains(&value.as_str()));
        }
        match self.key {
            "InstanceIds" => self.values.contains(&instance.id.as_str()),
            "PingStatus" => self.values.contains(&ping_status(instance)),
            "PlatformTypes" => self.values.contains(&"Linux"),
            "ResourceType" => self.values.contains(&"EC2Instance"),
            "tag-key" => instance.tags.keys().any(|key| self.values.contains(&key.as_str())),
            _ => false,
        }
    }
}

pub(super) fn describe(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let filters = Filter::read_all(input)?;
    let now = context.now;
    context.here();
    let known: Vec<(String, Value)> = match context.state.regions.get(context.region) {
        None => Vec::new(),
        Some(region) => region
            .ec2
            .instances
            .values()
            .filter(|instance| is_known(context, instance))
            .filter(|instance| filters.iter().all(|filter| filter.admits(instance)))
            .map(|instance| {
                let described = json!({
                    "InstanceId": instance.id,
                    "PingStatus": ping_status(instance),
                    "LastPingDateTime": seconds(now),
                    "PlatformType": "Linux",
                    "ResourceType": "EC2Instance",
                    "IPAddress": instance.private_ip,
                    "ComputerName": format!("ip-{}", instance.private_ip.to_string().replace('.', "-")),
                    "SourceId": instance.id,
                    "SourceType": "AWS::EC2::Instance",
                });
                (instance.id.clone(), described)
            })
            .collect(),
    };
    page(input, [5, 50], known, "InstanceInformationList")
}
