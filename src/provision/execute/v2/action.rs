//! What is done with a request, once its target groups have ARNs.

use crate::provision::execute::failure::ExecuteError;
use crate::provision::execute::operation::Run;
use crate::provision::plan::v2::{NewAction, WeightedGroup};
use crate::provision::resource::v2::Action;

impl Run<'_> {
    pub(super) fn action(&self, new: &NewAction) -> Result<Action, ExecuteError> {
        new.rename(|groups| {
            let groups = groups.iter();
            groups
                .map(|WeightedGroup { group, weight }| Ok((self.identifier(group)?, *weight)))
                .collect::<Result<_, ExecuteError>>()
        })
    }
}
