//! Availability zones and regions.

use super::filter::{Field, Filters, one};
use super::invalid_value;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::zone_id;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

const ZONE_FIELDS: &[Field<Zone>] = &[
    ("group-name", |_, zone| one(&zone.group)),
    ("message", |_, _| Vec::new()),
    ("opt-in-status", |_, _| one("opt-in-not-required")),
    ("region-name", |_, zone| one(&zone.region)),
    ("state", |_, _| one("available")),
    ("zone-id", |_, zone| one(&zone.id)),
    ("zone-name", |_, zone| one(&zone.name)),
    ("zone-type", |_, _| one("availability-zone")),
];

struct Zone {
    name: String,
    id: String,
    region: String,
    group: String,
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let filters = Filters::read(params, ZONE_FIELDS, false)?;
    let (names, ids) = (params.ec2_list("ZoneName"), params.ec2_list("ZoneId"));
    let region_name = context.region.to_owned();
    let region = &context.here().ec2;
    let mut zones: Vec<Zone> = region
        .zones
        .iter()
        .map(|name| Zone {
            name: name.clone(),
            id: zone_id(name),
            region: region_name.clone(),
            group: format!("{region_name}-zg-1"),
        })
        .collect();
    if let Some(unknown) = names.iter().find(|name| !zones.iter().any(|zone| zone.name == **name)) {
        return Err(invalid_value(format!("Invalid availability zone: [{unknown}]")));
    }
    if let Some(unknown) = ids.iter().find(|id| !zones.iter().any(|zone| zone.id == **id)) {
        return Err(invalid_value(format!("Invalid availability zone-id: [{unknown}]")));
    }
    zones.retain(|zone| names.is_empty() || names.contains(&zone.name));
    zones.retain(|zone| ids.is_empty() || ids.contains(&zone.id));
    zones.retain(|zone| filters.admit(ZONE_FIELDS, &Tags::new(), region, zone));
    let described = zones.into_iter().map(|zone| {
        Members::new()
            .text("zoneName", zone.name)
            .text("zoneId", zone.id)
            .text("zoneState", "available")
            .text("groupName", zone.group)
            .text("networkBorderGroup", &zone.region)
            .text("regionName", zone.region)
            .text("optInStatus", "opt-in-not-required")
            .text("zoneType", "availability-zone")
            .structures("messageSet", "item", [])
    });
    Ok(Members::new().structures("availabilityZoneInfo", "item", described))
}

/// The regions that every account may use.
const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The regions that an account must opt in to, as a new one has not. (Calls in them are served here.)
const FURTHER_REGIONS: [&str; 17] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

struct RegionLine {
    name: &'static str,
    opt_in: &'static str,
}

impl RegionLine {
    fn endpoint(&self) -> String {
        format!("ec2.{}.amazonaws.com", self.name)
    }
}

const REGION_FIELDS: &[Field<RegionLine>] = &[
    ("endpoint", |_, region| one(region.endpoint())),
    ("opt-in-status", |_, region| one(region.opt_in)),
    ("region-name", |_, region| one(region.name)),
];

pub(super) fn describe_regions(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let filters = Filters::read(params, REGION_FIELDS, false)?;
    let names = params.ec2_list("RegionName");
    let all = params.boolean("AllRegions")?.unwrap_or_default();
    let known = |name: &&String| !REGIONS.iter().chain(&FURTHER_REGIONS).any(|region| region == name);
    if let Some(unknown) = names.iter().find(known) {
        return Err(invalid_value(format!("Invalid region name: [{unknown}]")));
    }
    let enabled = REGIONS.iter().map(|name| RegionLine { name, opt_in: "opt-in-not-required" });
    let further = FURTHER_REGIONS.iter().map(|name| RegionLine { name, opt_in: "not-opted-in" });
    let region = &context.here().ec2;
    let mut lines: Vec<RegionLine> = enabled.chain(further.filter(|_| all)).collect();
    lines.retain(|line| names.is_empty() || names.iter().any(|name| name == line.name));
    lines.retain(|line| filters.admit(REGION_FIELDS, &Tags::new(), region, line));
    let described = lines.iter().map(|line| {
        Members::new()
            .text("regionName", line.name)
            .text("regionEndpoint", line.endpoint())
            .text("optInStatus", line.opt_in)
    });
    Ok(Members::new().structures("regionInfo", "item", described))
}
