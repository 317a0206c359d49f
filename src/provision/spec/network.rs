//! `network:`, where the load balancer stands.

use std::collections::BTreeMap;

use serde::Serialize;

use super::item::{Item, Read, Value};
use super::problem::Problems;
use super::shape::{Field, Kind, Need, Object};
use super::{tags, text};

/// The VPC and the subnets of the load balancer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Network {
    /// The VPC.
    pub vpc: VpcSelector,
    /// Its subnets that the load balancer is attached to.
    pub subnets: SubnetSelector,
}

/// Which VPC.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcSelector {
    /// The region's default VPC.
    Default,
    /// The VPC with this id.
    Id(String),
    /// The one VPC that has all of these tags.
    Tags(BTreeMap<String, String>),
}

/// Which subnets of that VPC.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetSelector {
    /// One in each availability zone.
    All,
    /// Those with these ids; not empty, no duplicates.
    Ids(Vec<String>),
    /// Those that have all of these tags.
    Tags(BTreeMap<String, String>),
}

pub(super) static NETWORK: Object = Object {
    name: "network",
    need: Need::Nothing,

    fields: &[
        Field::new(
            "vpc",
            Kind::OneOf {
                what: "default, a VPC id or a mapping with tags",
                forms: &[Kind::Text(&text::VPC), Kind::Object(&tags::SELECTOR)],
            },
            "The VPC: `default`, `vpc-…`, or `{ tags: {…} }` for the one VPC that has all of them.",
        )
        .default("default"),
        Field::new(
            "subnets",
            Kind::OneOf {
                what: "all, a list of subnet ids or a mapping with tags",
                forms: &[
                    Kind::Choice(&ALL),
                    Kind::List { of: &Kind::Text(&text::SUBNET), min: 1, max: 100 },
                    Kind::Object(&tags::SELECTOR),
                ],
            },
            "The subnets, one in each availability zone: `all`, a list of `subnet-…`, or `{ tags: {…} }`.",
        )
        .default("all"),
    ],
};

static ALL: super::shape::Choice = super::shape::Choice { values: &["all"], hints: &[] };

pub(super) fn decode(item: Option<&Item>, problems: &mut Problems) -> Read<Network> {
    let Some(item) = item else {
        return Ok(Network { vpc: VpcSelector::Default, subnets: SubnetSelector::All });
    };
    Ok(Network { vpc: vpc(item)?, subnets: subnets(item, problems)? })
}

fn vpc(item: &Item) -> Read<VpcSelector> {
    let Some(vpc) = item.get("vpc") else { return Ok(VpcSelector::Default) };
    if let Value::Map(_) = vpc.value {
        return vpc.tags("tags").map(VpcSelector::Tags);
    }
    Ok(match vpc.as_text()? {
        "default" => VpcSelector::Default,
        id => VpcSelector::Id(id.to_owned()),
    })
}

fn subnets(item: &Item, problems: &mut Problems) -> Read<SubnetSelector> {
    let Some(subnets) = item.get("subnets") else { return Ok(SubnetSelector::All) };
    if let Value::Map(_) = subnets.value {
        return subnets.tags("tags").map(SubnetSelector::Tags);
    }
    if let Value::Text(_) = subnets.value {
        return Ok(SubnetSelector::All);
    }
    item.texts("subnets", problems).map(SubnetSelector::Ids)
}
