//! Specs of stacks with Application and Network load balancers; `${one}` stands for a thing of the furnished account.

/// An ALB with every field that a change can be made to.
pub(crate) const APPLICATION: &str = r#"
stack: ws-chat
tags: { Team: realtime }
network: { vpc: default, subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}"], tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer:
  type: application
  name: ws-chat
  scheme: internet-facing
  ingress: [0.0.0.0/0]
  idle_timeout: 1h
  client_keep_alive: 1h
  http2: true
  desync_mitigation_mode: defensive
  drop_invalid_header_fields: false
  preserve_host_header: false
  xff_header_processing_mode: append
  xff_client_port: false
  deletion_protection: false
  listeners:
    - port: 443
      protocol: https
      ssl_policy: ELBSecurityPolicy-TLS13-1-2-2021-06
      default_action: { forward: web }
      rules:
        - { path: /ws/*, forward: ws }
        - { host: old.example.com, redirect: { host: new.example.com } }
        - { path: /gone, fixed_response: { status: 410 } }
    - { port: 80, protocol: http, default_action: { redirect: https } }
  target_groups:
    web: { port: 8000, health_check: { path: /up, port: 8081, matcher: "200", interval: 10s, timeout: 5s, healthy_threshold: 2, unhealthy_threshold: 3 }, deregistration_delay: 5m, algorithm: round_robin }
    ws: { port: 9000, health_check: { path: /up, port: 8081 }, stickiness: 1d, deregistration_delay: 10s }
proxy: false
"#;

/// The same of an NLB.
pub(crate) const NETWORK: &str = r#"
stack: ws-chat
tags: { Team: realtime }
network: { vpc: default, subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}"], tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer:
  type: network
  name: ws-chat
  scheme: internet-facing
  ingress: [0.0.0.0/0]
  idle_timeout: 1h
  cross_zone: true
  deletion_protection: false
  listeners:
    - { port: 443, protocol: tls, ssl_policy: ELBSecurityPolicy-TLS13-1-2-2021-06, target_group: web }
    - { port: 80, protocol: tcp, target_group: web }
  target_groups:
    web: { port: 80, health_check: { port: 8081, path: /healthz, protocol: http }, proxy_protocol: true, deregistration_delay: 10s }
proxy: false
"#;

/// An NLB with addresses that stay, and what goes with TCP alone.
pub(crate) const STATIC: &str = r#"
stack: ws-static
network: { vpc: default }
instances: { tags: { App: ws-chat } }
load_balancer:
  type: network
  addresses:
    - { subnet: "${subnet-a}", allocation: "${address-a}" }
    - { subnet: "${subnet-b}", allocation: "${address-b}" }
  listeners: [ { port: 80, protocol: tcp, target_group: web } ]
  target_groups:
    web: { port: 9000, proxy_protocol: false, stickiness: true, health_check: { port: 9001 } }
proxy: false
"#;

/// An NLB with TLS on both sides.
pub(crate) const SECURE: &str = r#"
stack: ws-secure
network: { vpc: default, subnets: ["${subnet-a}"] }
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer:
  type: network
  listeners: [ { port: 443, protocol: tls, alpn_policy: http2_optional, target_group: web } ]
  target_groups:
    web: { port: 8443, protocol: tls, proxy_protocol: false, health_check: { protocol: https, path: /up, matcher: "200-399" } }
proxy: false
"#;

pub(super) const STACKS: &[(&str, &str)] = &[
    ("an ALB with everything", APPLICATION),
    ("an NLB with everything", NETWORK),
    ("an NLB with static addresses", STATIC),
    ("an NLB with TLS on both sides", SECURE),
    ("the smallest ALB", "
stack: s
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer: { type: application }
"),
    ("the smallest NLB", "
stack: s
instances: { tags: { App: ws-chat } }
certificate: { domain: chat.example.com }
load_balancer: { type: network }
"),
    ("an ALB that serves nobody yet", "
stack: nobody
instances: { tags: { App: nobody } }
load_balancer: { type: application, listeners: [ { port: 80, protocol: http } ] }
proxy: false
"),
    ("certificates by SNI and from files", r"
stack: sni
instances: { tags: { App: ws-chat } }
certificate:
  domain: chat.example.com
  additional: [ { domain: other.example.org }, { files: { certificate: cert.pem, private_key: key.pem } } ]
load_balancer: { type: application }
"),
    ("weights and an inner NLB", "
stack: inner
instances: { tags: { App: ws-chat } }
load_balancer:
  type: network
  scheme: internal
  listeners: [ { port: 80, protocol: tcp, target_group: web }, { port: 81, protocol: tcp, target_group: direct } ]
  target_groups:
    web: { ports: [80, 81] }
    direct: { port: 9000, proxy_protocol: false, preserve_client_ip: true, health_check: { port: 9001 } }
proxy: false
"),
    ("weighted groups", "
stack: weighted
instances: { tags: { App: ws-chat } }
load_balancer:
  type: application
  listeners: [ { port: 80, protocol: http, default_action: { forward: { blue: 90, green: 10 }, stickiness: 1h } } ]
  target_groups: { blue: { port: 8000 }, green: { port: 8001 } }
proxy: false
"),
];
