//! What EC2, ACM and IAM hold outlives a restart, keys included.

use elbws::local::Config;

use crate::client::{EC2, Response, Server, signed};

fn acm(server: &Server, operation: &str, body: &str) -> Response {
    let authorization = signed("us-east-1", "acm");
    let target = format!("CertificateManager.{operation}");
    let headers = [("authorization", authorization.as_str()), ("x-amz-target", target.as_str())];
    server.send("POST", "/", &headers, body).unwrap()
}

#[test]
fn networks_instances_and_certificates_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let start =
        || Server::start(Config { state_dir: Some(directory.path().to_owned()), ..Config::default() });
    let server = start();
    let request = r#"{"DomainName":"chat.example.com","KeyAlgorithm":"EC_prime256v1"}"#;
    let arn = acm(&server, "RequestCertificate", request).json()["CertificateArn"].clone();
    let by_arn = serde_json::json!({ "CertificateArn": arn }).to_string();
    let launch = "Action=RunInstances&ImageId=ami-12345678&MinCount=2&MaxCount=2&ClientToken=t\
        &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=App&TagSpecification.1.Tag.1.Value=chat";
    let launched = server.query("us-east-1", EC2, launch);
    assert_eq!(launched.status, 200, "{}", launched.body);
    let instance = launched.text("instanceId").to_owned();

    let seen = |server: &Server| {
        let certificate = acm(server, "DescribeCertificate", &by_arn).body;
        let pair = acm(server, "GetCertificate", &by_arn).json();
        let describe = |what: &str| {
            let body = server.query("us-east-1", EC2, &format!("Action=Describe{what}")).body;
            body.split_once("</requestId>").unwrap().1.to_owned()
        };
        let network = ["Vpcs", "Subnets", "SecurityGroups", "SecurityGroupRules", "Instances", "Tags"];
        (certificate, pair, network.map(describe))
    };
    let before = seen(&server);
    assert!(before.2[4].contains(&instance));
    drop(server);
    let server = start();
    assert_eq!(seen(&server), before);
    assert_eq!(server.query("us-east-1", EC2, launch).text("instanceId"), instance, "the token holds");

    let authority = std::fs::read_to_string(directory.path().join("ca.pem")).unwrap();
    assert_eq!(before.1["CertificateChain"], authority);
    let again = acm(&server, "RequestCertificate", request).json()["CertificateArn"].clone();
    let by_arn = serde_json::json!({ "CertificateArn": again }).to_string();
    let chain = acm(&server, "GetCertificate", &by_arn).json()["CertificateChain"].clone();
    assert_eq!(chain, authority, "one authority signs before and after");

    let state = std::fs::read_to_string(directory.path().join("state.json")).unwrap();
    assert!(state.contains("PRIVATE KEY"), "a data plane is to serve the certificate");
    for answer in [&before.0, &before.1.to_string()] {
        assert!(!answer.contains("PRIVATE KEY"));
    }
}
