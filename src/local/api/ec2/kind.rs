//! Kinds of resources: how their ids look, and how EC2 refuses ids that are malformed or unknown.
//!
//! Codes: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.

use crate::local::wire::error::ApiError;

/// A kind of resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What stands before the dash of an id.
    pub(super) prefix: &'static str,
    /// Its name in tag specifications and `DescribeTags`.
    pub(super) resource_type: &'static str,
    /// The list parameter that names such resources in a describe.
    pub(super) parameter: &'static str,
    /// The code for an id that does not exist.
    not_found: &'static str,
    /// The code for what is no id.
    malformed: &'static str,
    /// What the sentence calls it.
    noun: &'static str,
}

pub(super) const VPC: Kind = Kind {
    prefix: "vpc",
    resource_type: "vpc",
    parameter: "VpcId",
    not_found: "InvalidVpcID.NotFound",
    malformed: "InvalidVpcId.Malformed",
    noun: "vpc ID",
};
pub(super) const SUBNET: Kind = Kind {
    prefix: "subnet",
    resource_type: "subnet",
    parameter: "SubnetId",
    not_found: "InvalidSubnetID.NotFound",
    malformed: "InvalidSubnetID.Malformed",
    noun: "subnet ID",
};
pub(super) const INTERNET_GATEWAY: Kind = Kind {
    prefix: "igw",
    resource_type: "internet-gateway",
    parameter: "InternetGatewayId",
    not_found: "InvalidInternetGatewayID.NotFound",
    malformed: "InvalidInternetGatewayId.Malformed",
    noun: "internetGateway ID",
};
pub(super) const ROUTE_TABLE: Kind = Kind {
    prefix: "rtb",
    resource_type: "route-table",
    parameter: "RouteTableId",
    not_found: "InvalidRouteTableID.NotFound",
    malformed: "InvalidRouteTableId.Malformed",
    noun: "routeTable ID",
};
pub(super) const SECURITY_GROUP: Kind = Kind {
    prefix: "sg",
    resource_type: "security-group",
    parameter: "GroupId",
    not_found: "InvalidGroup.NotFound",
    malformed: "InvalidGroupId.Malformed",
    noun: "security group",
};
pub(super) const SECURITY_GROUP_RULE: Kind = Kind {
    prefix: "sgr",
    resource_type: "security-group-rule",
    parameter: "SecurityGroupRuleId",
    not_found: "InvalidSecurityGroupRuleId.NotFound",
    malformed: "InvalidSecurityGroupRuleId.Malformed",
    noun: "security group rule ID",
};
pub(super) const INSTANCE: Kind = Kind {
    prefix: "i",
    resource_type: "instance",
    parameter: "InstanceId",
    not_found: "InvalidInstanceID.NotFound",
    malformed: "InvalidInstanceID.Malformed",
    noun: "instance ID",
};
pub(super) const NETWORK_INTERFACE: Kind = Kind {
    prefix: "eni",
    resource_type: "network-interface",
    parameter: "NetworkInterfaceId",
    not_found: "InvalidNetworkInterfaceID.NotFound",
    malformed: "InvalidNetworkInterfaceId.Malformed",
    noun: "networkInterface ID",
};
pub(super) const ADDRESS: Kind = Kind {
    prefix: "eipalloc",
    resource_type: "elastic-ip",
    parameter: "AllocationId",
    not_found: "InvalidAllocationID.NotFound",
    malformed: "InvalidParameterValue",
    noun: "allocation ID",
};
pub(super) const NETWORK_ACL: Kind = Kind {
    prefix: "acl",
    resource_type: "network-acl",
    parameter: "NetworkAclId",
    not_found: "InvalidNetworkAclID.NotFound",
    malformed: "InvalidNetworkAclId.Malformed",
    noun: "networkAcl ID",
};
pub(super) const IMAGE: Kind = Kind {
    prefix: "ami",
    resource_type: "image",
    parameter: "ImageId",
    not_found: "InvalidAMIID.NotFound",
    malformed: "InvalidAMIID.Malformed",
    noun: "image id",
};

pub(super) const LAUNCH_TEMPLATE: Kind = Kind {
    prefix: "lt",
    resource_type: "launch-template",
    parameter: "LaunchTemplateId",
    not_found: "InvalidLaunchTemplateId.NotFound",
    malformed: "InvalidLaunchTemplateId.Malformed",
    noun: "launch template ID",
};

/// Every kind that carries tags.
pub(super) const TAGGED: [&Kind; 10] = [
    &VPC,
    &SUBNET,
    &INTERNET_GATEWAY,
    &ROUTE_TABLE,
    &SECURITY_GROUP,
    &SECURITY_GROUP_RULE,
    &INSTANCE,
    &NETWORK_INTERFACE,
    &ADDRESS,
    &LAUNCH_TEMPLATE,
];

impl Kind {
    /// Refuses what cannot be an id of this kind: the prefix, a dash and 8 or 17 hexadecimal digits.
    pub(super) fn check(&self, id: &str) -> Result<(), ApiError> {
        if self.admits(id) {
            return Ok(());
        }
        let message = format!("Invalid id: \"{id}\" (expecting \"{}-...\")", self.prefix);
        Err(ApiError::bad_request(self.malformed, message))
    }

    /// Whether an id is well-formed.
    pub(super) fn admits(&self, id: &str) -> bool {
        let digits = id.strip_prefix(self.prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The refusal of ids that do not exist.
    pub(super) fn not_found(&self, ids: &[&str]) -> ApiError {
        let message = match ids {
            [_, _, ..] => format!("The {}s '{}' do not exist", self.noun, ids.join(", ")),
            _ => format!("The {} '{}' does not exist", self.noun, ids.concat()),
        };
        ApiError::bad_request(self.not_found, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_eight_or_seventeen_digits() {
        assert!(SECURITY_GROUP.admits("sg-0123456789abcdef0"));
        assert!(INSTANCE.admits("i-1234abcd"));
        for id in ["i-", "i-123", "i-0123456789ABCDEF0", "sg-1234abcd", "1234abcd", "i-1234abcg"] {
            assert_eq!(INSTANCE.check(id).unwrap_err().code, "InvalidInstanceID.Malformed");
        }
    }

    #[test]
    fn unknown_ids_are_all_named() {
        assert_eq!(INSTANCE.not_found(&["i-1"]).message, "The instance ID 'i-1' does not exist");
        assert_eq!(INSTANCE.not_found(&["i-1", "i-2"]).message, "The instance IDs 'i-1, i-2' do not exist");
    }
}
