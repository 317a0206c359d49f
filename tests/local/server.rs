//! The server and its admin calls, without regard to any service.

use elbws::local::{Config, bind};

use crate::client::{EC2, ELB, Server, signed};

#[test]
fn health_answers_when_it_serves() {
    let server = Server::start(Config::default());
    assert_eq!(server.admin("GET", "/_elbws/health", "").status, 200);
    assert_eq!(server.admin("POST", "/_elbws/health", "").status, 405);
    assert_eq!(server.admin("GET", "/_elbws/nothing", "").status, 404);
}

#[test]
fn unknown_operations_are_refused_by_their_service() {
    let server = Server::start(Config::default());
    let check = |service, expected: &str| {
        let refused = server.query("us-east-1", service, "Action=MakeTea");
        assert_eq!((refused.status, refused.text("Code")), (400, expected));
    };
    check(ELB, "InvalidAction");
    check(EC2, "InvalidAction");
    let authorization = signed("us-east-1", "acm");
    let headers = [("authorization", authorization.as_str()), ("x-amz-target", "CertificateManager.MakeTea")];
    let refused = server.send("POST", "/", &headers, "{}").unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["__type"], "UnknownOperationException");
}

#[test]
fn a_web_page_is_not_heard() {
    let server = Server::start(Config::default());
    let origin = [("origin", "https://example.com")];
    assert_eq!(server.send("POST", "/_elbws/reset", &origin, "").unwrap().status, 403);
    let presigned = "/?Action=DescribeLoadBalancers&Version=2012-06-01\
        &X-Amz-Credential=k/20260101/us-east-1/elasticloadbalancing/aws4_request";
    assert_eq!(server.send("POST", presigned, &origin, "").unwrap().status, 403);
    assert_eq!(server.send("POST", presigned, &[], "").unwrap().status, 200);
}

#[test]
fn a_request_without_credentials_is_refused() {
    let server = Server::start(Config::default());
    let refused = server.send("POST", "/", &[], "Action=DescribeLoadBalancers&Version=2012-06-01").unwrap();
    assert_eq!((refused.status, refused.text("Code")), (403, "MissingAuthenticationToken"));
}

#[test]
fn faults_hit_the_calls_they_name_and_the_log_tells() {
    let server = Server::start(Config::default());
    let call = || server.try_query("eu-west-1", ELB, "Action=DescribeNothing");
    let rules = r#"[{"operation":"DescribeNothing","nth":2,"effect":"throttle"},
        {"operation":"*","service":"elb","nth":3,"effect":"drop-after"},
        {"operation":"*","nth":4,"effect":"halt"}]"#;
    assert_eq!(server.admin("POST", "/_elbws/faults", rules).status, 200);
    assert_eq!(call().unwrap().text("Code"), "InvalidAction");
    let throttled = call().unwrap();
    assert_eq!((throttled.status, throttled.text("Code")), (400, "Throttling"));
    assert!(call().is_none(), "dropped after it took effect");
    assert!(call().is_none(), "halted");
    assert!(
        server.try_query("eu-west-1", EC2, "Action=DescribeOthers").is_none(),
        "halted for every service"
    );
    assert_eq!(server.admin("DELETE", "/_elbws/faults", "").status, 200);
    assert!(call().is_some());

    let calls = server.admin("GET", "/_elbws/calls", "").json();
    let seen: Vec<_> = calls
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["status"].as_u64(), call["code"].as_str(), call["dropped"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(400), Some("InvalidAction"), false),
            (Some(400), Some("Throttling"), false),
            (Some(400), Some("InvalidAction"), true),
            (None, None, true),
            (None, None, true),
            (Some(400), Some("InvalidAction"), false),
        ]
    );
    assert_eq!((&calls[0]["service"], &calls[0]["region"]), (&"elb".into(), &"eu-west-1".into()));
    server.admin("DELETE", "/_elbws/calls", "");
    assert_eq!(server.admin("GET", "/_elbws/calls", "").body, "[]");
}

#[test]
fn a_misspelt_admin_call_is_refused_with_the_reason() {
    let server = Server::start(Config::default());
    for (path, body, reason) in [
        ("/_elbws/faults", r#"{"operation":"*","effect":"trottle"}"#, "trottle"),
        ("/_elbws/settings", r#"{"asume_healthy":true}"#, "asume_healthy"),
        ("/_elbws/clock", r#"{"fixd":"2026-02-03T04:05:06Z"}"#, "fixd"),
    ] {
        let refused = server.admin("POST", path, body);
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.json()["message"].as_str().unwrap().contains(reason), "{}", refused.body);
    }
}

#[test]
fn the_clock_is_set_and_moved() {
    let server = Server::start(Config::default());
    let set = server.admin("POST", "/_elbws/clock", r#"{"fixed":"2026-02-03T04:05:06Z"}"#);
    assert_eq!(set.json()["now"], "2026-02-03T04:05:06Z");
    let moved = server.admin("POST", "/_elbws/clock", r#"{"advance_ms":54000}"#);
    assert_eq!(moved.json()["now"], "2026-02-03T04:06:00Z");
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let bound = bind(Config::default()).await.unwrap();
    let port = bound.local_addr().port();
    let refused = bind(Config { port, ..Config::default() }).await.err().unwrap();
    assert_eq!(refused.to_string(), format!("port {port} of 127.0.0.1 is already in use"));
}
