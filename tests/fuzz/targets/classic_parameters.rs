//! See `../checks/classic_parameters.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::run("classic_parameters", data));
