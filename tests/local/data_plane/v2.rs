//! Application and Network Load Balancers in the rig: what the calls of the other API come to.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::rig::{Instance, Rig, eventually};
use crate::client::{ELBV2, Response};

const REGION: &str = "us-east-1";

/// A load balancer of the newer API.
pub(super) struct Balancer<'a> {
    pub(super) rig: &'a Rig,
    pub(super) arn: String,
}

impl Rig {
    pub(super) fn v2(&self, form: &str) -> Response {
        let response = self.server.query(REGION, ELBV2, form);
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response
    }

    /// Creates a load balancer in every zone, which clients may reach.
    pub(super) fn balancer(&self, kind: &str) -> Balancer<'_> {
        self.admit_clients();
        self.balancer_named("chat", kind)
    }

    pub(super) fn balancer_named(&self, name: &str, kind: &str) -> Balancer<'_> {
        let mut subnets = String::new();
        for (index, subnet) in self.subnets().iter().enumerate() {
            write!(subnets, "&Subnets.member.{}={subnet}", index + 1).unwrap();
        }
        let group = self.group();
        let created = self.v2(&format!(
            "Action=CreateLoadBalancer&Name={name}&Type={kind}{subnets}&SecurityGroups.member.1={group}"
        ));
        Balancer { rig: self, arn: created.text("LoadBalancerArn").to_owned() }
    }

    /// The default subnets, by zone.
    pub(super) fn subnets(&self) -> Vec<String> {
        let body = self.ec2("Action=DescribeSubnets").body;
        let mut subnets: Vec<(String, String)> = body
            .split("<subnetId>")
            .skip(1)
            .map(|rest| {
                let zone = rest.split("<availabilityZone>").nth(1).unwrap().split('<').next().unwrap();
                (zone.to_owned(), rest.split('<').next().unwrap().to_owned())
            })
            .collect();
        subnets.sort();
        assert!(subnets.len() >= 2, "{body}");
        subnets.into_iter().map(|(_, subnet)| subnet).collect()
    }

    /// Creates a target group, whose ARN is the answer.
    pub(super) fn target_group(&self, name: &str, protocol: &str, settings: &str) -> String {
        let vpc = self.ec2("Action=DescribeVpcs").text("vpcId").to_owned();
        let created = self.v2(&format!(
            "Action=CreateTargetGroup&Name={name}&Protocol={protocol}&Port=80&VpcId={vpc}{settings}"
        ));
        created.text("TargetGroupArn").to_owned()
    }

    pub(super) fn group_attribute(&self, group: &str, key: &str, value: &str) {
        self.v2(&format!(
            "Action=ModifyTargetGroupAttributes&TargetGroupArn={group}\
             &Attributes.member.1.Key={key}&Attributes.member.1.Value={value}"
        ));
    }

    /// Registers instances, each with its own port.
    pub(super) fn register_targets(&self, group: &str, instances: &[&Instance]) {
        self.targets("RegisterTargets", group, instances);
    }

    pub(super) fn deregister_targets(&self, group: &str, instances: &[&Instance]) {
        self.targets("DeregisterTargets", group, instances);
    }

    fn targets(&self, operation: &str, group: &str, instances: &[&Instance]) {
        let mut form = format!("Action={operation}&TargetGroupArn={group}");
        for (index, instance) in instances.iter().enumerate() {
            let member = format!("&Targets.member.{}", index + 1);
            write!(form, "{member}.Id={}{member}.Port={}", instance.id, instance.port()).unwrap();
        }
        self.v2(&form);
    }

    /// The state and reason of each target, in the order of their registration.
    pub(super) fn target_health(&self, group: &str) -> Vec<(String, String)> {
        let body = self.v2(&format!("Action=DescribeTargetHealth&TargetGroupArn={group}")).body;
        let text = |part: &str, name: &str| {
            let value = part.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next());
            value.unwrap_or_default().to_owned()
        };
        let parts = body.split("<TargetHealth>").skip(1);
        parts.map(|part| (text(part, "State"), text(part, "Reason"))).collect()
    }

    /// Waits until the targets of a group are in these states, with these reasons.
    pub(super) async fn health_is(&self, group: &str, expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(state, reason)| ((*state).to_owned(), (*reason).to_owned())).collect();
        let mut found = Vec::new();
        let waiting = eventually(|| {
            found = self.target_health(group);
            (found == expected).then_some(())
        });
        waiting.await;
    }
}

impl Balancer<'_> {
    /// Creates a listener that forwards to a group, and waits until it is open.
    pub(super) async fn listen(&self, protocol: &str, port: u16, group: &str) -> Listener<'_> {
        let action =
            format!("&DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={group}");
        self.listen_with(protocol, port, &action).await
    }

    /// The same with any default action; `protocol` is `HTTPS/ARN` and the like where there is a certificate.
    pub(super) async fn listen_with(&self, protocol: &str, port: u16, settings: &str) -> Listener<'_> {
        let (protocol, certificate) = protocol.split_once('/').unwrap_or((protocol, ""));
        let certificate = if certificate.is_empty() {
            String::new()
        } else {
            format!("&Certificates.member.1.CertificateArn={certificate}")
        };
        let created = self.rig.v2(&format!(
            "Action=CreateListener&LoadBalancerArn={}&Protocol={protocol}&Port={port}{certificate}{settings}",
            self.arn
        ));
        let arn = created.text("ListenerArn").to_owned();
        Listener { balancer: self, arn, address: self.rig.address(port).await }
    }

    pub(super) fn attribute(&self, key: &str, value: &str) {
        self.rig.v2(&format!(
            "Action=ModifyLoadBalancerAttributes&LoadBalancerArn={}\
             &Attributes.member.1.Key={key}&Attributes.member.1.Value={value}",
            self.arn
        ));
    }
}

/// A listener that is open.
pub(super) struct Listener<'a> {
    pub(super) balancer: &'a Balancer<'a>,
    pub(super) arn: String,
    pub(super) address: SocketAddr,
}

impl Listener<'_> {
    pub(super) fn attribute(&self, key: &str, value: &str) {
        self.balancer.rig.v2(&format!(
            "Action=ModifyListenerAttributes&ListenerArn={}\
             &Attributes.member.1.Key={key}&Attributes.member.1.Value={value}",
            self.arn
        ));
    }

    /// Adds a rule; conditions and action as in a request.
    pub(super) fn rule(&self, priority: u16, settings: &str) {
        self.balancer
            .rig
            .v2(&format!("Action=CreateRule&ListenerArn={}&Priority={priority}{settings}", self.arn));
    }
}
