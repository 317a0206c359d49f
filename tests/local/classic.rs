//! Classic ELB over plain HTTP: what outlives a restart, faults and many clients at once.

use elbws::local::{Clock, Config, Ids};

use crate::client::{ELB, Response, Server};

const CREATE: &str = "Action=CreateLoadBalancer&AvailabilityZones.member.1=us-east-1a\
    &Listeners.member.1.Protocol=tcp&Listeners.member.1.LoadBalancerPort=80&Listeners.member.1.InstancePort=80";
const DESCRIBE: &str = "Action=DescribeLoadBalancers";

fn elb(server: &Server, form: &str) -> Response {
    server.query("us-east-1", ELB, form)
}

fn create(server: &Server, name: &str) -> Response {
    elb(server, &format!("{CREATE}&LoadBalancerName={name}"))
}

fn names(server: &Server) -> usize {
    elb(server, DESCRIBE).body.matches("<LoadBalancerName>").count()
}

#[test]
fn what_was_made_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let start =
        || Server::start(Config { state_dir: Some(directory.path().to_owned()), ..Config::default() });
    let server = start();
    let created = create(&server, "web");
    assert_eq!(created.status, 200, "{}", created.body);
    let policy = "Action=CreateLoadBalancerPolicy&LoadBalancerName=web&PolicyName=proxy\
        &PolicyTypeName=ProxyProtocolPolicyType&PolicyAttributes.member.1.AttributeName=ProxyProtocol\
        &PolicyAttributes.member.1.AttributeValue=true";
    assert_eq!(elb(&server, policy).status, 200);
    let attach = "Action=SetLoadBalancerPoliciesForBackendServer&LoadBalancerName=web&InstancePort=80\
        &PolicyNames.member.1=proxy";
    assert_eq!(elb(&server, attach).status, 200);
    let described = |server: &Server| {
        let body = elb(server, DESCRIBE).body;
        body.split("<ResponseMetadata>").next().unwrap().to_owned()
    };
    let before = described(&server);
    drop(server);

    let server = start();
    assert!(before.contains(created.text("DNSName")), "{before}");
    assert!(before.contains(
        "<BackendServerDescriptions><member><InstancePort>80</InstancePort><PolicyNames><member>proxy</member>"
    ));
    assert_eq!(described(&server), before);
    assert_eq!(server.admin("POST", "/_elbws/reset", "").status, 200);
    drop(server);
    assert_eq!(names(&start()), 0, "a reset is as lasting as anything else");
}

#[test]
fn a_known_clock_and_known_ids_give_known_answers() {
    let at = time::OffsetDateTime::from_unix_timestamp(1_774_000_000).unwrap();
    let config = || Config { clock: Clock::Fixed(at), ids: Ids::counted(), ..Config::default() };
    let answers = || {
        let server = Server::start(config());
        (create(&server, "web").body, elb(&server, DESCRIBE).body)
    };
    assert_eq!(answers(), answers());
}

#[test]
fn a_call_whose_answer_is_lost_took_effect() {
    let server = Server::start(Config::default());
    let fault = |effect: &str| {
        let rule = format!(r#"{{"operation":"CreateLoadBalancer","effect":"{effect}"}}"#);
        assert_eq!(server.admin("POST", "/_elbws/faults", &rule).status, 200);
    };
    let call = || server.try_query("us-east-1", ELB, &format!("{CREATE}&LoadBalancerName=web"));
    fault("drop-before");
    assert!(call().is_none());
    assert_eq!(names(&server), 0);
    fault("drop-after");
    assert!(call().is_none());
    assert_eq!(names(&server), 1);
    assert_eq!(call().unwrap().status, 200, "the same create again succeeds");
}

#[test]
fn many_clients_at_once_get_one_of_each() {
    const CLIENTS: usize = 12;
    let server = Server::start(Config::default());
    let results: Vec<(u16, u16)> = std::thread::scope(|scope| {
        let client = |number: usize| {
            let server = &server;
            scope.spawn(move || {
                let own = create(server, &format!("web-{number}")).status;
                // All of these want one name, each with a port of its own: only one can have it.
                let contested = format!(
                    "{CREATE}&LoadBalancerName=shared&Listeners.member.2.Protocol=tcp\
                    &Listeners.member.2.LoadBalancerPort={0}&Listeners.member.2.InstancePort=80",
                    1000 + number
                );
                (own, elb(server, &contested).status)
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(results.iter().all(|(own, _)| *own == 200), "{results:?}");
    assert_eq!(results.iter().filter(|(_, contested)| *contested == 200).count(), 1, "{results:?}");
    assert_eq!(names(&server), CLIENTS + 1);
}
