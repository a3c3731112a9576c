//! The contract of a typed component: what its own WIT says of the functions it exports and of those it asks of other services.
//!
//! It is read out of the component in the compiling process, which may die of it, and crosses to the host in a form of its own ([`wire`]).
//! What authors say of it stands in sections of their own ([`said`]).
//! Only values cross between services: resources, streams and futures belong to one instance, and are refused by name.

mod entry;
pub mod said;
pub(crate) mod sections;
pub(crate) mod values;
pub mod wire;

pub use entry::is_entry;

use crate::load_error::LoadError;
use crate::offers::is_own;
use holdfast_call::contract::{Case, Contract, Docs, Field, Function, Interface, Mode, Type};
use std::collections::HashMap;
use std::sync::Arc;
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{
    FunctionKind, PackageId, Resolve, Type as WitType, TypeDefKind, TypeId, WorldId, WorldItem,
};

/// How deep types may stand in each other.
pub const DEPTH_MAX: u32 = 32;
/// What one type may be made of, written out. Types of people have some hundred parts.
pub const PARTS_MAX: u32 = 10_000;
/// What all functions of a contract may be made of together.
pub const ALL_PARTS_MAX: u32 = 100_000;
/// What may be said of all types of a contract, in bytes, each time that one stands in it; what would be more is not said of types at all.
pub const SAID_OF_TYPES_BYTES_MAX: usize = 1 << 20;
/// The longest WIT text, in bytes.
pub const WIT_BYTES_MAX: usize = 1 << 20;

/// Reads the contract of a component.
///
/// # Errors
/// It says something that does not go between services.
pub fn read(component: &[u8]) -> Result<Contract, LoadError> {
    let decoded = wit_component::decode(component);
    let decoded = decoded.map_err(|error| LoadError::Contract(format!("{error:#}")))?;
    let DecodedWasm::Component(mut resolve, world) = decoded else {
        return Err(LoadError::Contract(
            "it is WIT, and no component".to_owned(),
        ));
    };
    said::add(component, &mut resolve, world);
    let contract = whole(&resolve, world, Talk::OfTypes)?;
    match contract {
        Some(contract) => Ok(contract),
        None => whole(&resolve, world, Talk::OfFunctions)?
            .ok_or_else(|| LoadError::Contract("too much is said of it".to_owned())),
    }
}

/// What is told of what authors say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    /// All of it.
    OfTypes,
    /// Nothing of what stands in a type.
    OfFunctions,
}

/// The whole contract; none if too much would be said in it.
fn whole(resolve: &Resolve, world: WorldId, talk: Talk) -> Result<Option<Contract>, LoadError> {
    let mut reader = Reader {
        resolve,
        types: HashMap::new(),
        parts: 0,
        said: 0,
        talk,
    };
    let Some(root) = resolve.worlds.get(world) else {
        return Err(LoadError::Contract("it has no world".to_owned()));
    };
    let exports = reader.interfaces(
        root.exports
            .iter()
            .map(|(key, item)| (resolve.name_world_key(key), item)),
    )?;
    let imports = reader.interfaces(
        root.imports
            .iter()
            .map(|(key, item)| (resolve.name_world_key(key), item)),
    )?;
    let entries = reader.entries(
        root.exports
            .iter()
            .map(|(key, item)| (resolve.name_world_key(key), item)),
    )?;
    if reader.said > SAID_OF_TYPES_BYTES_MAX {
        return Ok(None);
    }
    Ok(Some(Contract {
        exports,
        imports,
        entries,
        wit: wit(resolve, world)?.into(),
    }))
}

struct Reader<'a> {
    resolve: &'a Resolve,
    /// What was read already, with how deep and how large it is.
    types: HashMap<TypeId, Sized>,
    parts: u32,
    /// The bytes of what is said of all types together.
    said: usize,
    talk: Talk,
}

/// A type, how deep it is, of how many parts, and how much is said of them.
#[derive(Clone)]
struct Sized {
    ty: Type,
    depth: u32,
    parts: u32,
    said: usize,
}

impl Sized {
    fn plain(ty: Type) -> Self {
        Self {
            ty,
            depth: 1,
            parts: 1,
            said: 0,
        }
    }
}

impl Reader<'_> {
    fn interfaces<'i>(
        &mut self,
        items: impl Iterator<Item = (String, &'i WorldItem)>,
    ) -> Result<Vec<Interface>, LoadError> {
        let mut interfaces: Vec<Interface> = Vec::new();
        let mut alone = Vec::new();
        for (name, item) in items {
            match item {
                WorldItem::Interface { id, .. } if !is_own(&name) => {
                    let Some(interface) = self.resolve.interfaces.get(*id) else {
                        continue;
                    };
                    let read = self.interface(name, interface)?;
                    if !read.functions.is_empty() {
                        interfaces.push(read);
                    }
                }
                WorldItem::Function(function) => alone.push(self.function("", function)?),
                WorldItem::Interface { .. } | WorldItem::Type { .. } => {}
            }
        }
        if !alone.is_empty() {
            interfaces.push(Interface {
                id: "".into(),
                docs: Docs::default(),
                functions: alone,
            });
        }
        Ok(interfaces)
    }

    /// The interfaces that the host alone calls.
    fn entries<'i>(
        &mut self,
        items: impl Iterator<Item = (String, &'i WorldItem)>,
    ) -> Result<Vec<Interface>, LoadError> {
        let mut entries = Vec::new();
        for (name, item) in items.filter(|(name, _)| is_entry(name)) {
            if let WorldItem::Interface { id, .. } = item
                && let Some(interface) = self.resolve.interfaces.get(*id)
            {
                let read = self.interface(name, interface)?;
                entry::check(&read)?;
                entries.push(read);
            }
        }
        Ok(entries)
    }

    fn interface(
        &mut self,
        name: String,
        interface: &wit_parser::Interface,
    ) -> Result<Interface, LoadError> {
        let mut functions = Vec::new();
        for function in interface.functions.values() {
            functions.push(self.function(&name, function)?);
        }
        Ok(Interface {
            id: name.into(),
            docs: docs(&interface.docs),
            functions,
        })
    }

    fn function(
        &mut self,
        interface: &str,
        function: &wit_parser::Function,
    ) -> Result<Function, LoadError> {
        let at = format!("`{}` of `{interface}`", function.name);
        let mode = match function.kind {
            FunctionKind::Freestanding => Mode::Sync,
            FunctionKind::AsyncFreestanding => Mode::Async,
            _ => {
                return Err(LoadError::Contract(format!(
                    "{at} belongs to a resource, and only values go between services: give the function what it needs as a record"
                )));
            }
        };
        let mut params = Vec::new();
        for param in &function.params {
            params.push(Field {
                name: param.name.as_str().into(),
                ty: self.whole(&param.ty, &at)?,
                docs: Docs::default(),
            });
        }
        let result = function
            .result
            .as_ref()
            .map(|ty| self.whole(ty, &at))
            .transpose()?;
        Ok(Function {
            name: function.name.as_str().into(),
            docs: docs(&function.docs),
            params,
            result,
            mode,
        })
    }

    /// A type that stands for itself.
    fn whole(&mut self, ty: &WitType, at: &str) -> Result<Type, LoadError> {
        let sized = self.ty(ty, at)?;
        self.parts = self.parts.saturating_add(sized.parts);
        self.said = self.said.saturating_add(sized.said);
        if self.parts > ALL_PARTS_MAX {
            return Err(LoadError::Contract(format!(
                "its types have more than {ALL_PARTS_MAX} parts"
            )));
        }
        Ok(sized.ty)
    }

    fn ty(&mut self, ty: &WitType, at: &str) -> Result<Sized, LoadError> {
        Ok(Sized::plain(match ty {
            WitType::Bool => Type::Bool,
            WitType::U8 => Type::U8,
            WitType::U16 => Type::U16,
            WitType::U32 => Type::U32,
            WitType::U64 => Type::U64,
            WitType::S8 => Type::S8,
            WitType::S16 => Type::S16,
            WitType::S32 => Type::S32,
            WitType::S64 => Type::S64,
            WitType::F32 => Type::F32,
            WitType::F64 => Type::F64,
            WitType::Char => Type::Char,
            WitType::String => Type::Text,
            WitType::ErrorContext => return Err(no_value("an error context", at)),
            WitType::Id(id) => return self.named(*id, at),
        }))
    }

    fn named(&mut self, id: TypeId, at: &str) -> Result<Sized, LoadError> {
        if let Some(known) = self.types.get(&id) {
            return Ok(known.clone());
        }
        let Some(def) = self.resolve.types.get(id) else {
            return Err(LoadError::Contract(format!(
                "{at} has a type that is not there"
            )));
        };
        if let TypeDefKind::Type(ty) = &def.kind {
            return self.ty(ty, at);
        }
        let mut made = Made::default();
        let ty = self.compound(&def.kind, at, &mut made)?;
        let sized = Sized {
            ty,
            depth: made.depth + 1,
            parts: made.parts.saturating_add(1),
            said: made.said,
        };
        if sized.depth > DEPTH_MAX {
            return Err(LoadError::Contract(format!(
                "the types of {at} stand more than {DEPTH_MAX} deep in each other"
            )));
        }
        if sized.parts > PARTS_MAX {
            return Err(LoadError::Contract(format!(
                "a type of {at} has more than {PARTS_MAX} parts"
            )));
        }
        self.types.insert(id, sized.clone());
        Ok(sized)
    }

    /// A type that is made of others.
    fn compound(
        &mut self,
        kind: &TypeDefKind,
        at: &str,
        made: &mut Made,
    ) -> Result<Type, LoadError> {
        Ok(match kind {
            TypeDefKind::Record(record) => {
                let mut fields = Vec::new();
                for field in &record.fields {
                    fields.push(Field {
                        name: field.name.as_str().into(),
                        ty: made.of(self.ty(&field.ty, at)?),
                        docs: self.inside(&field.docs, made),
                    });
                }
                Type::Record(fields.into())
            }
            TypeDefKind::Variant(variant) => {
                let mut cases = Vec::new();
                for case in &variant.cases {
                    cases.push(Case {
                        name: case.name.as_str().into(),
                        ty: self.maybe(case.ty.as_ref(), at, made)?,
                        docs: self.inside(&case.docs, made),
                    });
                }
                Type::Variant(cases.into())
            }
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter().map(|case| case.name.as_str());
                Type::Enum(names(made, cases))
            }
            TypeDefKind::Flags(flags) => {
                let flags = flags.flags.iter().map(|flag| flag.name.as_str());
                Type::Flags(names(made, flags))
            }
            TypeDefKind::Tuple(tuple) => {
                let mut types = Vec::new();
                for ty in &tuple.types {
                    types.push(made.of(self.ty(ty, at)?));
                }
                Type::Tuple(types.into())
            }
            TypeDefKind::Option(some) => Type::Option(made.of(self.ty(some, at)?).into()),
            TypeDefKind::Result(result) => Type::Result(
                self.maybe(result.ok.as_ref(), at, made)?.map(Arc::new),
                self.maybe(result.err.as_ref(), at, made)?.map(Arc::new),
            ),
            TypeDefKind::List(item) => match made.of(self.ty(item, at)?) {
                Type::U8 => Type::Bytes,
                item => Type::List(item.into()),
            },
            TypeDefKind::Resource | TypeDefKind::Handle(_) => {
                return Err(no_value("a resource", at));
            }
            kind => return Err(no_value(&format!("a {}", kind.as_str()), at)),
        })
    }

    /// What is said of a part of a type.
    fn inside(&self, said: &wit_parser::Docs, made: &mut Made) -> Docs {
        match self.talk {
            Talk::OfTypes => {
                let docs = docs(said);
                let bytes = docs.0.as_deref().map_or(0, str::len);
                made.said = made.said.saturating_add(bytes);
                docs
            }
            Talk::OfFunctions => Docs::default(),
        }
    }

    fn maybe(
        &mut self,
        ty: Option<&WitType>,
        at: &str,
        made: &mut Made,
    ) -> Result<Option<Type>, LoadError> {
        let ty = ty.map(|ty| self.ty(ty, at)).transpose()?;
        Ok(ty.map(|ty| made.of(ty)))
    }
}

/// What a type is made of so far.
#[derive(Default)]
struct Made {
    depth: u32,
    parts: u32,
    said: usize,
}

impl Made {
    fn of(&mut self, part: Sized) -> Type {
        self.depth = self.depth.max(part.depth);
        self.parts = self.parts.saturating_add(part.parts);
        self.said = self.said.saturating_add(part.said);
        part.ty
    }
}

fn names<'a>(made: &mut Made, names: impl Iterator<Item = &'a str>) -> Arc<[Arc<str>]> {
    let names: Arc<[Arc<str>]> = names.map(Into::into).collect();
    made.parts = made
        .parts
        .saturating_add(u32::try_from(names.len()).unwrap_or(u32::MAX));
    names
}

fn docs(docs: &wit_parser::Docs) -> Docs {
    Docs(docs.contents.as_deref().map(|text| text.trim().into()))
}

fn no_value(what: &str, at: &str) -> LoadError {
    LoadError::Contract(format!(
        "{at} takes or gives {what}, and only values go between services: a record, a list, or an identifier that stands for it"
    ))
}

/// What the component says as WIT, without what is the host's.
fn wit(resolve: &Resolve, world: WorldId) -> Result<String, LoadError> {
    let failed = |error: String| LoadError::Contract(format!("its WIT cannot be written: {error}"));
    let root = resolve.worlds.get(world).and_then(|world| world.package);
    let root = root.ok_or_else(|| failed("it is in no package".to_owned()))?;
    let packages = resolve
        .packages
        .iter()
        .filter(|(id, package)| *id != root && !is_own(&format!("{}:", package.name.namespace)));
    let packages: Vec<PackageId> = packages.map(|(id, _)| id).collect();
    // What is said of it must not make it too long.
    for with_docs in [true, false] {
        let mut printer = WitPrinter::default();
        printer.emit_docs(with_docs);
        let printed = printer.print(resolve, root, &packages);
        printed.map_err(|error| failed(format!("{error:#}")))?;
        let text = printer.output.to_string();
        if text.len() <= WIT_BYTES_MAX {
            return Ok(text);
        }
    }
    Err(failed(format!("it has more than {WIT_BYTES_MAX} bytes")))
}
