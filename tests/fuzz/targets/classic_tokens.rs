//! See `../checks/classic_tokens.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("classic_tokens", data));
