//! Fuzzes request heads and chunked bodies.
#![no_main]

#[path = "../../tests/proxy/fuzzed/http1.rs"]
mod http1;

libfuzzer_sys::fuzz_target!(|input: &[u8]| http1::check(input));
