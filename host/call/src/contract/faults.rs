//! A fault as a function's own error: `result<_, E>` whose `E` is the record `fault` (`wit/faults.wit`), or a variant with a case `fault` that
//! carries it, or nothing.

use super::{Field, Type};
use crate::fault::Fault;
use crate::value::Value;

/// The case of a variant that has a place for a fault.
const CASE: &str = "fault";

/// The fault as what a function with this result gives; none if its contract has no place for one.
#[must_use]
pub fn error_of(fault: &Fault, result: &Type) -> Option<Value> {
    let Type::Result(_, Some(err)) = result else {
        return None;
    };
    let error = match &**err {
        Type::Record(fields) if is_fault(fields) => record(fault),
        Type::Variant(cases) => {
            let place = cases.iter().position(|case| &*case.name == CASE)?;
            let carried = match &cases.get(place)?.ty {
                None => None,
                Some(Type::Record(fields)) if is_fault(fields) => Some(record(fault).into()),
                Some(_) => return None,
            };
            Value::Case(u32::try_from(place).ok()?, carried)
        }
        _ => return None,
    };
    Some(Value::Result(Err(Some(error.into()))))
}

/// The record of `wit/faults.wit`.
fn is_fault(fields: &[Field]) -> bool {
    let is = |field: &Field, name: &str, ty: &Type| &*field.name == name && field.ty == *ty;
    match fields {
        [code, detail, after] => {
            is(code, "code", &Type::Text)
                && is(detail, "detail", &Type::Text)
                && is(after, "retry-after-ms", &Type::Option(Type::U64.into()))
        }
        _ => false,
    }
}

/// What a stranger may read of it.
fn record(fault: &Fault) -> Value {
    let wait = fault
        .wait()
        .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    Value::Many(vec![
        Value::Text(fault.code().to_string()),
        Value::Text(fault.detail().to_owned()),
        Value::Option(wait.map(|wait| Value::U64(wait).into())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{Boundary, HostCode};
    use crate::contract::{Case, Docs};
    use crate::fault::Verdict;
    use std::sync::Arc;
    use std::time::Duration;

    fn field(name: &str, ty: Type) -> Field {
        Field {
            name: name.into(),
            ty,
            docs: Docs::default(),
        }
    }

    fn the_record() -> Type {
        let after = Type::Option(Type::U64.into());
        Type::Record(
            [
                field("code", Type::Text),
                field("detail", Type::Text),
                field("retry-after-ms", after),
            ]
            .into(),
        )
    }

    fn case(name: &str, ty: Option<Type>) -> Case {
        Case {
            name: name.into(),
            ty,
            docs: Docs::default(),
        }
    }

    fn result(err: Type) -> Type {
        Type::Result(None, Some(Arc::new(err)))
    }

    #[test]
    fn a_fault_goes_where_the_contract_has_a_place_for_it_and_nowhere_else() {
        let verdict = Verdict {
            boundary: Boundary::Platform,
            stage: "test",
            cause: "CANARY".to_owned(),
            evidence: Vec::new(),
            next: String::new(),
        };
        let fault = Fault::host(HostCode::Overloaded, "Busy.", verdict);
        let fault = fault.retry_after(Duration::from_millis(1_500));
        let said = Value::Many(vec![
            Value::Text("overloaded".into()),
            Value::Text("Busy.".into()),
            Value::Option(Some(Value::U64(1_500).into())),
        ]);
        let error = |value: Value| Some(Value::Result(Err(Some(value.into()))));
        let of = |err: Type| error_of(&fault, &result(err));
        assert_eq!(of(the_record()), error(said.clone()));
        let carries = [case("no", None), case("fault", Some(the_record()))];
        assert_eq!(
            of(Type::Variant(carries.into())),
            error(Value::Case(1, Some(said.into())))
        );
        let alone = [case("fault", None)];
        assert_eq!(of(Type::Variant(alone.into())), error(Value::Case(0, None)));
        for nowhere in [
            Type::Text,
            Type::Record([field("code", Type::Text)].into()),
            Type::Variant([case("fault", Some(Type::Text))].into()),
            Type::Variant([case("faults", None)].into()),
            Type::Enum(["fault".into()].into()),
        ] {
            assert_eq!(of(nowhere.clone()), None, "{nowhere}");
        }
        assert_eq!(error_of(&fault, &Type::U8), None);
    }
}
