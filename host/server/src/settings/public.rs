//! `public_routes`: routes of a service that are open to everybody where both files name them.

use crate::settings::reader::Reader;
use holdfast_rules::method_path::MethodPath;

/// Each call of a stranger is compared with each of them.
const ROUTES_MAX: usize = 64;

/// Reads the list of either file.
pub(crate) fn check(written: &[String], key: &str, reader: &mut Reader<'_>) -> Vec<MethodPath> {
    if written.len() > ROUTES_MAX {
        let message = format!("names {} routes; at most {ROUTES_MAX}", written.len());
        reader.wrong(key, message);
    }
    reader.list(key, written, MethodPath::parse)
}
