//! What a typed service promises: its interfaces, their functions, the types of what these take and give. The contract's source is the
//! component's own WIT; here it is a plain structure that every part of the host can read.
//!
//! Types are whole: each stands with all it is made of, and nothing refers to anything by name. Two are the same if they are made the same
//! way with the same names of fields and cases; what is written about them for people does not count.

mod changes;
pub mod faults;

pub use changes::{Change, changes};

use crate::version::compatible;
use std::fmt;
use std::sync::Arc;

/// Everything that one component exports and imports of other services.
#[derive(Clone, Debug, Default)]
pub struct Contract {
    /// What can be asked of it.
    pub exports: Vec<Interface>,
    /// What it asks of others.
    pub imports: Vec<Interface>,
    /// What the host alone asks of it: to take messages from its queue.
    pub entries: Vec<Interface>,
    /// Both as WIT, for people.
    pub wit: Arc<str>,
}

/// One interface: `namespace:package/name@version` and its functions. The functions that a component exports by themselves are those of an
/// interface without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its full name, version included.
    pub id: Arc<str>,
    /// What its author says of it.
    pub docs: Docs,
    /// Its functions, in the order of the WIT.
    pub functions: Vec<Function>,
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// What its author says of it.
    pub docs: Docs,
    /// What it takes.
    pub params: Vec<Field>,
    /// What it gives, if anything.
    pub result: Option<Type>,
    /// How it is called.
    pub mode: Mode,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The caller waits, and does nothing else.
    Sync,
    /// `async`: the caller may go on meanwhile.
    Async,
}

/// What an author says, for people; all of it is equal.
#[derive(Clone, Debug, Default)]
pub struct Docs(pub Option<Arc<str>>);

impl PartialEq for Docs {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Docs {}

/// A named part of a record, or of what a function takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// What its author says of it.
    pub docs: Docs,
}

/// A case of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: Arc<str>,
    /// The type of what it carries, if anything.
    pub ty: Option<Type>,
    /// What its author says of it.
    pub docs: Docs,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bool`.
    Bool,
    /// `u8`.
    U8,
    /// `u16`.
    U16,
    /// `u32`.
    U32,
    /// `u64`.
    U64,
    /// `s8`.
    S8,
    /// `s16`.
    S16,
    /// `s32`.
    S32,
    /// `s64`.
    S64,
    /// `f32`.
    F32,
    /// `f64`.
    F64,
    /// `char`.
    Char,
    /// `string`.
    Text,
    /// `list<u8>`, which is never a [`Self::List`].
    Bytes,
    /// `list<T>` of any other `T`.
    List(Arc<Self>),
    /// `option<T>`.
    Option(Arc<Self>),
    /// `result<T, E>`.
    Result(Option<Arc<Self>>, Option<Arc<Self>>),
    /// `tuple<…>`.
    Tuple(Arc<[Self]>),
    /// A record: at least one field.
    Record(Arc<[Field]>),
    /// A variant: at least one case.
    Variant(Arc<[Case]>),
    /// An enum: at least one case, none of which carries anything.
    Enum(Arc<[Arc<str>]>),
    /// Flags: at least one.
    Flags(Arc<[Arc<str>]>),
}

/// The interface by which a service takes messages from its queue (`wit/service/consumer.wit`).
pub const CONSUMER: &str = "holdfast:service/consumer@0.1.0";

/// What stands between the name of an interface and that of its function.
const BETWEEN: char = '#';

impl Contract {
    /// The exported function of this operation, `INTERFACE#FUNCTION`, and its interface. Where that very version is not exported, another
    /// one of its line is: whoever was linked to it finds what took its place.
    #[must_use]
    pub fn operation(&self, operation: &str) -> Option<(&Interface, &Function)> {
        let (id, name) = operation.split_once(BETWEEN)?;
        let exact = self.exports.iter().find(|interface| &*interface.id == id);
        let interface = exact.or_else(|| self.meeting(id).next())?;
        Some((interface, interface.function(name)?))
    }

    /// The function by which it takes messages from its queue, if it has one, and the operation that it is.
    #[must_use]
    pub fn consumer(&self) -> Option<(Arc<str>, &Function)> {
        let entry = self
            .entries
            .iter()
            .find(|entry| compatible(&entry.id, CONSUMER))?;
        let function = entry.function("handle")?;
        Some((entry.operation(function), function))
    }

    /// The exported interfaces that can stand for the one called `id`.
    pub fn meeting(&self, id: &str) -> impl Iterator<Item = &Interface> {
        let exports = self.exports.iter();
        exports.filter(move |interface| compatible(&interface.id, id))
    }
}

impl Interface {
    /// The function called `name`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions
            .iter()
            .find(|function| &*function.name == name)
    }

    /// The operation that a function of this interface is: `acme:billing/invoices@1.2.0#create`, as WebAssembly itself writes it.
    #[must_use]
    pub fn operation(&self, function: &Function) -> Arc<str> {
        format!("{}{BETWEEN}{}", self.id, function.name).into()
    }

    /// The name without namespace, package and version: `invoices`.
    #[must_use]
    pub fn short(&self) -> &str {
        let (name, _) = self.id.split_once('@').unwrap_or((&self.id, ""));
        name.rsplit_once('/').map_or(name, |(_, name)| name)
    }

    /// The version behind the `@`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.id.split_once('@').map(|(_, version)| version)
    }
}

impl fmt::Display for Type {
    /// As in WIT, with records and the like written out in their place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side =
            |side: &Option<Arc<Self>>| side.as_ref().map_or("_".to_owned(), |ty| ty.to_string());
        match self {
            Self::Bool => f.write_str("bool"),
            Self::U8 => f.write_str("u8"),
            Self::U16 => f.write_str("u16"),
            Self::U32 => f.write_str("u32"),
            Self::U64 => f.write_str("u64"),
            Self::S8 => f.write_str("s8"),
            Self::S16 => f.write_str("s16"),
            Self::S32 => f.write_str("s32"),
            Self::S64 => f.write_str("s64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("list<u8>"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Option(some) => write!(f, "option<{some}>"),
            Self::Result(None, None) => f.write_str("result"),
            Self::Result(ok, None) => write!(f, "result<{}>", side(ok)),
            Self::Result(ok, err) => write!(f, "result<{}, {}>", side(ok), side(err)),
            Self::Tuple(items) => write!(f, "tuple<{}>", listed(items.iter())),
            Self::Record(fields) => write!(f, "record {{ {} }}", listed(fields.iter())),
            Self::Variant(cases) => write!(f, "variant {{ {} }}", listed(cases.iter())),
            Self::Enum(names) => write!(f, "enum {{ {} }}", listed(names.iter())),
            Self::Flags(names) => write!(f, "flags {{ {} }}", listed(names.iter())),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.ty)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ty {
            Some(ty) => write!(f, "{}({ty})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Function {
    /// `create: func(title: string) -> u64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.mode {
            Mode::Sync => "func",
            Mode::Async => "async func",
        };
        write!(f, "{}: {word}({})", self.name, listed(self.params.iter()))?;
        match &self.result {
            Some(result) => write!(f, " -> {result}"),
            None => Ok(()),
        }
    }
}

fn listed(items: impl Iterator<Item = impl fmt::Display>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, ty: Type, docs: &str) -> Field {
        Field {
            name: name.into(),
            ty,
            docs: Docs(Some(docs.into())),
        }
    }

    fn interface(docs: &str) -> Interface {
        let user = Type::Record(
            [
                field("id", Type::U64, docs),
                field("name", Type::Text, docs),
            ]
            .into(),
        );
        Interface {
            id: "acme:people/users@1.2.0".into(),
            docs: Docs::default(),
            functions: vec![Function {
                name: "find".into(),
                docs: Docs::default(),
                params: vec![field("name", Type::Option(Type::Text.into()), docs)],
                result: Some(Type::Result(
                    Some(Type::List(user.into()).into()),
                    Some(Type::Enum(["none".into(), "busy".into()].into()).into()),
                )),
                mode: Mode::Sync,
            }],
        }
    }

    #[test]
    fn a_function_is_found_by_its_operation_and_shown_as_wit() {
        let users = interface("");
        let find = users.function("find").unwrap();
        assert_eq!(
            find.to_string(),
            "find: func(name: option<string>) -> result<list<record { id: u64, name: string }>, enum { none, busy }>"
        );
        let operation = users.operation(find);
        assert_eq!(&*operation, "acme:people/users@1.2.0#find");
        assert_eq!((users.short(), users.version()), ("users", Some("1.2.0")));
        let contract = Contract {
            exports: vec![users],
            ..Contract::default()
        };
        assert!(contract.operation(&operation).is_some());
        assert!(contract.operation("acme:people/users@1.9.0#find").is_some());
        for wrong in [
            "find",
            "acme:people/users@1.2.0#lose",
            "acme:people/users@2.0.0#find",
            "#find",
        ] {
            assert!(contract.operation(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_is_said_about_a_type_does_not_make_it_another_one() {
        assert_eq!(interface("a user"), interface("somebody"));
        let mut other = interface("");
        other.functions[0].params[0].name = "called".into();
        assert_ne!(interface(""), other);
    }
}
