//! Parameters of the query protocols: `Name=value`, `List.member.N.Field=value` and EC2's `List.N.Field=value`.
//!
//! Shapes: AWS query protocol <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html> and
//! EC2 query protocol <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ApiError;

/// The parameters of one request, or of one structure within it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params {
    values: BTreeMap<String, String>,
}

impl Params {
    /// Parses `application/x-www-form-urlencoded` bytes: a form body or a query string.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut params = Self::default();
        params.extend(bytes);
        params
    }

    /// Adds what another form holds; later values win.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.values.extend(form_urlencoded::parse(bytes).into_owned());
    }

    /// Sets a scalar.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// A scalar, as it was written.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A scalar that must be there and not be empty; the refusal is worded as ELB, IAM and STS word it.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| missing(name))
    }

    /// A scalar that must be there; the refusal is EC2's `MissingParameter`.
    pub(crate) fn ec2_required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| ApiError::missing_parameter(name))
    }

    /// A whole number; anything else is the `MalformedInput` of the query services.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).map(|value| parse_integer(name, value)).transpose()
    }

    /// `true` or `false` in any case.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).map(|value| parse_boolean(name, value)).transpose()
    }

    /// The structure `name`: every parameter below `name.`, with that prefix taken off.
    pub(crate) fn structure(&self, name: &str) -> Self {
        let prefix = format!("{name}.");
        let values = self
            .values
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(key, value)| (key[prefix.len()..].to_owned(), value.clone()))
            .collect();
        Self { values }
    }

    /// All of them, by name.
    pub(crate) fn into_values(self) -> BTreeMap<String, String> {
        self.values
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether `name` was given in any form: scalar, structure or list, an empty list (`Name=`) included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name) || !self.structure(name).is_empty()
    }

    /// The scalars of `name.member.N`, in the order of N.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.structure(&format!("{name}.member")).numbered()
    }

    /// The structures of `name.member.N.*`, in the order of N.
    pub(crate) fn structures(&self, name: &str) -> Vec<Self> {
        self.structure(&format!("{name}.member")).numbered_structures()
    }

    /// The scalars of EC2's `name.N`, in the order of N.
    pub(crate) fn ec2_list(&self, name: &str) -> Vec<String> {
        self.structure(name).numbered()
    }

    /// The structures of EC2's `name.N.*`, in the order of N.
    pub(crate) fn ec2_structures(&self, name: &str) -> Vec<Self> {
        self.structure(name).numbered_structures()
    }

    fn numbered(&self) -> Vec<String> {
        let mut items: Vec<(u32, &String)> =
            self.values.iter().filter_map(|(key, value)| Some((key.parse().ok()?, value))).collect();
        items.sort_by_key(|(index, _)| *index);
        items.into_iter().map(|(_, value)| value.clone()).collect()
    }

    fn numbered_structures(&self) -> Vec<Self> {
        let indexes: BTreeSet<u32> =
            self.values.keys().filter_map(|key| key.split('.').next()?.parse().ok()).collect();
        indexes.into_iter().map(|index| self.structure(&index.to_string())).collect()
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::constraint(None, &member(name), "Member must not be null")
}

/// The member's name as AWS's request validation writes it: `LoadBalancerName` → `loadBalancerName`.
pub(crate) fn member(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

fn parse_integer(name: &str, value: &str) -> Result<i64, ApiError> {
    value.parse().map_err(|_| malformed(name, value))
}

fn parse_boolean(name: &str, value: &str) -> Result<bool, ApiError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(malformed(name, value)),
    }
}

fn malformed(name: &str, value: &str) -> ApiError {
    ApiError::bad_request("MalformedInput", format!("'{value}' is not a valid value for {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_the_order_of_their_numbers() {
        let params =
            Params::parse(b"Names.member.10=j&Names.member.2=b&Names.member.1=a&NamesX.member.1=no&Names=");
        assert_eq!(params.list("Names"), ["a", "b", "j"]);
    }

    #[test]
    fn structures_are_scoped_to_their_index() {
        let params = Params::parse(
            b"Listeners.member.1.Protocol=SSL&Listeners.member.1.LoadBalancerPort=443&Listeners.member.11.Protocol=TCP",
        );
        let listeners = params.structures("Listeners");
        assert_eq!(listeners.len(), 2);
        assert_eq!(listeners[0].get("Protocol"), Some("SSL"));
        assert_eq!(listeners[0].integer("LoadBalancerPort"), Ok(Some(443)));
        assert_eq!(listeners[1].get("Protocol"), Some("TCP"));
    }

    #[test]
    fn ec2_lists_have_no_member_level() {
        let params = Params::parse(
            b"Filter.1.Name=tag%3AApp&Filter.1.Value.1=ws+chat&Filter.1.Value.2=b&InstanceId.1=i-1",
        );
        let filters = params.ec2_structures("Filter");
        assert_eq!(filters[0].get("Name"), Some("tag:App"));
        assert_eq!(filters[0].ec2_list("Value"), ["ws chat", "b"]);
        assert_eq!(params.ec2_list("InstanceId"), ["i-1"]);
    }

    #[test]
    fn an_empty_list_is_given_but_empty() {
        let params = Params::parse(b"PolicyNames=&InstancePort=80");
        assert!(params.has("PolicyNames"));
        assert!(params.list("PolicyNames").is_empty());
        assert!(!params.has("Policies"));
    }

    #[test]
    fn a_missing_scalar_is_refused_in_each_dialect() {
        let params = Params::default();
        assert_eq!(
            params.required("LoadBalancerName").unwrap_err().message,
            "1 validation error detected: Value null at 'loadBalancerName' failed to satisfy constraint: Member must not be null"
        );
        assert_eq!(params.ec2_required("VpcId").unwrap_err().code, "MissingParameter");
        assert_eq!(Params::parse(b"A=x").integer("A").unwrap_err().code, "MalformedInput");
    }
}
