//! Where a demo's load balancer is: its name, and its ports on this machine.

/// Browsers know that what ends in .localhost is this machine.
pub(super) const DOMAIN: &str = "chat.localhost";
const HTTPS: u16 = 443;
const HTTP: u16 = 80;

/// The ports of the load balancer as this machine has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) https: u16,
    pub(super) http: u16,
    /// What every port is lifted by.
    pub(super) offset: u16,
}

impl Place {
    /// None where the offset lifts a port beyond the last one.
    pub(super) fn lifted(offset: u16) -> Option<Self> {
        Some(Self { https: HTTPS.checked_add(offset)?, http: HTTP.checked_add(offset)?, offset })
    }

    pub(super) fn https_authority(self) -> String {
        authority(self.https, HTTPS)
    }

    pub(super) fn http_authority(self) -> String {
        authority(self.http, HTTP)
    }
}

fn authority(port: u16, default: u16) -> String {
    if port == default { DOMAIN.to_owned() } else { format!("{DOMAIN}:{port}") }
}
