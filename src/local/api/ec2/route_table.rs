//! Route tables: the main one of each VPC, to be read only.

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, listed, select};
use super::tags;
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Region, RouteTable};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for RouteTable {
    const KIND: &'static Kind = &kind::ROUTE_TABLE;
    const LARGEST_PAGE: i64 = 100;
    const FIELDS: &'static [Field<Self>] = &[
        ("association.main", |_, _| one(true)),
        ("association.route-table-association-id", |_, table| one(association_id(table))),
        ("association.route-table-id", |_, table| one(&table.id)),
        ("association.subnet-id", |_, _| Vec::new()),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
        ("route.destination-cidr-block", |region, table| values(region, table, |route| route.destination)),
        ("route.gateway-id", |region, table| values(region, table, |route| route.gateway)),
        ("route.origin", |region, table| values(region, table, |route| route.origin.to_owned())),
        ("route.state", |region, table| values(region, table, |route| route.state.to_owned())),
        ("route-table-id", |_, table| one(&table.id)),
        ("vpc-id", |_, table| one(&table.vpc_id)),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

struct Route {
    destination: String,
    gateway: String,
    origin: &'static str,
    state: &'static str,
}

fn routes(region: &Region, table: &RouteTable) -> Vec<Route> {
    let vpc_cidr = region.vpcs.get(&table.vpc_id).map(|vpc| vpc.cidr.clone()).unwrap_or_default();
    let local = Route {
        destination: vpc_cidr,
        gateway: "local".to_owned(),
        origin: "CreateRouteTable",
        state: "active",
    };
    let internet = table.internet_gateway.as_ref().map(|id| {
        let gateway = region.internet_gateways.get(id);
        let attached = gateway.is_some_and(|gateway| gateway.vpc_id.as_ref() == Some(&table.vpc_id));
        Route {
            destination: "0.0.0.0/0".to_owned(),
            gateway: id.clone(),
            origin: "CreateRoute",
            state: if attached { "active" } else { "blackhole" },
        }
    });
    std::iter::once(local).chain(internet).collect()
}

fn values(region: &Region, table: &RouteTable, field: fn(Route) -> String) -> Vec<String> {
    routes(region, table).into_iter().map(field).collect()
}

fn association_id(table: &RouteTable) -> String {
    table.id.replacen("rtb-", "rtbassoc-", 1)
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().ec2;
    let page = select(params, region, region.route_tables.values())?;
    Ok(listed("routeTableSet", page, |table| description(region, table)))
}

fn description(region: &Region, table: &RouteTable) -> Members {
    let association = Members::new()
        .text("routeTableAssociationId", association_id(table))
        .text("routeTableId", &table.id)
        .text("main", true)
        .structure("associationState", Members::new().text("state", "associated"));
    let routes = routes(region, table).into_iter().map(|route| {
        Members::new()
            .text("destinationCidrBlock", route.destination)
            .text("gatewayId", route.gateway)
            .text("state", route.state)
            .text("origin", route.origin)
    });
    Members::new()
        .text("routeTableId", &table.id)
        .text("vpcId", &table.vpc_id)
        .text("ownerId", ACCOUNT_ID)
        .structures("routeSet", "item", routes)
        .structures("associationSet", "item", [association])
        .structures("propagatingVgwSet", "item", [])
        .structures("tagSet", "item", tags::set(&table.tags))
}
