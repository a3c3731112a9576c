//! The interfaces that a component exports for the host alone, and what they must be.

use crate::load_error::LoadError;
use holdfast_call::contract::{CONSUMER, Case, Docs, Field, Function, Interface, Type};
use holdfast_call::version::compatible;
use std::sync::Arc;

/// Whether an export is one of them.
#[must_use]
pub fn is_entry(name: &str) -> bool {
    compatible(name, CONSUMER)
}

/// Checks that such an interface is what the host calls.
///
/// # Errors
/// It is not.
pub(super) fn check(interface: &Interface) -> Result<(), LoadError> {
    let fits = interface.function("handle").is_some_and(is_consumer);
    match fits {
        true => Ok(()),
        false => Err(LoadError::Contract(format!(
            "its `{}` is not the one of this host: build it with wit/service/consumer.wit",
            interface.id
        ))),
    }
}

fn is_consumer(function: &Function) -> bool {
    let case = |(name, ty): (&str, Type)| Case {
        name: name.into(),
        ty: Some(ty),
        docs: Docs::default(),
    };
    let cases = [
        ("again", Type::Text),
        ("later", Type::U64),
        ("permanent", Type::Text),
    ];
    let failure = Type::Variant(cases.into_iter().map(case).collect());
    let result = Type::Result(None, Some(Arc::new(failure)));
    let params = function.params.iter().map(|param| &param.ty);
    params.eq([&message()]) && function.result.as_ref() == Some(&result)
}

/// The record of a message.
fn message() -> Type {
    let optional = || Type::Option(Arc::new(Type::Text));
    let pair = Type::Tuple([Type::Text, Type::Text].into());
    let fields = [
        ("id", Type::Text),
        ("body", Type::Bytes),
        ("content-type", optional()),
        ("attributes", Type::List(Arc::new(pair))),
        ("key", optional()),
        ("sent-ms", Type::U64),
        ("delivery", Type::U32),
    ];
    let field = |(name, ty): (&str, Type)| Field {
        name: name.into(),
        ty,
        docs: Docs::default(),
    };
    Type::Record(fields.into_iter().map(field).collect())
}
