//! Specs of stacks: those that changes are made to, and odd ones. `${one}` stands for a thing of the furnished
//! account.

/// A stack with every field that a change can be made to.
pub(crate) const FULL: &str = r#"
stack: ws-chat
tags: { Team: realtime }
network: { vpc: default, subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}"], tags: { App: ws-chat }, manage_security_group: true }
certificate: { domain: chat.example.com }
load_balancer:
  type: classic
  name: ws-chat
  scheme: internet-facing
  ingress: [0.0.0.0/0]
  idle_timeout: 1h
  cross_zone: true
  access_logs: { bucket: logs, prefix: elb, interval: 60 }
  connection_draining: 5m
  listeners:
    - { port: 443, protocol: ssl, instance_port: 80, instance_protocol: tcp, ssl_policy: ELBSecurityPolicy-TLS-1-2-2017-01 }
    - { port: 80, protocol: tcp, instance_port: 80, instance_protocol: tcp }
    - { port: 8080, protocol: http, instance_port: 8000, instance_protocol: http }
  proxy_protocol: [80]
  health_check: { target: "HTTP:8081/healthz", interval: 10s, timeout: 5s, healthy_threshold: 2, unhealthy_threshold: 3 }
proxy: false
"#;

/// A certificate from files.
pub(crate) const FILES: &str = "
stack: ws-files
instances: { tags: { App: ws-files } }
certificate: { files: { certificate: cert.pem, private_key: key.pem, store: acm } }
load_balancer: { type: classic }
";

pub(crate) const FILES_IN_IAM: &str = "
stack: ws-files
instances: { tags: { App: ws-files } }
certificate: { files: { certificate: cert.pem, private_key: key.pem, store: iam } }
load_balancer: { type: classic }
";

/// Nobody is registered, so that the VPC can change.
pub(crate) const NOBODY: &str = "
stack: ws-nobody
network: { vpc: default, subnets: all }
instances: { tags: { App: nobody } }
load_balancer:
  type: classic
  listeners: [ { port: 80, protocol: tcp, instance_port: 80 } ]
";

/// Two instance ports without a PROXY header.
pub(crate) const PLAIN: &str = "
stack: ws-plain
instances: { tags: { App: ws-chat } }
load_balancer:
  type: classic
  proxy_protocol: false
  listeners: [ { port: 80, protocol: tcp, instance_port: 80 }, { port: 81, protocol: tcp, instance_port: 81 } ]
proxy: false
";

/// Stacks that stand at the borders of what a spec may say, each with what is odd about it.
pub(crate) const ODD: &[(&str, &str)] = &[
    ("everything", FULL),
    ("nobody", NOBODY),
    ("one plain listener", "
stack: s
instances: { tags: { App: ws-chat } }
load_balancer: { type: classic, listeners: [ { port: 80, protocol: http, instance_port: 80 } ] }
"),
    ("internal, in subnets by id", r#"
stack: inside
network: { subnets: ["${subnet-b}"] }
instances: { ids: ["${one}", "${two}"], tags: { App: ws-chat } }
load_balancer:
  type: classic
  scheme: internal
  ingress: [10.0.0.0/8, 192.168.0.0/16, "fd00::/8"]
  listeners: [ { port: 25, protocol: tcp, instance_port: 2525 } ]
"#),
    ("two instance ports, PROXY on one", "
stack: two-ports
instances: { tags: { App: ws-chat } }
certificate: { domain: \"*.example.com\" }
load_balancer:
  type: classic
  listeners:
    - { port: 443, protocol: ssl, instance_port: 80 }
    - { port: 80, protocol: tcp, instance_port: 80 }
    - { port: 8443, protocol: ssl, instance_port: 81 }
  proxy_protocol: [80]
proxy: false
"),
    ("the same instance by id and by tag", r#"
stack: twice
instances: { ids: ["${chat}"], tags: { App: ws-chat } }
load_balancer: { type: classic, listeners: [ { port: 80, protocol: tcp, instance_port: 80 } ] }
"#),
    ("many ranges", r#"
stack: ranges
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer:
  type: classic
  ingress: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.51.100.0/24", "203.0.113.7/32", "2001:db8::/32", "fd00::/8", "::1/128"]
"#),
    ("a vpc and subnets by tags", "
stack: elsewhere
network: { vpc: { tags: { Name: backend } }, subnets: { tags: { Tier: private } } }
instances: { tags: { App: ws-backend } }
load_balancer: { type: classic, scheme: internal, listeners: [ { port: 80, protocol: tcp, instance_port: 80 } ] }
"),
    ("in another region", "
stack: far
region: ap-southeast-2
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer: { type: classic }
"),
    ("a certificate of IAM", r#"
stack: of-iam
instances: { tags: { App: ws-chat } }
certificate: { arn: "${server-certificate}" }
load_balancer: { type: classic, access_logs: { bucket: logs }, connection_draining: false, cross_zone: false }
"#),
    ("files to ACM", FILES),
    ("files to IAM", "
stack: files-iam
tags: { Team: \"a b=c/d+e@f\" }
instances: { tags: { App: ws-files } }
certificate: { files: { certificate: certs/cert.pem, private_key: certs/key.pem, store: iam } }
load_balancer: { type: classic, name: Files-IAM }
"),
    ("the instances' group left alone", "
stack: hands-off
instances: { tags: { App: ws-chat }, manage_security_group: false }
certificate: { domain: chat.example.com }
load_balancer: { type: classic }
"),
    ("the longest names", "
stack: abcdefghijklmnopqrstuvwx
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer: { type: classic, name: abcdefghijklmnopqrstuvwxyz012345 }
"),
    ("twenty listeners", "
stack: twenty
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer:
  type: classic
  listeners:
    - { port: 1001, protocol: tcp, instance_port: 2001 }
    - { port: 1002, protocol: tcp, instance_port: 2001 }
    - { port: 1003, protocol: tcp, instance_port: 2002 }
    - { port: 1004, protocol: tcp, instance_port: 2003 }
    - { port: 1005, protocol: tcp, instance_port: 2004, instance_protocol: ssl }
    - { port: 1006, protocol: http, instance_port: 2005 }
    - { port: 1007, protocol: http, instance_port: 2006, instance_protocol: https }
    - { port: 1008, protocol: ssl, instance_port: 2007 }
    - { port: 1009, protocol: ssl, instance_port: 2008, instance_protocol: ssl }
    - { port: 1010, protocol: ssl, instance_port: 2009, ssl_policy: ELBSecurityPolicy-2016-08 }
    - { port: 1011, protocol: ssl, instance_port: 2009, ssl_policy: ELBSecurityPolicy-TLS-1-1-2017-01 }
    - { port: 1012, protocol: https, instance_port: 2010 }
    - { port: 1013, protocol: https, instance_port: 2016, instance_protocol: https }
    - { port: 1014, protocol: https, instance_port: 2011, ssl_policy: ELBSecurityPolicy-2016-08 }
    - { port: 1015, protocol: tcp, instance_port: 2012 }
    - { port: 1016, protocol: tcp, instance_port: 2013 }
    - { port: 1017, protocol: tcp, instance_port: 2014 }
    - { port: 1018, protocol: tcp, instance_port: 2015 }
    - { port: 443, protocol: ssl, instance_port: 80 }
    - { port: 80, protocol: tcp, instance_port: 80 }
  proxy_protocol: [80, 2001, 2003, 2009]
  health_check: { target: \"TCP:80\" }
proxy: false
"),
];
