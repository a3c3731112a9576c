//! Finds out from its bytes alone, without compiling, whether a component can be served: its form, its exports, and every import that the
//! host cannot meet, all of them at once.
//!
//! Function bodies are left to the compiler, which validates them anyway; [`explain`] turns its complaint into what to change.

use crate::contract::is_entry;
use crate::engine::Tasks;
use crate::load_error::{LISTED_MAX, LoadError, MissingImport};
use crate::offers::{self, Named, Offered, is_own};
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentEntityType, ComponentInstanceTypeId,
};
use wasmparser::types::{Types, TypesRef};
use wasmparser::{Chunk, Parser, Payload, ValidPayload, Validator, WasmFeatures};
use wasmtime::Engine;

/// What the host calls in a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exports {
    /// `wasi:http/incoming-handler@0.2.x`.
    Http02,
    /// `wasi:http/handler@0.3.x`.
    Http03,
    /// Interfaces of its own, and nothing of `wasi:http`.
    Typed,
}

/// A component that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the host calls in it.
    pub exports: Exports,
    /// Whether it needs an engine with tasks.
    pub tasks: Tasks,
    /// Whether it has a contract with other services.
    pub contract: HasContract,
}

/// Whether a component exports interfaces of its own, or imports those of other services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HasContract {
    /// It does.
    Yes,
    /// All it knows is the host.
    No,
}

/// Checks a component.
///
/// # Errors
/// If it cannot be served.
pub fn verify(bytes: &[u8]) -> Result<Verified, LoadError> {
    check_form(bytes)?;
    // Everything is allowed here; what the engine does not have is told apart from what is wrong by `explain`.
    let outline = outline(bytes, WasmFeatures::all())?;
    let mut missing: Vec<_> = outline
        .imports
        .iter()
        .filter_map(|name| missing(name, &outline.types))
        .collect();
    for import in missing.iter_mut().take(LISTED_MAX) {
        import.nearest = offers::nearest(&import.name).map(|offer| offer.to_string());
    }
    if !missing.is_empty() {
        // Whoever mends the one wants to know of the others.
        missing.extend(
            outline
                .imports
                .iter()
                .filter_map(|name| asked(name, &outline.types)),
        );
        return Err(LoadError::Imports(missing));
    }
    let types = outline.types.as_ref();
    let own = outline.exports.iter().any(|name| {
        let item = types.component_item_for_export(name);
        let asked = !is_own(name) || is_entry(name);
        asked && item.is_some_and(|item| is_callable(&item.ty, &outline.types))
    });
    let asks = outline
        .imports
        .iter()
        .any(|name| !is_own(name) && offers::offers(name) == Offered::No);
    let Some(exports) = served(&outline.exports).or(own.then_some(Exports::Typed)) else {
        return Err(LoadError::NoService {
            exports: outline.exports,
        });
    };
    // Whoever is not valid without tasks has some, wherever in him they are. What 0.3 offers is linked only beside tasks, even its plain
    // functions.
    let of_03 = |name: &String| {
        let version = Named::parse(name).version;
        version.is_some_and(|version| offers::same_line(version, "0.3.0"))
    };
    let imports_03 = outline.imports.iter().any(of_03);
    let without = self::outline(bytes, WasmFeatures::all().difference(TASKS));
    let tasks = match (exports, without) {
        (Exports::Http02 | Exports::Typed, Ok(_)) if !imports_03 => Tasks::One,
        (Exports::Http02 | Exports::Http03 | Exports::Typed, _) => Tasks::Many,
    };
    let contract = if own || asks {
        HasContract::Yes
    } else {
        HasContract::No
    };
    Ok(Verified {
        exports,
        tasks,
        contract,
    })
}

/// What of the component model an engine without tasks leaves out.
const TASKS: WasmFeatures = WasmFeatures::CM_ASYNC
    .union(WasmFeatures::CM_ASYNC_STACKFUL)
    .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
    .union(WasmFeatures::CM_ERROR_CONTEXT);

/// What a component imports and exports, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// Names what a component imports and exports, whether or not it could be served.
///
/// # Errors
/// If it is no component at all.
pub fn interfaces(bytes: &[u8]) -> Result<Interfaces, LoadError> {
    check_form(bytes)?;
    let Outline {
        imports, exports, ..
    } = outline(bytes, WasmFeatures::all())?;
    Ok(Interfaces { imports, exports })
}

/// What the compiler's complaint about a component that passed [`verify`] means.
#[must_use]
pub fn explain(engine: &Engine, bytes: &[u8], error: &wasmtime::Error) -> LoadError {
    let has = engine.get_wasm_features();
    if valid(bytes, has) {
        return LoadError::Compile(format!("{error:#}"));
    }
    if !valid(bytes, WasmFeatures::all()) {
        return LoadError::Invalid(format!("{error:#}"));
    }
    // A feature is needed if the component is valid with all features, and not without this one.
    let mut needed: Vec<_> = FEATURES
        .iter()
        .filter(|(feature, _)| !has.contains(*feature))
        .filter(|(feature, _)| !valid(bytes, WasmFeatures::all().difference(*feature)))
        .map(|(_, words)| *words)
        .collect();
    // Two flags of the validator can be one thing to a person.
    needed.dedup();
    if needed.is_empty() {
        LoadError::Invalid(format!("{error:#}"))
    } else {
        LoadError::Features(needed)
    }
}

// === Form ===

const FEATURES: &[(WasmFeatures, &str)] = &[
    (
        WasmFeatures::GC_TYPES,
        "garbage collection (WasmGC, as Kotlin and Dart emit), which this host leaves out",
    ),
    (
        WasmFeatures::GC,
        "garbage collection (WasmGC, as Kotlin and Dart emit), which this host leaves out",
    ),
    (
        WasmFeatures::THREADS,
        "threads (shared memory), which this host leaves out: one call has one thread",
    ),
    (
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "the shared-everything-threads proposal, which this host leaves out",
    ),
    (
        WasmFeatures::CM_THREADING,
        "threads of the component model, which this host leaves out",
    ),
    (
        WasmFeatures::LEGACY_EXCEPTIONS,
        "the old form of exceptions; build with the new one (-fwasm-exceptions, exnref)",
    ),
    (
        WasmFeatures::EXCEPTIONS,
        "exceptions, which this host leaves out",
    ),
    (
        WasmFeatures::STACK_SWITCHING,
        "stack switching, which this host leaves out",
    ),
    (
        WasmFeatures::CUSTOM_PAGE_SIZES,
        "custom page sizes, which this host leaves out",
    ),
    (
        WasmFeatures::MEMORY64,
        "64-bit memories, which this host leaves out",
    ),
];

fn check_form(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if Parser::is_component(bytes) {
        return Ok(());
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    if b"\0asm".starts_with(bytes) || (bytes.starts_with(b"\0asm") && bytes.len() < 8) {
        return Err(LoadError::Truncated {
            at: offset(bytes.len()),
        });
    }
    let text = std::str::from_utf8(bytes).unwrap_or("").trim_start();
    if text.starts_with("(component") || text.starts_with("(module") || text.starts_with(";;") {
        return Err(LoadError::Text);
    }
    Err(LoadError::NotWasm)
}

fn offset(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn valid(bytes: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features)
        .validate_all(bytes)
        .is_ok()
}

// === Outline ===

/// How deep components and modules may stand in each other. Tools nest two or three deep.
const NESTED_MAX: usize = 100;

/// The outermost component's names, and its types.
struct Outline {
    imports: Vec<String>,
    exports: Vec<String>,
    types: Types,
}

fn outline(bytes: &[u8], features: WasmFeatures) -> Result<Outline, LoadError> {
    let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid(error.to_string());
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    let mut outer = Vec::new();
    let mut rest = bytes;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    loop {
        let cut = LoadError::Truncated {
            at: offset(bytes.len()),
        };
        let (consumed, payload) = match parser.parse(rest, rest.is_empty()) {
            Ok(Chunk::Parsed { consumed, payload }) => (consumed, payload),
            Ok(Chunk::NeedMoreData(_)) => return Err(cut),
            Err(_) if rest.is_empty() => return Err(cut),
            Err(error) => return Err(invalid(error)),
        };
        rest = rest.get(consumed..).unwrap_or_default();
        if outer.is_empty() {
            names(&payload, &mut imports, &mut exports).map_err(invalid)?;
        }
        match validator.payload(&payload).map_err(invalid)? {
            // Each level costs the validator a hundred times what it costs the file.
            ValidPayload::Parser(_) if outer.len() >= NESTED_MAX => {
                let text = format!("it nests components more than {NESTED_MAX} deep");
                return Err(LoadError::Invalid(text));
            }
            ValidPayload::Parser(nested) => outer.push(std::mem::replace(&mut parser, nested)),
            ValidPayload::End(types) => match outer.pop() {
                Some(previous) => parser = previous,
                None => {
                    return Ok(Outline {
                        imports,
                        exports,
                        types,
                    });
                }
            },
            ValidPayload::Ok | ValidPayload::Func(..) => {}
        }
    }
}

fn names(
    payload: &Payload<'_>,
    imports: &mut Vec<String>,
    exports: &mut Vec<String>,
) -> wasmparser::Result<()> {
    match payload {
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                imports.push(import?.name.name.to_owned());
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                exports.push(export?.name.name.to_owned());
            }
        }
        _ => {}
    }
    Ok(())
}

// === Imports and exports ===

fn missing(name: &str, types: &Types) -> Option<MissingImport> {
    let types = types.as_ref();
    let kind = match types.component_item_for_import(name).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(id)) => {
            let empty = types.get(id).is_some_and(|instance| {
                !instance
                    .exports
                    .values()
                    .any(|item| has_substance(&item.ty))
            });
            if empty || offers::offers(name) == Offered::Yes || is_of_a_service(name, &types, id) {
                return None;
            }
            "interface"
        }
        Some(ty) if !has_substance(&ty) => return None,
        Some(ComponentEntityType::Func(_)) => "function",
        Some(ComponentEntityType::Module(_)) => "core module",
        Some(ComponentEntityType::Component(_)) => "component",
        Some(ComponentEntityType::Type { .. }) => "resource",
        Some(ComponentEntityType::Value(_)) => "value",
        None => "item",
    };
    Some(MissingImport {
        name: name.to_owned(),
        kind,
        // Looked up for those that are shown: a component may import a million things.
        nearest: None,
        note: note(name),
    })
}

/// An import that only another service can meet.
fn asked(name: &str, types: &Types) -> Option<MissingImport> {
    let types = types.as_ref();
    let item = types.component_item_for_import(name)?;
    let ComponentEntityType::Instance(id) = item.ty else {
        return None;
    };
    let is_callable = types.get(id).is_some_and(|instance| {
        instance
            .exports
            .values()
            .any(|item| has_substance(&item.ty))
    });
    (is_callable && is_of_a_service(name, &types, id)).then(|| MissingImport {
        name: name.to_owned(),
        kind: "interface",
        nearest: None,
        note: Some("unless another service exports it"),
    })
}

/// Whether an interface can be another service's: it has a full name that is not the host's, and nothing but functions and types.
fn is_of_a_service(name: &str, types: &TypesRef<'_>, id: ComponentInstanceTypeId) -> bool {
    let plain =
        |ty: &ComponentEntityType| matches!(ty, ComponentEntityType::Func(_)) || !has_substance(ty);
    let instance = types.get(id);
    let plain =
        instance.is_some_and(|instance| instance.exports.values().all(|item| plain(&item.ty)));
    plain && name.contains(':') && !is_own(name)
}

/// Whether there is a function in it that could be called.
fn is_callable(ty: &ComponentEntityType, types: &Types) -> bool {
    let is_function = |ty: &ComponentEntityType| matches!(ty, ComponentEntityType::Func(_));
    match ty {
        ComponentEntityType::Instance(id) => {
            let instance = types.as_ref().get(*id);
            instance
                .is_some_and(|instance| instance.exports.values().any(|item| is_function(&item.ty)))
        }
        ty => is_function(ty),
    }
}

/// A plain type needs nobody to provide it; a resource and everything that runs does.
fn has_substance(ty: &ComponentEntityType) -> bool {
    match ty {
        ComponentEntityType::Type { created, .. } => {
            matches!(created, ComponentAnyTypeId::Resource(_))
        }
        ComponentEntityType::Module(_)
        | ComponentEntityType::Func(_)
        | ComponentEntityType::Value(_)
        | ComponentEntityType::Instance(_)
        | ComponentEntityType::Component(_) => true,
    }
}

fn note(name: &str) -> Option<&'static str> {
    match Named::parse(name).interface {
        "wasi:http/handler" | "wasi:http/incoming-handler" => Some(
            "it is middleware, which wraps another service: compose the two first, as with `wac plug`",
        ),
        _ => None,
    }
}

fn served(exports: &[String]) -> Option<Exports> {
    let exported = |interface: &str, line: &str| {
        exports.iter().map(|name| Named::parse(name)).any(|named| {
            named.interface == interface
                && named
                    .version
                    .is_some_and(|version| offers::same_line(version, line))
        })
    };
    // A component with both was moved on to 0.3 by somebody, so that is what it means.
    if exported("wasi:http/handler", "0.3.0") {
        return Some(Exports::Http03);
    }
    if exported("wasi:http/incoming-handler", "0.2.0") {
        return Some(Exports::Http02);
    }
    None
}
