//! `DescribeAccountLimits`.

use super::page;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// AWS's default quotas, by name.
const LIMITS: &[(&str, u32)] = &[
    ("application-load-balancers", 50),
    ("certificates-per-application-load-balancer", 25),
    ("certificates-per-network-load-balancer", 25),
    ("condition-values-per-alb-rule", 5),
    ("condition-wildcards-per-alb-rule", 6),
    ("listeners-per-application-load-balancer", 50),
    ("listeners-per-network-load-balancer", 50),
    ("network-load-balancer-enis-per-vpc", 1200),
    ("network-load-balancers", 50),
    ("rules-per-application-load-balancer", 100),
    ("target-groups", 3000),
    ("target-groups-per-action-on-application-load-balancer", 5),
    ("target-groups-per-action-on-network-load-balancer", 1),
    ("target-groups-per-application-load-balancer", 100),
    ("target-id-registrations-per-application-load-balancer", 1000),
    ("targets-per-application-load-balancer", 1000),
    ("targets-per-availability-zone-per-network-load-balancer", 500),
    ("targets-per-network-load-balancer", 3000),
];

/// `DescribeAccountLimits`.
pub(super) fn describe(params: &Params) -> Result<Members, ApiError> {
    let limits =
        LIMITS.iter().map(|(name, most)| (*name, Members::new().text("Name", name).text("Max", most)));
    let page = page(params, limits)?;
    Ok(Members::new().structures("Limits", "member", page.items).optional("NextMarker", page.next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_in_the_order_of_pages() {
        assert!(LIMITS.is_sorted_by_key(|(name, _)| name));
    }
}
