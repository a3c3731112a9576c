//! Hands the fuzzer's bytes to the check of the same name; what must hold is written there.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzz::check("token", bytes));
