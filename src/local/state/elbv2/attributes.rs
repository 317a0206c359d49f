//! Attributes: every key that a load balancer, listener or target group has, with its value as it is on the wire.
//!
//! Keys and defaults are those of the service model's `LoadBalancerAttribute`, `ListenerAttribute` and
//! `TargetGroupAttribute`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Kind, Protocol, ProtocolVersion, TargetType};
use crate::local::state::elb::Scheme;

/// Values by key. A key that the resource does not support is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn of(defaults: &[(&str, &str)]) -> Self {
        Self(defaults.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    /// The value of a key; empty where nothing is set.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Whether a key is `true` (or `on`).
    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), "true" | "on")
    }

    /// The number that a key has.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).parse().ok()
    }

    /// Whether the resource supports a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Sets a key.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// All keys and values, by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// Those of a new load balancer.
    pub(crate) fn of_load_balancer(kind: Kind, scheme: Scheme) -> Self {
        let mut attributes = match kind {
            Kind::Application => Self::of(APPLICATION),
            Kind::Network => Self::of(NETWORK),
        };
        if scheme == Scheme::Internal {
            attributes.set("ipv6.deny_all_igw_traffic", "true");
        }
        attributes
    }

    /// Those of a new listener. TLS and UDP listeners have none.
    pub(crate) fn of_listener(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http => Self::of(HTTP_LISTENER),
            Protocol::Https => {
                let mut attributes = Self::of(HTTP_LISTENER);
                attributes.0.extend(Self::of(HTTPS_LISTENER).0);
                attributes
            }
            Protocol::Tcp | Protocol::TcpUdp => Self::of(&[("tcp.idle_timeout.seconds", "350")]),
            Protocol::Tls | Protocol::Udp => Self::default(),
        }
    }

    /// Those of a new target group; `version` is that of HTTP and HTTPS groups.
    pub(crate) fn of_target_group(
        protocol: Protocol,
        version: Option<ProtocolVersion>,
        target_type: TargetType,
    ) -> Self {
        let mut attributes = Self::of(TARGET_GROUP);
        if protocol.is_application() {
            attributes.0.extend(Self::of(APPLICATION_GROUP).0);
            let of_version = match version {
                Some(ProtocolVersion::Http2) => HTTP2_GROUP,
                Some(ProtocolVersion::Grpc) => GRPC_GROUP,
                Some(ProtocolVersion::Http1) | None => &[],
            };
            attributes.0.extend(Self::of(of_version).0);
            return attributes;
        }
        attributes.0.extend(Self::of(NETWORK_GROUP).0);
        let udp = matches!(protocol, Protocol::Udp | Protocol::TcpUdp);
        if target_type == TargetType::Ip && !udp {
            attributes.set("preserve_client_ip.enabled", "false");
        }
        if udp {
            attributes.set("deregistration_delay.connection_termination.enabled", "true");
            attributes.set("target_health_state.unhealthy.connection_termination.enabled", "false");
        }
        attributes
    }
}

const APPLICATION: &[(&str, &str)] = &[
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.enabled", "false"),
    ("access_logs.s3.prefix", ""),
    ("client_keep_alive.seconds", "3600"),
    ("connection_logs.s3.bucket", ""),
    ("connection_logs.s3.enabled", "false"),
    ("connection_logs.s3.prefix", ""),
    ("deletion_protection.enabled", "false"),
    ("health_check_logs.s3.bucket", ""),
    ("health_check_logs.s3.enabled", "false"),
    ("health_check_logs.s3.prefix", ""),
    ("idle_timeout.timeout_seconds", "60"),
    ("ipv6.deny_all_igw_traffic", "false"),
    ("load_balancing.cross_zone.enabled", "true"),
    ("routing.http.desync_mitigation_mode", "defensive"),
    ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ("routing.http.preserve_host_header.enabled", "false"),
    ("routing.http.x_amzn_tls_kx.enabled", "false"),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
    ("routing.http.xff_client_port.enabled", "false"),
    ("routing.http.xff_header_processing.mode", "append"),
    ("routing.http2.enabled", "true"),
    ("waf.fail_open.enabled", "false"),
    ("zonal_shift.config.enabled", "false"),
];

const NETWORK: &[(&str, &str)] = &[
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.enabled", "false"),
    ("access_logs.s3.prefix", ""),
    ("deletion_protection.enabled", "false"),
    ("dns_record.client_routing_policy", "any_availability_zone"),
    ("ipv6.deny_all_igw_traffic", "false"),
    ("load_balancing.cross_zone.enabled", "false"),
    ("secondary_ips.auto_assigned.per_subnet", "0"),
    ("zonal_shift.config.enabled", "false"),
];

const HTTP_LISTENER: &[(&str, &str)] = &[
    ("routing.http.response.access_control_allow_credentials.header_value", ""),
    ("routing.http.response.access_control_allow_headers.header_value", ""),
    ("routing.http.response.access_control_allow_methods.header_value", ""),
    ("routing.http.response.access_control_allow_origin.header_value", ""),
    ("routing.http.response.access_control_expose_headers.header_value", ""),
    ("routing.http.response.access_control_max_age.header_value", ""),
    ("routing.http.response.content_security_policy.header_value", ""),
    ("routing.http.response.server.enabled", "true"),
    ("routing.http.response.strict_transport_security.header_value", ""),
    ("routing.http.response.x_content_type_options.header_value", ""),
    ("routing.http.response.x_frame_options.header_value", ""),
];

/// What only listeners that end TLS have: the names of headers that tell of it.
const HTTPS_LISTENER: &[(&str, &str)] = &[
    ("routing.http.request.x_amzn_mtls_clientcert.header_name", "X-Amzn-Mtls-Clientcert"),
    ("routing.http.request.x_amzn_mtls_clientcert_issuer.header_name", "X-Amzn-Mtls-Clientcert-Issuer"),
    ("routing.http.request.x_amzn_mtls_clientcert_leaf.header_name", "X-Amzn-Mtls-Clientcert-Leaf"),
    (
        "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
        "X-Amzn-Mtls-Clientcert-Serial-Number",
    ),
    ("routing.http.request.x_amzn_mtls_clientcert_subject.header_name", "X-Amzn-Mtls-Clientcert-Subject"),
    ("routing.http.request.x_amzn_mtls_clientcert_validity.header_name", "X-Amzn-Mtls-Clientcert-Validity"),
    ("routing.http.request.x_amzn_tls_cipher_suite.header_name", "X-Amzn-Tls-Cipher-Suite"),
    ("routing.http.request.x_amzn_tls_version.header_name", "X-Amzn-Tls-Version"),
];

const TARGET_GROUP: &[(&str, &str)] = &[
    ("deregistration_delay.timeout_seconds", "300"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("stickiness.enabled", "false"),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
];

const APPLICATION_GROUP: &[(&str, &str)] = &[
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.app_cookie.cookie_name", ""),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.type", "lb_cookie"),
];

const HTTP2_GROUP: &[(&str, &str)] = &[
    ("routing.http2.rst_stream_error_forwarding.enabled", "false"),
    ("waf.http2.traffic_inspection_behavior", "inspect_immediately"),
];

const GRPC_GROUP: &[(&str, &str)] = &[("routing.http2.rst_stream_error_forwarding.enabled", "false")];

const NETWORK_GROUP: &[(&str, &str)] = &[
    ("deregistration_delay.connection_termination.enabled", "false"),
    ("preserve_client_ip.enabled", "true"),
    ("proxy_protocol_v2.enabled", "false"),
    ("stickiness.type", "source_ip"),
    ("target_health_state.unhealthy.connection_termination.enabled", "true"),
    ("target_health_state.unhealthy.draining_interval_seconds", "0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_the_kind_and_the_protocol() {
        let application = Attributes::of_load_balancer(Kind::Application, Scheme::InternetFacing);
        assert_eq!(application.number("idle_timeout.timeout_seconds"), Some(60));
        assert!(application.flag("load_balancing.cross_zone.enabled"));
        let network = Attributes::of_load_balancer(Kind::Network, Scheme::Internal);
        assert!(!network.has("idle_timeout.timeout_seconds"));
        assert!(network.flag("ipv6.deny_all_igw_traffic"));
        let instance = Attributes::of_target_group(Protocol::Tcp, None, TargetType::Instance);
        assert!(instance.flag("preserve_client_ip.enabled"));
        let address = Attributes::of_target_group(Protocol::Tls, None, TargetType::Ip);
        assert!(!address.flag("preserve_client_ip.enabled"));
        let of_version = |version| Attributes::of_target_group(Protocol::Http, Some(version), TargetType::Ip);
        let web = of_version(ProtocolVersion::Http1);
        assert!(!web.has("proxy_protocol_v2.enabled"));
        assert_eq!(web.get("stickiness.type"), "lb_cookie");
        let forwarding = "routing.http2.rst_stream_error_forwarding.enabled";
        let inspection = "waf.http2.traffic_inspection_behavior";
        for (version, forwards, inspects) in [
            (ProtocolVersion::Http1, false, false),
            (ProtocolVersion::Http2, true, true),
            (ProtocolVersion::Grpc, true, false),
        ] {
            let group = of_version(version);
            assert_eq!((group.has(forwarding), group.has(inspection)), (forwards, inspects), "{version:?}");
        }
    }
}
