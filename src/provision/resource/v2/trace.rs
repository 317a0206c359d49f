//! The names that lead from one resource of a stack to another, so that all of them are found again without
//! listing the account.
//!
//! The security group of an Application or Network load balancer is made before the load balancer and before any
//! target group, and deleted after them. So a stack whose groups name no such load balancer has none, and costs
//! no call of `ELBv2`.

use super::Family;
use crate::provision::resource::{Kind, ResourceKey};

/// The security group of the load balancer called `name`: its key, which its tag holds.
#[must_use]
pub fn security_group_key(family: Family, name: &str) -> ResourceKey {
    ResourceKey::new(Kind::SecurityGroup, format_args!("{family}/{name}"))
}

/// Returns the name of that security group. A Classic load balancer's has no slash, so that one of each kind may
/// have the same name, as they may in AWS.
#[must_use]
pub fn security_group_name(family: Family, name: &str) -> String {
    format!("elbws/{family}/{name}")
}

/// Returns the kind and the name of the load balancer whose security group has this key; none for a Classic one.
#[must_use]
pub fn load_balancer_of(key: &ResourceKey) -> Option<(Family, &str)> {
    if key.kind != Kind::SecurityGroup {
        return None;
    }
    let (family, name) = key.name.split_once('/')?;
    [Family::Application, Family::Network]
        .into_iter()
        .find(|known| known.to_string() == family)
        .map(|family| (family, name))
}

/// Returns how the names of all target groups of `stack` begin. It is at most 25 characters of the 32 that a name
/// may have.
#[must_use]
pub fn target_group_prefix(stack: &str) -> String {
    format!("{stack}-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_security_group_leads_to_its_load_balancer() {
        let key = security_group_key(Family::Network, "ws-chat");
        assert_eq!(key.to_string(), "security-group/network/ws-chat");
        let read: ResourceKey = key.to_string().parse().unwrap();
        assert_eq!(load_balancer_of(&read), Some((Family::Network, "ws-chat")));
        assert_eq!(load_balancer_of(&ResourceKey::new(Kind::SecurityGroup, "ws-chat")), None);
        assert_eq!(load_balancer_of(&ResourceKey::new(Kind::Listener, "network/ws-chat")), None);
        assert_eq!(security_group_name(Family::Application, "ws-chat"), "elbws/application/ws-chat");
    }
}
