//! Ids of what is created: random as AWS's are, or counted so that a test knows them beforehand.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A source of ids.
#[derive(Clone, Debug)]
pub struct Ids(Source);

#[derive(Clone, Debug)]
enum Source {
    Random(u64),
    Counted(u64),
}

impl Default for Ids {
    fn default() -> Self {
        Self::random()
    }
}

impl Ids {
    /// Ids that nobody can foretell.
    #[must_use]
    pub fn random() -> Self {
        Self(Source::Random(RandomState::new().build_hasher().finish()))
    }

    /// The ids 1, 2, 3 …; they begin anew with every server, so this is for servers that keep no state.
    #[must_use]
    pub fn counted() -> Self {
        Self(Source::Counted(0))
    }

    /// A resource's id: `i-` and 17 hexadecimal digits for the prefix `i`.
    pub(crate) fn resource(&mut self, prefix: &str) -> String {
        format!("{prefix}-{}", &self.hex()[15..])
    }

    /// The ten digits in a load balancer's host name.
    pub(crate) fn digits(&mut self) -> String {
        format!("{:010}", self.next() % 10_000_000_000)
    }

    /// The 16 hexadecimal digits at the end of a load balancer's ARN.
    pub(crate) fn arn_suffix(&mut self) -> String {
        self.hex()[16..].to_owned()
    }

    /// A request's id, or the last part of a certificate's ARN, in the form of a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let hex = self.hex();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// 32 hexadecimal digits.
    fn hex(&mut self) -> String {
        match self.0 {
            Source::Random(_) => format!("{:016x}{:016x}", self.next(), self.next()),
            Source::Counted(_) => format!("{:032x}", self.next()),
        }
    }

    /// `SplitMix64` from a random seed; ids need no secrecy, only to be spread.
    fn next(&mut self) -> u64 {
        match &mut self.0 {
            Source::Counted(count) => {
                *count += 1;
                *count
            }
            Source::Random(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *state;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_ids_are_known_beforehand() {
        let mut ids = Ids::counted();
        assert_eq!(ids.resource("i"), "i-00000000000000001");
        assert_eq!(ids.digits(), "0000000002");
        assert_eq!(ids.uuid(), "00000000-0000-0000-0000-000000000003");
    }

    #[test]
    fn random_ids_have_the_form_of_the_real_ones_and_differ() {
        let mut ids = Ids::random();
        let (one, other) = (ids.resource("sg"), ids.resource("sg"));
        assert_eq!(one.len(), "sg-".len() + 17);
        assert_ne!(one, other);
        assert_ne!(Ids::random().resource("sg"), one);
    }
}
