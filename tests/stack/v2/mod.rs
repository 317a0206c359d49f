//! Application and Network load balancers: apply settles, another type or name stands beside until the cutover, and
//! destroy leaves the account as it was.

mod stacks;
mod switches;

use self::stacks::STACKS;
use crate::convergence::{at_once, converges};
use crate::world::certificate_files;

#[test]
fn stacks_of_both_types_converge_and_leave_nothing() {
    let directory = certificate_files();
    assert!(STACKS.len() >= 5);
    at_once(STACKS, |(name, text)| converges(name, directory.path(), text));
}
