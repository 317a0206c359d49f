//! `elbws-proxy`: the proxy that runs on the instances, alone.

fn main() {}
