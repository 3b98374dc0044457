//! See `../checks/json.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("json", data));
