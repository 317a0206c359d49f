//! Fuzzes WebSocket frames.
#![no_main]

#[path = "../../tests/proxy/fuzzed/frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|input: &[u8]| frames::check(input));
