//! Specs to plans to stacks: snapshots, and apply against the local AWS.
