//! See `../checks/classic_writers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("classic_writers", data));
