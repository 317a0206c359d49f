//! Health checks of real listeners on the instances' addresses.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use elbws::local::Config;

use crate::client::{EC2, ELB, Response, Server};

/// What the server adds to a port of an instance.
const OFFSET: u16 = 7;

const DEADLINE: Duration = Duration::from_mins(1);

fn ok(response: Response) -> Response {
    assert_eq!(response.status, 200, "{}", response.body);
    response
}

/// A load balancer with one registered instance, and that instance's address.
fn start() -> (Server, String) {
    let server = Server::start(Config { port_offset: OFFSET, ..Config::default() });
    server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":10}"#);
    let launch = "Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1";
    let launched = ok(server.query("us-east-1", EC2, launch));
    let zone = launched.text("availabilityZone");
    let create = format!(
        "Action=CreateLoadBalancer&LoadBalancerName=web&AvailabilityZones.member.1={zone}\
         &Listeners.member.1.Protocol=tcp&Listeners.member.1.LoadBalancerPort=80&Listeners.member.1.InstancePort=80"
    );
    ok(server.query("us-east-1", ELB, &create));
    let id = launched.text("instanceId");
    let register = format!(
        "Action=RegisterInstancesWithLoadBalancer&LoadBalancerName=web&Instances.member.1.InstanceId={id}"
    );
    ok(server.query("us-east-1", ELB, &register));
    let address = launched.text("privateIpAddress").to_owned();
    (server, address)
}

fn check(server: &Server, target: &str) {
    let form = format!(
        "Action=ConfigureHealthCheck&LoadBalancerName=web&HealthCheck.Target={target}&HealthCheck.Interval=30\
         &HealthCheck.Timeout=5&HealthCheck.UnhealthyThreshold=2&HealthCheck.HealthyThreshold=2"
    );
    ok(server.query("us-east-1", ELB, &form));
}

/// Asks until the instance is in that state, and says why it is.
fn wait_for(server: &Server, state: &str) -> String {
    let begun = Instant::now();
    loop {
        let health = ok(server.query("us-east-1", ELB, "Action=DescribeInstanceHealth&LoadBalancerName=web"));
        let description = health.text("Description");
        if health.text("State") == state && description != "Instance registration is still in progress." {
            return description.to_owned();
        }
        assert!(begun.elapsed() < DEADLINE, "{}", health.body);
    }
}

#[test]
fn an_instance_is_in_service_while_something_listens() {
    let (server, address) = start();
    let listener = TcpListener::bind((address.as_str(), 0)).unwrap();
    check(&server, &format!("TCP:{}", listener.local_addr().unwrap().port() - OFFSET));
    assert_eq!(wait_for(&server, "InService"), "N/A");
    drop(listener);
    let description = wait_for(&server, "OutOfService");
    assert_eq!(
        description,
        "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."
    );
}

#[test]
fn an_http_check_asks_for_its_path() {
    let (server, address) = start();
    let listener = TcpListener::bind((address.as_str(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    check(&server, &format!("HTTP:{}/healthz", at.port() - OFFSET));
    let asked = serve_once(&listener);
    assert!(asked.starts_with("GET /healthz HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("User-Agent: ELB-HealthChecker/1.0\r\n"), "{asked}");
    std::thread::spawn(move || while !serve_once(&listener).is_empty() {});
    wait_for(&server, "InService");
    drop(server);
    end(at);
}

/// Answers one request with 200 and returns it.
fn serve_once(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 1024];
    let length = stream.read(&mut request).unwrap_or(0);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    String::from_utf8_lossy(&request[..length]).into_owned()
}

/// A connection that asks nothing ends the thread that serves.
fn end(address: SocketAddr) {
    drop(std::net::TcpStream::connect(address));
}
