//! What authors say, from the sections of a component into what was read of its WIT, so that it is shown wherever that is.
//!
//! It is for people, and nothing depends on it: what is broken, too long, or said of what is not there is left out, and never stops a load.

use super::sections::sections;
use serde_json::{Map, Value};
use wit_parser::{
    Docs, InterfaceId, PackageId, Resolve, TypeDefKind, TypeId, WorldId, WorldItem, WorldKey,
};

/// The most bytes of all these sections together; the rest is not read.
pub const SAID_BYTES_MAX: usize = 256 << 10;

/// The forms that are read: both have what is read here at the same places.
const FORMS: [u8; 2] = [0, 1];

/// Adds what the sections of `component` say to `resolve`, in which `world` is the component's own.
pub(super) fn add(component: &[u8], resolve: &mut Resolve, world: WorldId) {
    let mut left = SAID_BYTES_MAX;
    for (package, content) in sections(component).filter_map(|section| section.said) {
        let Some(after) = left.checked_sub(content.len()) else {
            return;
        };
        left = after;
        let known = resolve.packages.iter();
        let mut known = known.filter(|(_, known)| known.name.to_string() == package);
        if let (Some((id, _)), Some(said)) = (known.next(), parsed(content)) {
            of_package(resolve, id, world, &said);
        }
    }
}

fn parsed(content: &[u8]) -> Option<Value> {
    let (form, text) = content.split_first()?;
    FORMS.contains(form).then_some(())?;
    serde_json::from_slice(text).ok()
}

fn of_package(resolve: &mut Resolve, package: PackageId, world: WorldId, said: &Value) {
    for (name, said) in members(said, "interfaces") {
        let package = resolve.packages.get(package);
        if let Some(id) = package.and_then(|package| package.interfaces.get(name).copied()) {
            of_interface(resolve, id, said);
        }
    }
    // A component has one world, and not its name: what it exports by itself is told by any.
    for (_, said) in members(said, "worlds") {
        for exports in ["interface_exports", "interfaces"] {
            for (name, said) in members(said, exports) {
                if let Some(id) = inline(resolve, world, name) {
                    of_interface(resolve, id, said);
                }
            }
        }
        for exports in ["func_exports", "funcs"] {
            for (name, said) in members(said, exports) {
                of_function(resolve, world, name, said);
            }
        }
    }
}

/// The interface that stands under a name of its own in the world's exports.
fn inline(resolve: &Resolve, world: WorldId, name: &str) -> Option<InterfaceId> {
    let exports = &resolve.worlds.get(world)?.exports;
    match exports.get(&WorldKey::Name(name.to_owned()))? {
        WorldItem::Interface { id, .. } => Some(*id),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    }
}

fn of_function(resolve: &mut Resolve, world: WorldId, name: &str, said: &Value) {
    let world = resolve.worlds.get_mut(world);
    let item = world.and_then(|world| world.exports.get_mut(&WorldKey::Name(name.to_owned())));
    if let Some(WorldItem::Function(function)) = item {
        put(&mut function.docs, said);
    }
}

fn of_interface(resolve: &mut Resolve, id: InterfaceId, said: &Value) {
    let Some(interface) = resolve.interfaces.get_mut(id) else {
        return;
    };
    put(&mut interface.docs, said);
    for (name, said) in members(said, "funcs") {
        if let Some(function) = interface.functions.get_mut(name) {
            put(&mut function.docs, said);
        }
    }
    let types = members(said, "types");
    let types: Vec<(TypeId, &Value)> = types
        .filter_map(|(name, said)| Some((interface.types.get(name).copied()?, said)))
        .collect();
    for (id, said) in types {
        of_type(resolve, id, said);
    }
}

fn of_type(resolve: &mut Resolve, id: TypeId, said: &Value) {
    let Some(def) = resolve.types.get_mut(id) else {
        return;
    };
    put(&mut def.docs, said);
    let Some(items) = said.get("items").and_then(Value::as_object) else {
        return;
    };
    let of = |name: &str, docs: &mut Docs| {
        if let Some(said) = items.get(name) {
            put(docs, said);
        }
    };
    match &mut def.kind {
        TypeDefKind::Record(record) => {
            for field in &mut record.fields {
                of(&field.name, &mut field.docs);
            }
        }
        TypeDefKind::Variant(variant) => {
            for case in &mut variant.cases {
                of(&case.name, &mut case.docs);
            }
        }
        TypeDefKind::Enum(cases) => {
            for case in &mut cases.cases {
                of(&case.name, &mut case.docs);
            }
        }
        TypeDefKind::Flags(flags) => {
            for flag in &mut flags.flags {
                of(&flag.name, &mut flag.docs);
            }
        }
        // Nothing else has parts with names.
        _ => {}
    }
}

/// Puts in what is said: a text, or an object that has it as `docs`.
fn put(docs: &mut Docs, said: &Value) {
    let text = said.as_str().or_else(|| said.get("docs")?.as_str());
    if let Some(text) = text {
        docs.contents = Some(text.to_owned());
    }
}

fn members<'a>(said: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let map = said.get(name).and_then(Value::as_object);
    map.into_iter().flat_map(Map::iter)
}
