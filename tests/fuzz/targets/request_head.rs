//! See `../checks/request_head.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("request_head", data));
