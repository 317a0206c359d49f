//! Fuzzes PROXY headers.
#![no_main]

#[path = "../../tests/proxy/fuzzed/proxy_header.rs"]
mod proxy_header;

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy_header::check(input));
