//! How many calls were made: every HTTP attempt, retries included, by service and operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The attempts made of one operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct CallCount {
    /// The service, as the SDK names it.
    pub service: String,
    /// The operation, `DescribeLoadBalancers`.
    pub operation: String,
    /// How many requests were sent.
    pub attempts: u64,
}

/// Counts what the clients that share it send.
#[derive(Debug, Clone, Default)]
pub(super) struct CallCounter(Arc<Mutex<BTreeMap<(String, String), u64>>>);

impl CallCounter {
    pub(super) fn counts(&self) -> Vec<CallCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|((service, operation), attempts)| CallCount {
                service: service.clone(),
                operation: operation.clone(),
                attempts: *attempts,
            })
            .collect()
    }

    fn count(&self, service: &str, operation: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((service.to_owned(), operation.to_owned())).or_default() += 1;
    }
}

#[dyn_dispatch_hint]
impl Intercept for CallCounter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(metadata) = config.load::<Metadata>() {
            self.count(metadata.service(), metadata.name());
        }
        Ok(())
    }
}
