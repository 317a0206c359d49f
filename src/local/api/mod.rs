//! The operations, one file (or folder) a service: check the request against the state, then change it.
//!
//! A handler either refuses and leaves the state as it was, or succeeds; it never does half of its work.

mod acm;
mod alias_zone;
mod autoscaling;
mod ec2;
mod elb;
mod elbv2;
mod iam;
mod input;
mod interfaces;
mod query;
mod route53;
pub(crate) mod s3;
mod ssm;
mod sts;
mod tagging;

use time::OffsetDateTime;

use super::health::HealthTable;
use super::ids::Ids;
use super::settings::Settings;
use super::state::{Region, State};
use super::wire::error::ApiError;
use super::wire::routing::{Call, Input, Output, Service};

/// What an operation works with.
pub(crate) struct Context<'a> {
    /// The whole account.
    pub(crate) state: &'a mut State,
    /// The region that the call is for.
    pub(crate) region: &'a str,
    /// The present moment.
    pub(crate) now: OffsetDateTime,
    /// Where ids come from.
    pub(crate) ids: &'a mut Ids,
    /// How the local AWS is set.
    pub(crate) settings: &'a Settings,
    /// What health checks have found.
    pub(crate) health: &'a HealthTable,
    /// Whether this machine can run what is sent to an instance apart from everything else.
    pub(crate) isolates: bool,
}

impl Context<'_> {
    /// What the call's region holds.
    pub(crate) fn here(&mut self) -> &mut Region {
        self.state.region_mut(self.region)
    }
}

/// Runs a call.
pub(crate) fn handle(context: &mut Context<'_>, call: &Call) -> Result<Output, ApiError> {
    let output = run(context, call)?;
    if !super::account::is_read(&call.operation) {
        autoscaling::settle(context);
    }
    Ok(output)
}

fn run(context: &mut Context<'_>, call: &Call) -> Result<Output, ApiError> {
    let operation = call.operation.as_str();
    match (call.service, &call.input) {
        (Service::Elb, Input::Query(params)) => elb::handle(context, operation, params).map(Output::Xml),
        (Service::ElbV2, Input::Query(params)) => elbv2::handle(context, operation, params).map(Output::Xml),
        (Service::Ec2, Input::Query(params)) => ec2::handle(context, operation, params).map(Output::Xml),
        (Service::Iam, Input::Query(params)) => iam::handle(context, operation, params).map(Output::Xml),
        (Service::Sts, Input::Query(params)) => sts::handle(context, operation, params).map(Output::Xml),
        (Service::Route53, Input::Rest(request)) => {
            route53::handle(context, operation, request).map(Output::Rest)
        }
        (Service::Acm, Input::Json(input)) => acm::handle(context, operation, input).map(Output::Json),
        (Service::AutoScaling, Input::Query(params)) => {
            autoscaling::handle(context, operation, params).map(Output::Xml)
        }
        (Service::Ssm, Input::Json(input)) => ssm::handle(context, operation, input).map(Output::Json),
        (
            Service::Elb
            | Service::ElbV2
            | Service::Ec2
            | Service::Iam
            | Service::Sts
            | Service::Acm
            | Service::Route53
            | Service::S3
            | Service::Ssm
            | Service::AutoScaling,
            Input::Query(_) | Input::Json(_) | Input::Rest(_) | Input::S3(_),
        ) => Err(ApiError::internal(format!("{operation} was read in the wrong protocol"))),
    }
}
