//! The grammars of single values of a Network load balancer's addresses.

use std::net::Ipv4Addr;

use crate::provision::spec::shape::Text;
use crate::provision::spec::text::{Checked, id, refuse, shown};

pub(super) static ALLOCATION: Text = Text {
    what: "the id of an Elastic IP address's allocation",
    pattern: "^eipalloc-([0-9a-f]{8}|[0-9a-f]{17})$",
    check: allocation,
};

pub(super) static PRIVATE: Text =
    Text { what: "an IPv4 address", pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", check: private };

fn allocation(text: &str) -> Checked {
    if text.parse::<Ipv4Addr>().is_ok() {
        return refuse(
            format!("{text} is an address, the id of its allocation is needed"),
            "aws ec2 describe-addresses says it: eipalloc-…",
        );
    }
    id(text, "eipalloc")
}

fn private(text: &str) -> Checked {
    match text.parse::<Ipv4Addr>() {
        Ok(address) if !address.is_unspecified() && !address.is_loopback() && !address.is_multicast() => {
            Ok(())
        }
        Ok(_) | Err(_) => {
            refuse(format!("{} is not an IPv4 address of a subnet", shown(text)), "for example 10.0.1.5")
        }
    }
}
