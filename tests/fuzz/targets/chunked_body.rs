//! See `../checks/chunked_body.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("chunked_body", data));
