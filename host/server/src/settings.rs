//! What author and operator wrote, and what follows from it.
//!
//! Two steps everywhere: *as written* (private structs that serde fills, unknown keys refused) → *as used* (plain, complete, checked).
//! Nothing here opens a socket or knows the engine; the only files read are the settings themselves and the secrets they name.

pub mod again;
pub mod allow;
pub mod audit;
pub mod budget;
pub mod callers;
mod compile;
pub mod credential;
mod degrade;
pub mod described;
pub mod effective;
mod effects;
pub mod environment;
pub mod error;
pub mod excess;
pub mod folder;
pub mod host;
pub mod jwt;
pub mod lent;
pub mod limits;
pub mod listen;
pub mod manifest;
pub mod name;
pub mod policy;
pub mod price;
pub mod rate;
mod reuse;
pub mod routes;
pub mod schema;
pub mod secret;
pub mod service;
pub mod show;
pub mod source;
pub mod store;
pub mod units;
pub mod unknown;
pub mod upstream;
pub mod webhooks;

mod merge;
mod public;
mod reader;
mod written;

pub use again::{Again, Breaker, Repeat};
pub use audit::AuditLog;
pub use callers::{CallerName, Callers};
pub use credential::Credential;
pub use described::{Bodies, Checks, DescribedBy, Description, documents_of};
pub use effective::{Effective, Fuel, Grants, Mount, Row};
pub use error::{Problem, SettingsError};
pub use excess::{Change, Excess, Refused};
pub use folder::Folder;
pub use holdfast_call::Secret;
pub use host::{Anonymous, HostMemory, Idempotency, LogForm, Pool};
pub use jwt::{Jwt, JwtKeys};
pub use lent::LentSecret;
pub use limits::{Limit, Limits};
pub use listen::{ListenLimits, Tls};
pub use manifest::Manifest;
pub use merge::{Merged, merge};
pub use name::Name;
pub use policy::{Flags, Policy};
pub use price::HostPrices;
pub use rate::ServiceRate;
pub use routes::{Route, RoutePath};
pub use secret::SecretSource;
pub use service::ServicePolicy;
pub use source::{Origin, Source};
pub use store::Store;
pub use unknown::known_keys;
pub use upstream::{Class, Upstream};
pub use webhooks::{SignedPath, Webhook};
