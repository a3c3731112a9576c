//! What a function is given in the query of a request: `?n=3&tags=["a"]&text=as it is`, a pair for each parameter, in any order.
//!
//! What JSON writes as a string whatever the value (`string`, `char`, an enum, `list<u8>`, the integers of 64 bits, an `option` of one of
//! these) is taken as it stands; everything else is JSON. A parameter left out is one left out in JSON. A pair is percent-encoded UTF-8, with
//! `+` for a space as forms have it.

use super::json::Json;
use super::read;
use crate::percent::form_decoded;
use holdfast_call::contract::{Function, Type};
use holdfast_call::{Value, Violation};

/// The longest query that is taken, in bytes: what is larger is asked with POST.
pub const QUERY_BYTES_MAX: usize = 16 << 10;

/// Reads what a function takes. A query longer than [`QUERY_BYTES_MAX`] is for the one who asks to refuse.
///
/// # Errors
/// All that is wrong with it, up to [`read::VIOLATIONS_MAX`].
pub fn arguments(query: &str, function: &Function) -> Result<Vec<Value>, Vec<Violation>> {
    let mut given = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = form_decoded(name) else {
            return Err(vec![Violation {
                pointer: String::new(),
                reason: format!("has a parameter whose name {NO_TEXT}"),
            }]);
        };
        let param = function.params.iter().find(|param| *param.name == *name);
        let json = match form_decoded(value) {
            None => Json::Broken(NO_TEXT.to_owned()),
            Some(value) if param.is_none_or(|param| is_text(&param.ty)) => Json::Text(value),
            Some(value) => Json::parse(value.as_bytes()).unwrap_or_else(|error| {
                Json::Broken(format!("is not JSON that is taken here: {error}"))
            }),
        };
        given.push((name, json));
    }
    read::given(given, function)
}

const NO_TEXT: &str = "is not percent-encoded UTF-8";

/// Whether what is given to such a parameter stands in a query as it is.
pub(super) fn is_text(ty: &Type) -> bool {
    match ty {
        Type::Option(some) => is_string(some),
        ty => is_string(ty),
    }
}

/// Whether every value of this type is a string in JSON.
fn is_string(ty: &Type) -> bool {
    match ty {
        Type::Text | Type::Char | Type::Enum(_) | Type::Bytes | Type::U64 | Type::S64 => true,
        Type::Bool
        | Type::U8
        | Type::U16
        | Type::U32
        | Type::S8
        | Type::S16
        | Type::S32
        | Type::F32
        | Type::F64
        | Type::List(_)
        | Type::Option(_)
        | Type::Result(..)
        | Type::Tuple(_)
        | Type::Record(_)
        | Type::Variant(_)
        | Type::Flags(_) => false,
    }
}
