//! `reuse`: how many calls an instance may serve, one after the other. The policy has a ceiling for it, like for any limit; but it is no
//! limit that a service has by itself. It is a wish, which the author writes at the top of his manifest, because he alone knows whether
//! what his code keeps between two calls may be seen by the second caller.

use crate::settings::limits::{Limit, SetLimits};
use crate::settings::reader::Reader;
use crate::settings::units::Raw;

/// Calls of an instance where the manifest asks for none: each has an instance of its own.
pub(crate) const UNASKED: u64 = 1;

/// The key of the manifest for a limit: `limits.NAME`, but for this one.
pub(crate) fn manifest_key(limit: Limit) -> String {
    match limit {
        Limit::Reuse => "reuse".to_owned(),
        _ => format!("limits.{limit}"),
    }
}

/// Takes the wish of a manifest into its limits.
pub(crate) fn ask(written: Option<&Raw>, limits: &mut SetLimits, reader: &mut Reader<'_>) {
    if let Some(raw) = written {
        limits.set(Limit::Reuse, raw, "reuse", reader);
    }
}
