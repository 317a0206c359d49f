//! Breaks of a Classic stack.

use elbws::doctor::{Name, Severity};
use time::{Duration, OffsetDateTime};

use super::{Patient, group_of, revoke, right};
use crate::world::World;

const CLASSIC: &str = r#"
stack: ws-chat
network: { subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}", "${two}"] }
certificate: { domain: chat.example.com }
load_balancer: { type: classic }
"#;

const BALANCER: &str = "&LoadBalancerName=ws-chat";

fn attribute(world: &World, form: &str) {
    world
        .account
        .elb(&format!("Action=ModifyLoadBalancerAttributes{BALANCER}&LoadBalancerAttributes.{form}"));
}

fn patient() -> Patient {
    Patient::built(World::furnish("us-east-1"), CLASSIC)
}

#[test]
fn a_sound_stack_has_no_finding() {
    let patient = patient();
    let diagnosis = patient.examined();
    assert!(diagnosis.is_sound());
    patient.has("sound", &[]);
    assert_eq!(diagnosis.count(Severity::Note), 0, "{:#?}", diagnosis.findings().collect::<Vec<_>>());
    for name in [
        Name::LoadBalancer,
        Name::Spec,
        Name::Listener,
        Name::PingInterval,
        Name::TunnelIdle,
        Name::Draining,
        Name::HealthCheck,
        Name::ConnectionTracking,
        Name::NetworkAcl,
        Name::Metadata,
        Name::Ingress,
        Name::Egress,
        Name::Admission,
        Name::FreeAddresses,
        Name::InternetRoute,
        Name::ProxyHeader,
        Name::CertificateName,
        Name::CertificateExpiry,
        Name::Instance,
        Name::Zone,
        Name::Target,
    ] {
        assert!(!right(&diagnosis, name).is_empty(), "{name:?} in {:#?}", diagnosis.checks);
    }
    assert_eq!(
        right(&diagnosis, Name::PingInterval),
        ["listener ports 80, 443: a ping every 5m, before the load balancer's 1h of silence"]
    );
    assert_eq!(
        right(&diagnosis, Name::Draining),
        [
            "instances: a target that leaves keeps its connections for 5m; the proxy takes 5m, its unit is given 330 s"
        ]
    );
}

#[test]
fn settings_that_drifted_are_found_and_applied() {
    use Severity::{Error, Warning};
    const APPLY: &str = "elbws apply SPEC";
    let patient = patient();
    let breaks = |when, expected: &[super::Expected], by: &dyn Fn(&World)| patient.breaks(when, expected, by);
    breaks(
        "idle 60",
        &[(Error, Name::PingInterval, "elbws apply SPEC` sets load_balancer.idle_timeout: 1h")],
        &|world| {
            attribute(world, "ConnectionSettings.IdleTimeout=60");
        },
    );
    breaks("idle 20 min", &[(Warning, Name::IdleTimeout, APPLY)], &|world| {
        attribute(world, "ConnectionSettings.IdleTimeout=1200");
    });
    breaks("no draining", &[(Warning, Name::Draining, APPLY)], &|world| {
        attribute(world, "ConnectionDraining.Enabled=false");
    });
    breaks("short draining", &[(Warning, Name::Draining, APPLY)], &|world| {
        attribute(
            world,
            "ConnectionDraining.Enabled=true&LoadBalancerAttributes.ConnectionDraining.Timeout=60",
        );
    });
    breaks(
        "no policy on port 80",
        &[(
            Error,
            Name::ProxyHeader,
            "elbws apply SPEC`, or `elbws enable-proxy-protocol --load-balancer ws-chat --port 80`",
        )],
        &|world| {
            world.account.elb(&format!(
                "Action=SetLoadBalancerPoliciesForBackendServer{BALANCER}&InstancePort=80&PolicyNames="
            ));
        },
    );
    breaks("no listener 80", &[(Error, Name::Listener, APPLY)], &|world| {
        world
            .account
            .elb(&format!("Action=DeleteLoadBalancerListeners{BALANCER}&LoadBalancerPorts.member.1=80"));
    });
    breaks("an HTTP listener", &[(Error, Name::Listener, APPLY)], &|world| {
        world
            .account
            .elb(&format!("Action=DeleteLoadBalancerListeners{BALANCER}&LoadBalancerPorts.member.1=80"));
        world.account.elb(&format!(
            "Action=CreateLoadBalancerListeners{BALANCER}&Listeners.member.1.Protocol=http\
             &Listeners.member.1.LoadBalancerPort=80&Listeners.member.1.InstancePort=8000"
        ));
        // The port beside the proxy's needs a way in of its own.
        let group = group_of(world, "default");
        world.account.ec2(&format!(
            "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort=8000&IpPermissions.1.ToPort=8000&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"
        ));
    });
    breaks("a check without an answer", &[(Error, Name::HealthCheck, APPLY)], &|world| {
        world.account.elb(&format!(
            "Action=ConfigureHealthCheck{BALANCER}&HealthCheck.Target=HTTP:80/healthz&HealthCheck.Interval=10\
             &HealthCheck.Timeout=5&HealthCheck.HealthyThreshold=2&HealthCheck.UnhealthyThreshold=3"
        ));
    });
    breaks("a check for another path", &[(Error, Name::HealthCheck, APPLY)], &|world| {
        world.account.elb(&format!(
            "Action=ConfigureHealthCheck{BALANCER}&HealthCheck.Target=HTTP:8081/alive&HealthCheck.Interval=10\
             &HealthCheck.Timeout=5&HealthCheck.HealthyThreshold=2&HealthCheck.UnhealthyThreshold=3"
        ));
    });
}

#[test]
fn groups_that_were_shut_are_found() {
    let patient = patient();
    let own = group_of(&patient.world, "elbws-ws-chat");
    let theirs = group_of(&patient.world, "default");
    patient.breaks("443 is shut", &[(Severity::Error, Name::Ingress, "elbws apply SPEC")], |world| {
        revoke(world, &own, "Ingress", Some(443));
    });
    patient.breaks(
        "the instances are shut",
        &[
            (Severity::Error, Name::Admission, "elbws apply SPEC"),
            (Severity::Error, Name::Admission, "elbws apply SPEC"),
        ],
        |world| revoke(world, &theirs, "Ingress", Some(8081)),
    );
    // Nothing of elbws' own: the command that it names mends it.
    revoke(&patient.world, &own, "Egress", None);
    let command = "aws ec2 authorize-security-group-egress --group-id";
    patient.has("no way out", &[(Severity::Error, Name::Egress, command)]);
    let diagnosis = patient.examined();
    for (_, finding) in diagnosis.findings() {
        let Some((_, permissions)) = finding.fix.split_once("--ip-permissions ") else { continue };
        for permission in permissions.trim_end_matches('`').split("' '") {
            let part = |key: &str| {
                let rest = permission.split_once(&format!("{key}=")).unwrap().1;
                rest.split([',', '}', '\'']).next().unwrap().to_owned()
            };
            let form = format!(
                "Action=AuthorizeSecurityGroupEgress&GroupId={own}&IpPermissions.1.IpProtocol={}\
                 &IpPermissions.1.FromPort={}&IpPermissions.1.ToPort={}&IpPermissions.1.IpRanges.1.CidrIp={}",
                part("IpProtocol"),
                part("FromPort"),
                part("ToPort"),
                part("CidrIp")
            );
            patient.world.account.ec2(&form);
        }
    }
    patient.has("the command was run", &[]);
}

#[test]
fn a_group_of_their_own_is_mended_by_hand() {
    let unmanaged = CLASSIC.replace("\"${two}\"] }", "\"${two}\"], manage_security_group: false }");
    let patient = Patient::built(World::furnish("us-east-1"), &unmanaged);
    let command = "aws ec2 authorize-security-group-ingress --group-id";
    patient.has(
        "nobody admits the load balancer",
        &[(Severity::Error, Name::Admission, command), (Severity::Error, Name::Admission, command)],
    );
    // The subnets of the load balancer, one rule each, are as good as its group.
    let theirs = group_of(&patient.world, "default");
    for (port, block) in [(80, "172.31.0.0/20"), (80, "172.31.16.0/20"), (8081, "172.31.0.0/19")] {
        patient.world.account.ec2(&format!(
            "Action=AuthorizeSecurityGroupIngress&GroupId={theirs}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort={port}&IpPermissions.1.ToPort={port}&IpPermissions.1.IpRanges.1.CidrIp={block}"
        ));
    }
    patient.has("by blocks", &[]);
}

#[test]
fn certificates_are_held_against_the_names_and_the_date() {
    let patient = patient();
    let set = |world: &World, arn: &str| {
        world.account.elb(&format!(
            "Action=SetLoadBalancerListenerSSLCertificate{BALANCER}&LoadBalancerPort=443&SSLCertificateId={arn}"
        ));
    };
    patient.breaks(
        "another domain",
        &[(Severity::Error, Name::CertificateName, "elbws apply SPEC")],
        |world| set(world, &world.fill("${other}")),
    );
    patient.breaks(
        "few days left",
        &[(Severity::Warning, Name::CertificateExpiry, "elbws apply SPEC")],
        |world| {
            let end = OffsetDateTime::now_utc() + Duration::days(10);
            set(world, &world.account.certificate_until_day("chat.example.com", end));
        },
    );
}

#[test]
fn instances_that_cannot_serve_are_named() {
    use Severity::{Error, Warning};
    let patient = patient();
    let (one, two) = (patient.world.fill("${one}"), patient.world.fill("${two}"));
    patient.breaks("nobody", &[(Error, Name::Target, "elbws apply SPEC")], |world| {
        world.account.elb(&format!(
            "Action=DeregisterInstancesFromLoadBalancer{BALANCER}&Instances.member.1.InstanceId={one}\
             &Instances.member.2.InstanceId={two}"
        ));
    });
    patient.breaks("a zone with nobody", &[(Warning, Name::Zone, "elbws apply SPEC")], |world| {
        attribute(world, "CrossZoneLoadBalancing.Enabled=false");
        world.account.elb(&format!(
            "Action=DeregisterInstancesFromLoadBalancer{BALANCER}&Instances.member.1.InstanceId={two}"
        ));
    });
    patient.breaks(
        "a zone that is not served",
        &[(Error, Name::Instance, "elbws apply SPEC"), (Error, Name::Target, "elbws apply SPEC")],
        |world| {
            let subnet = world.fill("${subnet-b}");
            world
                .account
                .elb(&format!("Action=DetachLoadBalancerFromSubnets{BALANCER}&Subnets.member.1={subnet}"));
        },
    );
    let start = format!("aws ec2 start-instances --instance-ids {two}");
    patient.world.account.ec2(&format!("Action=StopInstances&InstanceId.1={two}"));
    patient.world.account.ec2("Action=DescribeInstances");
    let start: &'static str = start.leak();
    patient.has("a stopped instance", &[(Error, Name::Instance, start), (Error, Name::Target, start)]);
    patient.world.account.ec2(&format!("Action=StartInstances&InstanceId.1={two}"));
    patient.world.account.ec2("Action=DescribeInstances");
    patient.has("it was started", &[]);
    let gone = CLASSIC.replace("\"${two}\"]", "\"${two}\", i-0123456789abcdef0]");
    let diagnosis = patient.examined_as(&gone);
    // The spec as it is cannot be applied either, which is said as well.
    assert!(
        diagnosis
            .findings()
            .any(|(check, _)| check.name == Name::Instance && check.subject == "i-0123456789abcdef0"),
        "{diagnosis:#?}"
    );
}

#[test]
fn the_proxys_own_lines_are_held_against_the_load_balancer() {
    let patient = patient();
    let with = |line: &str| format!("{CLASSIC}proxy: {{ {line} }}\n");
    for (line, expected) in [
        ("tunnel_idle: 10m", (Severity::Warning, Name::TunnelIdle, "proxy.tunnel_idle: 65m")),
        ("ping_interval: false", (Severity::Warning, Name::PingInterval, "remove proxy.ping_interval")),
        ("drain: 10m", (Severity::Warning, Name::Draining, "load_balancer.connection_draining: 10m")),
    ] {
        let diagnosis = patient.examined_as(&with(line));
        super::assert_findings(&diagnosis, line, &[expected]);
    }
}

#[test]
fn an_instances_own_options_are_looked_at() {
    use Severity::Warning;
    let patient = patient();
    let one = patient.world.fill("${one}");
    let ec2 = |form: &str| patient.world.account.ec2(form);
    ec2(&format!("Action=ModifyInstanceMetadataOptions&InstanceId={one}&HttpEndpoint=disabled"));
    let command: &'static str =
        format!("aws ec2 modify-instance-metadata-options --instance-id {one} --http-endpoint enabled")
            .leak();
    patient.has("no metadata", &[(Warning, Name::Metadata, command)]);
    ec2(&format!(
        "Action=ModifyInstanceMetadataOptions&InstanceId={one}&HttpEndpoint=enabled&HttpTokens=required"
    ));
    patient.has("the command was run", &[]);
    assert!(
        right(&patient.examined(), Name::Metadata)
            .contains(&format!("{one}: answers, version 2 is required, hop limit 1"))
    );

    let instances = ec2(&format!("Action=DescribeInstances&InstanceId.1={one}"));
    let interface = crate::account::between(&instances, "<networkInterfaceId>", "<").to_owned();
    let remember = |seconds: u32| {
        ec2(&format!(
            "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId={interface}\
             &ConnectionTrackingSpecification.TcpEstablishedTimeout={seconds}"
        ));
    };
    remember(60);
    let command: &'static str = format!(
        "proxy.ping_interval: 30s, or `aws ec2 modify-network-interface-attribute --network-interface-id {interface} \
         --connection-tracking-specification TcpEstablishedTimeout=3900`"
    )
    .leak();
    patient.has("forgotten after a minute", &[(Warning, Name::ConnectionTracking, command)]);
    // Either of the two mends it.
    let pings = format!("{CLASSIC}proxy: {{ ping_interval: 30s }}\n");
    super::assert_findings(&patient.examined_as(&pings), "more pings", &[]);
    remember(3900);
    patient.has("the command was run", &[]);
}
