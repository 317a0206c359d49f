//! `load_balancer:` by its type, and the fields that several types share.

use crate::provision::spec::address;
use crate::provision::spec::shape::{Choice, Field, Kind, Need, Object, Variants};
use crate::provision::spec::text;

pub(in crate::provision::spec) static LOAD_BALANCER: Variants = Variants {
    name: "load_balancer",
    tag: "type",
    words: &TYPES,
    hint: "classic, application or network",
    objects: &[
        &super::classic::CLASSIC,
        &super::application::APPLICATION,
        &super::network::NETWORK_LOAD_BALANCER,
    ],
};

static TYPES: Choice = Choice {
    values: &["classic", "application", "network"],
    hints: &[
        ("elb", "did you mean classic?"),
        ("clb", "did you mean classic?"),
        ("alb", "did you mean application?"),
        ("nlb", "did you mean network?"),
        ("gateway", "a Gateway load balancer carries packets for appliances, not visitors"),
    ],
};

static SCHEMES: Choice = Choice {
    values: &["internet-facing", "internal"],
    hints: &[("public", "did you mean internet-facing?"), ("private", "did you mean internal?")],
};

static ADDRESS_TYPES: Choice = Choice {
    values: &["ipv4", "dualstack"],
    hints: &[("ipv6", "did you mean dualstack?"), ("dual-stack", "did you mean dualstack?")],
};

pub(super) const PORT: Kind = Kind::Integer { min: 1, max: 65535 };
pub(super) const THRESHOLD: Kind = Kind::Integer { min: 2, max: 10 };

pub(super) const NAME: Field =
    Field::new("name", Kind::Text(&text::LOAD_BALANCER), "Its name in AWS.").default("the stack");

pub(super) const SCHEME: Field =
    Field::new("scheme", Kind::Choice(&SCHEMES), "`internet-facing` or `internal`.")
        .default("internet-facing");

pub(super) const IP_ADDRESS_TYPE: Field = Field::new(
    "ip_address_type",
    Kind::Choice(&ADDRESS_TYPES),
    "Which addresses visitors may use; `dualstack` needs subnets with IPv6.",
)
.default("ipv4");

static CIDR: Kind = Kind::Text(&address::CIDR);

pub(super) const INGRESS: Field = Field::new(
    "ingress",
    Kind::List { of: &CIDR, min: 1, max: 60 },
    "The CIDR blocks that its own security group admits to the listeners.",
);

/// The same where visitors may have IPv6.
pub(super) const INGRESS_OF_BOTH: Field = INGRESS.default("[0.0.0.0/0], with dualstack [0.0.0.0/0, ::/0]");

pub(super) const DELETION_PROTECTION: Field = Field::new(
    "deletion_protection",
    Kind::Boolean,
    "Whether AWS refuses to delete it; `destroy` then says so.",
)
.default("false");

pub(super) const LISTENER_PORT: Field =
    Field::new("port", PORT, "The port that visitors connect to.").required();

/// What a load balancer with target groups has there.
pub(super) const HEALTH_CHECK_ELSEWHERE: Field =
    Field::new("health_check", Kind::Elsewhere("a health check belongs to a target group"), "");
pub(super) const CONNECTION_DRAINING_ELSEWHERE: Field = Field::new(
    "connection_draining",
    Kind::Elsewhere("a target group has this, as deregistration_delay"),
    "",
);

/// What a listener of a load balancer with target groups leaves to these.
pub(super) const INSTANCE_PORT_ELSEWHERE: Field =
    Field::new("instance_port", Kind::Elsewhere("a target group has this, as port"), "");
pub(super) const INSTANCE_PROTOCOL_ELSEWHERE: Field =
    Field::new("instance_protocol", Kind::Elsewhere("a target group has this, as protocol"), "");

/// Logs of the types that have a bucket and a prefix alone, with what is told of them.
pub(super) const fn logs(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Object(&LOGS), doc).default("none")
}

static LOGS: Object = Object {
    name: "logs",
    need: Need::Nothing,
    fields: &[
        Field::new("bucket", Kind::Text(&text::BUCKET), "The S3 bucket.").required(),
        Field::new("prefix", Kind::Text(&text::KEY_PREFIX), "The prefix of the objects' keys.")
            .default("none"),
    ],
};
