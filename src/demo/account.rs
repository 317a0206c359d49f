//! The instance of the demo, launched in the local AWS.

use std::net::Ipv4Addr;

use crate::local::client::{CallError, Client};

const REGION: &str = "us-east-1";
/// The bucket's name.
pub(super) const BUCKET: &str = "elbws-demo";

/// A launched instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launched {
    pub(super) id: String,
    pub(super) address: Ipv4Addr,
}

/// Launches an instance that the spec's `instances: { tags: { App: ws-chat } }` finds.
pub(super) async fn run_instance(client: &Client) -> Result<Launched, CallError> {
    // Without a profile Systems Manager would not know it.
    let form = "Action=RunInstances&IamInstanceProfile.Name=ws-chat&ImageId=ami-0123456789abcdef0&InstanceType=t3.micro\
        &MinCount=1&MaxCount=1&TagSpecification.1.ResourceType=instance\
        &TagSpecification.1.Tag.1.Key=App&TagSpecification.1.Tag.1.Value=ws-chat\
        &TagSpecification.1.Tag.2.Key=Name&TagSpecification.1.Tag.2.Value=ws-chat";
    let answer = client.ec2(REGION, form).await?;
    let instance = element(&answer, "instanceId")
        .zip(element(&answer, "privateIpAddress").and_then(|address| address.parse().ok()))
        .map(|(id, address)| Launched { id: id.to_owned(), address });
    instance.ok_or_else(|| CallError::Refused { call: "RunInstances".to_owned(), answer })
}

/// Makes the bucket that the proxy's program goes through.
pub(super) async fn create_bucket(client: &Client) -> Result<(), CallError> {
    client.create_bucket(REGION, BUCKET).await
}

/// The text of the first element of a name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}
