//! The account's attributes.

use super::invalid_value;
use crate::local::api::Context;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

pub(super) fn describe_attributes(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let default_vpc = context.here().ec2.default_vpc().map_or("none", |vpc| vpc.id.as_str());
    let attributes = [
        ("supported-platforms", "VPC"),
        ("default-vpc", default_vpc),
        ("max-instances", "20"),
        ("max-elastic-ips", "5"),
        ("vpc-max-elastic-ips", "5"),
        ("vpc-max-security-groups-per-interface", "5"),
    ];
    let names = params.ec2_list("AttributeName");
    if let Some(unknown) = names.iter().find(|name| !attributes.iter().any(|(known, _)| known == name)) {
        return Err(invalid_value(format!(
            "Value ({unknown}) for parameter attributeName is invalid. Unknown attribute name"
        )));
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|given| given == name);
    let described = attributes.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| {
        let value = Members::new().text("attributeValue", value);
        Members::new().text("attributeName", name).structures("attributeValueSet", "item", [value])
    });
    Ok(Members::new().structures("accountAttributeSet", "item", described))
}
