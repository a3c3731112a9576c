//! A contract as JSON: the form in which it crosses from the compiling process to the host, and lies in the cache.
//!
//! What is read here was written by a process that looked into a stranger's component. So nothing is taken on trust: depth and size are
//! bounded by the parser and by the size of the text.

use holdfast_call::contract::{Case, Contract, Docs, Field, Function, Interface, Mode, Type};
use serde_json::{Value, json};
use std::sync::Arc;

/// The text of a contract.
#[must_use]
pub fn write(contract: &Contract) -> Vec<u8> {
    let interfaces = |list: &[Interface]| list.iter().map(interface).collect::<Vec<_>>();
    let value = json!({
        "exports": interfaces(&contract.exports),
        "imports": interfaces(&contract.imports),
        "entries": interfaces(&contract.entries),
        "wit": &*contract.wit,
    });
    value.to_string().into_bytes()
}

/// The contract of a text; none if it is none.
#[must_use]
pub fn read(text: &[u8]) -> Option<Contract> {
    let value: Value = serde_json::from_slice(text).ok()?;
    Some(Contract {
        exports: all(value.get("exports")?, read_interface)?,
        imports: all(value.get("imports")?, read_interface)?,
        entries: all(value.get("entries")?, read_interface)?,
        wit: shared(value.get("wit")?)?,
    })
}

fn interface(interface: &Interface) -> Value {
    let functions = interface.functions.iter().map(function);
    json!([
        &*interface.id,
        docs(&interface.docs),
        functions.collect::<Vec<_>>()
    ])
}

fn function(function: &Function) -> Value {
    let params = function.params.iter().map(field);
    let mode = matches!(function.mode, Mode::Async);
    json!([
        &*function.name,
        docs(&function.docs),
        params.collect::<Vec<_>>(),
        function.result.as_ref().map(ty),
        mode
    ])
}

fn field(field: &Field) -> Value {
    json!([&*field.name, docs(&field.docs), ty(&field.ty)])
}

fn docs(docs: &Docs) -> Option<&str> {
    docs.0.as_deref()
}

/// The types that consist of nothing, with their words.
const PLAIN: [(&str, Type); 15] = [
    ("bool", Type::Bool),
    ("u8", Type::U8),
    ("u16", Type::U16),
    ("u32", Type::U32),
    ("u64", Type::U64),
    ("s8", Type::S8),
    ("s16", Type::S16),
    ("s32", Type::S32),
    ("s64", Type::S64),
    ("f32", Type::F32),
    ("f64", Type::F64),
    ("char", Type::Char),
    ("string", Type::Text),
    ("bytes", Type::Bytes),
    ("result", Type::Result(None, None)),
];

fn ty(of: &Type) -> Value {
    if let Some((word, _)) = PLAIN.iter().find(|(_, plain)| plain == of) {
        return json!(word);
    }
    let names = |names: &[Arc<str>]| names.iter().map(|name| json!(&**name)).collect::<Vec<_>>();
    match of {
        Type::List(item) => json!({ "list": ty(item) }),
        Type::Option(some) => json!({ "option": ty(some) }),
        Type::Result(ok, err) => {
            json!({ "result": [ok.as_deref().map(ty), err.as_deref().map(ty)] })
        }
        Type::Tuple(types) => json!({ "tuple": types.iter().map(ty).collect::<Vec<_>>() }),
        Type::Record(fields) => json!({ "record": fields.iter().map(field).collect::<Vec<_>>() }),
        Type::Variant(cases) => {
            let case =
                |case: &Case| json!([&*case.name, docs(&case.docs), case.ty.as_ref().map(ty)]);
            json!({ "variant": cases.iter().map(case).collect::<Vec<_>>() })
        }
        Type::Enum(cases) => json!({ "enum": names(cases) }),
        Type::Flags(flags) => json!({ "flags": names(flags) }),
        // Everything else stands in the list above.
        _ => Value::Null,
    }
}

fn all<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(read).collect()
}

fn shared(value: &Value) -> Option<Arc<str>> {
    value.as_str().map(Into::into)
}

fn read_docs(value: &Value) -> Option<Docs> {
    match value {
        Value::Null => Some(Docs(None)),
        text => shared(text).map(|text| Docs(Some(text))),
    }
}

/// What may be nothing.
fn maybe<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Null => Some(None),
        value => read(value).map(Some),
    }
}

fn read_interface(value: &Value) -> Option<Interface> {
    let [id, docs, functions] = value.as_array()?.as_slice() else {
        return None;
    };
    Some(Interface {
        id: shared(id)?,
        docs: read_docs(docs)?,
        functions: all(functions, read_function)?,
    })
}

fn read_function(value: &Value) -> Option<Function> {
    let [name, docs, params, result, mode] = value.as_array()?.as_slice() else {
        return None;
    };
    Some(Function {
        name: shared(name)?,
        docs: read_docs(docs)?,
        params: all(params, read_field)?,
        result: maybe(result, read_type)?,
        mode: if mode.as_bool()? {
            Mode::Async
        } else {
            Mode::Sync
        },
    })
}

fn read_field(value: &Value) -> Option<Field> {
    let [name, docs, ty] = value.as_array()?.as_slice() else {
        return None;
    };
    Some(Field {
        name: shared(name)?,
        docs: read_docs(docs)?,
        ty: read_type(ty)?,
    })
}

fn read_case(value: &Value) -> Option<Case> {
    let [name, docs, ty] = value.as_array()?.as_slice() else {
        return None;
    };
    Some(Case {
        name: shared(name)?,
        docs: read_docs(docs)?,
        ty: maybe(ty, read_type)?,
    })
}

fn read_type(value: &Value) -> Option<Type> {
    if let Some(word) = value.as_str() {
        let plain = PLAIN.iter().find(|(plain, _)| *plain == word);
        return plain.map(|(_, ty)| ty.clone());
    }
    let map = value.as_object()?;
    let (form, of) = map.iter().next().filter(|_| map.len() == 1)?;
    Some(match form.as_str() {
        "list" => Type::List(read_type(of)?.into()),
        "option" => Type::Option(read_type(of)?.into()),
        "result" => {
            let [ok, err] = of.as_array()?.as_slice() else {
                return None;
            };
            let side = |side| Some(maybe(side, read_type)?.map(Arc::new));
            Type::Result(side(ok)?, side(err)?)
        }
        "tuple" => Type::Tuple(all(of, read_type)?.into()),
        "record" => Type::Record(all(of, read_field)?.into()),
        "variant" => Type::Variant(all(of, read_case)?.into()),
        "enum" => Type::Enum(all(of, shared)?.into()),
        "flags" => Type::Flags(all(of, shared)?.into()),
        _ => return None,
    })
}
