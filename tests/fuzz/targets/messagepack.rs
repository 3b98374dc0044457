//! See `../checks/messagepack.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("messagepack", data));
