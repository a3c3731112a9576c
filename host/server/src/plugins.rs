//! The plugin directory: what lies in it is served, as soon as it is whole and for as long as it lies there.
//!
//! Two threads, none of which serves: the *watcher* looks at the directory and decides (its decisions are the pure [`service`] machine),
//! the *loader* reads, compiles and swaps, one service after the other. What engine loads a component, and where versions are kept, is
//! behind [`LoadService`] and [`KeepVersions`].

mod canary;
pub mod directory;
pub mod documents;
pub mod load;
mod policy;
pub mod service;
pub mod status;
pub mod typed;
pub mod watch;
mod watcher;
pub mod words;

pub use canary::Candidates;
pub use documents::Documents;
pub use holdfast_rules::trial::canary::Share;
pub use load::{Choice, KeepVersions, LoadError, LoadService, LoadedService, Pair, Promises};
pub use policy::SecretFiles;
pub use status::ServiceStatus;
pub use watch::{Parts, Plugins, Reload, concerns};
pub use words::Say;
