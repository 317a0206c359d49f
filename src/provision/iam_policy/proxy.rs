//! What it takes to install the proxy on the instances by Systems Manager.

use super::{Place, Statement, allow};
use crate::provision::resource::{DesiredProxy, Stack};

pub(super) const READS: &[&str] =
    &["DescribeInstanceInformation", "GetCommandInvocation", "ListCommandInvocations"];

pub(super) fn statements(stack: &Stack, proxy: &DesiredProxy, place: Place<'_>) -> Vec<Statement> {
    let bucket = format!("arn:aws:s3:::{}", proxy.bucket);
    let send = |sid| allow(sid, "ssm", &["SendCommand"]);
    let mut statements = vec![
        // The URL that an instance fetches the program from is signed by who may read it.
        allow("Program", "s3", &["GetObject", "PutObject"]).on([format!("{bucket}/elbws-proxy/*")]),
        // Without it, an object that is not there is forbidden.
        allow("ProgramBucket", "s3", &["ListBucket"]).on([bucket]),
        send("ScriptDocument").on([place.arn("ssm", "document/AWS-RunShellScript")]),
    ];
    let selector = &stack.instances;
    if !selector.ids.is_empty() {
        let instances = selector.ids.iter().map(|id| place.arn("ec2", &format!("instance/{id}")));
        statements.push(send("ScriptOnInstances").on(instances));
    }
    if !selector.tags.0.is_empty() {
        let tagged = send("ScriptOnTaggedInstances").on([place.arn("ec2", "instance/*")]);
        let tags = selector.tags.0.iter();
        statements.push(tags.fold(tagged, |tagged, (key, value)| {
            tagged.when("StringEquals", &format!("ssm:resourceTag/{key}"), value)
        }));
    }
    if let Some(group) = &selector.auto_scaling_group {
        // The tag that Auto Scaling puts on what it launches.
        let of_group = send("ScriptOnGroup").on([place.arn("ec2", "instance/*")]);
        statements.push(of_group.when("StringEquals", "ssm:resourceTag/aws:autoscaling:groupName", group));
    }
    statements
}
