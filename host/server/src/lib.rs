//! The program around the host: settings, logs and the command line. It is the only crate that knows all the others.

#![forbid(unsafe_code)]

pub mod assembly;
pub mod cli;
pub mod logs;
pub mod settings;
