//! The permission that a call of an API takes.

use serde_json::Value;

/// The action of a call that the local AWS saw, as policies name it.
pub(crate) fn action(call: &Value) -> String {
    let service = match call["service"].as_str().unwrap() {
        "elb" | "elbv2" => "elasticloadbalancing",
        service => service,
    };
    permission(&format!("{service}:{}", call["operation"].as_str().unwrap()))
}

/// The permission that a call takes, where it has another name.
pub(crate) fn permission(call: &str) -> String {
    match call {
        "s3:HeadObject" => "s3:GetObject",
        "s3:HeadBucket" => "s3:ListBucket",
        call => call,
    }
    .to_owned()
}
