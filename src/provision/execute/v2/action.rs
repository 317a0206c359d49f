//! What is done with a request, once its target groups have ARNs.

use crate::provision::execute::failure::ExecuteError;
use crate::provision::execute::operation::Run;
use crate::provision::plan::v2::{NewAction, WeightedGroup};
use crate::provision::resource::v2::{Action, Forward};

impl Run<'_> {
    pub(super) fn action(&self, new: &NewAction) -> Result<Action, ExecuteError> {
        Ok(match new {
            NewAction::Forward { groups, stickiness } => {
                let groups = groups
                    .iter()
                    .map(|WeightedGroup { group, weight }| Ok((self.identifier(group)?, *weight)))
                    .collect::<Result<_, ExecuteError>>()?;
                Action::Forward(Forward { groups, stickiness: *stickiness })
            }
            NewAction::Redirect { protocol, host, port, path, query, status } => Action::Redirect {
                protocol: protocol.clone(),
                host: host.clone(),
                port: port.clone(),
                path: path.clone(),
                query: query.clone(),
                status: *status,
            },
            NewAction::FixedResponse { status, content_type, body } => Action::FixedResponse {
                status: *status,
                content_type: content_type.clone(),
                body: body.clone(),
            },
        })
    }
}
