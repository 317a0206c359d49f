//! `elbws local instance`: commands that stand in for what runs on an instance.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use elbws::local::Config;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::{EC2, ELB, ELBV2, Server};

const REGION: &str = "us-east-1";

/// A server with an instance, registered with a load balancer; the instance's id and address.
fn start() -> (Server, String, String) {
    let server = Server::start(Config { port_offset: 8000, ..Config::default() });
    let launch = "Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1\
        &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=web";
    let launched = server.query(REGION, EC2, launch);
    let (id, zone) = (launched.text("instanceId"), launched.text("availabilityZone"));
    for form in [
        format!(
            "Action=CreateLoadBalancer&LoadBalancerName=web&AvailabilityZones.member.1={zone}\
             &Listeners.member.1.Protocol=tcp&Listeners.member.1.LoadBalancerPort=443&Listeners.member.1.InstancePort=80"
        ),
        "Action=ConfigureHealthCheck&LoadBalancerName=web&HealthCheck.Target=HTTP:8081/healthz&HealthCheck.Interval=30\
         &HealthCheck.Timeout=5&HealthCheck.UnhealthyThreshold=2&HealthCheck.HealthyThreshold=2"
            .to_owned(),
        format!(
            "Action=RegisterInstancesWithLoadBalancer&LoadBalancerName=web&Instances.member.1.InstanceId={id}"
        ),
    ] {
        assert_eq!(server.query(REGION, ELB, &form).status, 200);
    }
    (server, id.to_owned(), launched.text("privateIpAddress").to_owned())
}

fn elbws(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbws"));
    let endpoint = format!("http://{}", server.address);
    command
        .args(["local", "instance"])
        .args(arguments)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("NO_COLOR", "1");
    command.env_remove("HOST").env_remove("PORT");
    command
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn instances_are_listed_with_their_ports() {
    let (server, id, address) = start();
    let (code, out, err) = text(&elbws(&server, &["list"]).output().unwrap());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let ports = format!("80 at {address}:8080, 8081 at {address}:16081");
    assert_eq!(out, format!("{id}  running     {address:<13}  {REGION:<12}  web  {ports}\n"));
    let (_, out, _) = text(&elbws(&server, &["list", "--output", "json"]).output().unwrap());
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(listed[0]["load_balancers"][0], "web");
    assert_eq!(listed[0]["ports"][1]["address"], format!("{address}:16081"));
}

#[test]
fn ports_of_target_groups_are_listed_too() {
    let (server, id, address) = start();
    for (group, kind, target, port, check) in [
        ("by-id", "instance", &id, 7000, "&HealthCheckPort=7001"),
        ("by-address", "ip", &address, 7002, "&HealthCheckPort=traffic-port"),
        ("elsewhere", "ip", &"127.64.200.9".to_owned(), 7003, ""),
    ] {
        let vpc = server.query(REGION, EC2, "Action=DescribeVpcs");
        let vpc = vpc.text("vpcId");
        let form = format!(
            "Action=CreateTargetGroup&Name={group}&Protocol=HTTP&Port=1&VpcId={vpc}&TargetType={kind}{check}"
        );
        let made = server.query(REGION, ELBV2, &form);
        let arn = made.text("TargetGroupArn");
        let form = format!(
            "Action=RegisterTargets&TargetGroupArn={arn}&Targets.member.1.Id={target}&Targets.member.1.Port={port}"
        );
        assert_eq!(server.query(REGION, ELBV2, &form).status, 200);
    }
    let (_, out, _) = text(&elbws(&server, &["list", "--output", "json"]).output().unwrap());
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    let ports: Vec<u64> =
        listed[0]["ports"].as_array().unwrap().iter().map(|port| port["port"].as_u64().unwrap()).collect();
    assert_eq!(ports, [80, 7000, 7001, 7002, 8081]);
    let run =
        ["run", "--id", &id, "--", "sh", "-c", "echo $ELBWS_PORT_7000 $ELBWS_PORT_7001 $ELBWS_PORT_7002"];
    assert_eq!(text(&elbws(&server, &run).output().unwrap()).1, "15000 15001 15002\n");
}

#[test]
fn a_command_runs_with_the_instances_address_and_ports_and_its_exit_code_is_passed_on() {
    let (server, id, address) = start();
    let script = "echo $ELBWS_INSTANCE_ID $ELBWS_INSTANCE_ADDRESS $ELBWS_PORT_OFFSET $ELBWS_PORT_80 \
        $ELBWS_PORT_8081 $ELBWS_PORT_9000 $HOST $PORT \"$1\"; exit 7";
    let run = ["run", "--id", &id, "--port", "9000", "--", "sh", "-c", script, "sh", "--an option"];
    let (code, out, err) = text(&elbws(&server, &run).output().unwrap());
    assert_eq!((code, err.as_str()), (Some(7), ""));
    assert_eq!(out, format!("{id} {address} 8000 8080 16081 17000 {address} 17000 --an option\n"));
}

#[test]
fn signals_reach_the_command() {
    let (server, id, _) = start();
    let script = "trap 'echo interrupted; exit 130' INT; echo up; while :; do sleep 0.05; done";
    let mut child = elbws(&server, &["run", "--id", &id, "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "interrupted");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_cannot_be_run_is_told() {
    let (server, id, _) = start();
    let (code, _, err) = text(&elbws(&server, &["run", "--id", "i-0", "--", "true"]).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.starts_with("error: the local AWS has no instance i-0\n"), "{err}");
    let (code, _, err) =
        text(&elbws(&server, &["run", "--id", &id, "--", "/nonexistent/command"]).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.starts_with("error: cannot run /nonexistent/command\n"), "{err}");
    server.query(REGION, EC2, &format!("Action=StopInstances&InstanceId.1={id}"));
    let (code, _, err) = text(&elbws(&server, &["run", "--id", &id, "--", "true"]).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("instance {id} is stop")), "{err}");
    let elsewhere = ["run", "--id", &id, "--endpoint-url", "https://ec2.amazonaws.com", "--", "true"];
    assert_eq!(elbws(&server, &elsewhere).output().unwrap().status.code(), Some(64));
}
