//! See `../checks/connection.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("connection", data));
