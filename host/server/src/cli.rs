//! The command line: one file per command.

pub mod allow;
pub mod check;
pub mod policy;
