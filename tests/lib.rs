//! Nothing: the tests are in the one binary of this crate, `main.rs`.
