//! `instances:`, who serves.

use std::collections::BTreeMap;

use serde::Serialize;

use super::item::{Item, Read};
use super::problem::Problems;
use super::shape::{Field, Kind, Need, Object};
use super::{tags, text};

/// The instances that are registered: the union of all forms. At least one of them is given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instances {
    /// Instances by id, in the spec's order, without duplicates.
    pub ids: Vec<String>,
    /// Running instances with all of these tags; empty when the spec selects by id alone.
    pub tags: BTreeMap<String, String>,
    /// The Auto Scaling group that is attached: its instances serve, now and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_group: Option<String>,
    /// Whether the load balancer is admitted to the instance ports on the instances' security group.
    pub manage_security_group: bool,
}

pub(super) static INSTANCES: Object = Object {
    name: "instances",
    need: Need::AtLeastOne(
        &["ids", "tags", "auto_scaling_group"],
        "for example instances: { tags: { App: chat } }",
    ),

    fields: &[
        Field::new(
            "ids",
            Kind::List { of: &Kind::Text(&text::INSTANCE), min: 1, max: 1000 },
            "Instances by id.",
        ),
        Field::new("tags", tags::FILTER, "Running instances that have all of these tags, key and value."),
        Field::new(
            "auto_scaling_group",
            Kind::Text(&text::AUTO_SCALING_GROUP),
            "An Auto Scaling group that is attached: AWS registers its instances, now and whenever it launches one.",
        ),
        Field::new(
            "manage_security_group",
            Kind::Boolean,
            "Whether the load balancer is admitted to the instance ports on the instances\' security group.",
        )
        .default("true"),
    ],
};

pub(super) fn decode(item: &Item, problems: &mut Problems) -> Read<Instances> {
    item.as_map()?;
    let ids = item.texts("ids", problems);
    let tags = item.tags("tags");
    let auto_scaling_group = item.text("auto_scaling_group").map(|name| name.map(str::to_owned));
    let manage_security_group = item.boolean("manage_security_group", true);
    Ok(Instances {
        ids: ids?,
        tags: tags?,
        auto_scaling_group: auto_scaling_group?,
        manage_security_group: manage_security_group?,
    })
}
