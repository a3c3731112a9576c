//! The program around the host: settings, entries, plugins, logs, the owner's socket and the command line. It is the only crate that
//! knows all the others.
//!
//! Reading order is the way of a call from outside: a connection is taken ([`entry`]), its request finds a service ([`router`]) that was
//! loaded from the plugin directory ([`plugins`]) under the two owners' files ([`settings`]). Beside it stand what only looks ([`admin`]),
//! what changes something ([`control`]), what is written down ([`logs`]), the end ([`drain`]); [`assembly`] puts the parts together and
//! [`serve`] puts them on the air. On the author's side, [`project`] makes and builds what is served.

#![forbid(unsafe_code)]

pub mod admin;
pub mod approvals;
pub mod assembly;
pub mod backup;
pub mod captures;
pub mod cli;
pub mod control;
pub mod drain;
pub mod entry;
mod errand;
pub mod executions;
pub mod file;
pub mod keys;
pub mod ledger;
pub mod locks;
pub mod logs;
pub mod notices;
pub mod plugins;
pub mod project;
pub mod queues;
pub mod router;
pub mod runs;
pub mod schedules;
pub mod serve;
pub mod settings;
pub mod tls;
mod tokens;
