//! The inputs that fuzzing kept, replayed; `fuzz/` runs the same checks on inputs without end.

mod frames;
mod http1;
mod proxy_header;

use crate::smuggling::unescape;

/// Runs a check on every kept input of a target.
#[track_caller]
fn replay(kept: &str, check: fn(&[u8])) {
    let inputs: Vec<&str> = kept.lines().filter_map(|line| line.strip_prefix('|')).collect();
    assert!(inputs.len() >= 50, "only {} inputs", inputs.len());
    for input in inputs {
        let bytes = unescape(input);
        let outcome = std::panic::catch_unwind(|| check(&bytes));
        assert!(outcome.is_ok(), "what must hold does not hold of {input}");
    }
}

#[test]
fn what_must_hold_of_proxy_headers_holds_of_the_kept_ones() {
    replay(include_str!("../corpus/proxy_header.txt"), proxy_header::check);
}

#[test]
fn what_must_hold_of_requests_holds_of_the_kept_ones() {
    replay(include_str!("../corpus/http1.txt"), http1::check);
}

#[test]
fn what_must_hold_of_frames_holds_of_the_kept_ones() {
    replay(include_str!("../corpus/frames.txt"), frames::check);
}
