//! See `../checks/classic_invocation.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("classic_invocation", data));
