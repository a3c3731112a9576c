//! What a component is made of, counted from its bytes alone, for people who decide whether to run it.
//!
//! It reads what [`crate::verify`] has passed; of anything else it counts as far as it can be read. It judges nothing.

use std::collections::BTreeSet;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentTypeRef, DataKind, Instance,
    KnownCustom, Parser, Payload,
};

/// The counts. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// The whole file.
    pub bytes: u64,
    /// Core modules.
    pub modules: u64,
    /// Components inside it.
    pub components: u64,
    /// Core instances that one call is made of, as far as they stand in the outermost component.
    pub instances: u64,
    /// Functions with a body.
    pub functions: u64,
    /// Memories.
    pub memories: u64,
    /// What all memories together have at their beginning.
    pub memory_bytes: u64,
    /// Tables.
    pub tables: u64,
    /// What all tables together have at their beginning, in elements.
    pub table_elements: u64,
    /// Machine-independent code.
    pub code_bytes: u64,
    /// Data that memories are filled with.
    pub data_bytes: u64,
    /// Names of functions, for stack traces.
    pub name_bytes: u64,
    /// Debug information (DWARF), which no call needs.
    pub debug_bytes: u64,
    /// Other sections that no engine reads.
    pub custom_bytes: u64,
    /// Imported interfaces that nothing inside refers to.
    pub unused: Vec<String>,
}

/// Counts.
#[must_use]
pub fn anatomy(bytes: &[u8]) -> Anatomy {
    let mut anatomy = Anatomy {
        bytes: size(bytes.len()),
        ..Anatomy::default()
    };
    let mut uses = Uses::default();
    // How deep the section stands that is being read: only the outermost component's own imports are the host's business.
    let mut depth: u32 = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else {
            break;
        };
        match &payload {
            Payload::ModuleSection { .. } => {
                anatomy.modules += 1;
                depth += 1;
            }
            Payload::ComponentSection { .. } => {
                anatomy.components += 1;
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => anatomy.count(&payload),
        }
        if depth == 0 && uses.note(&payload).is_err() {
            break;
        }
        if depth == 0
            && let Payload::InstanceSection(section) = &payload
        {
            anatomy.instances += size(
                section
                    .clone()
                    .into_iter()
                    .flatten()
                    .filter(|instance| matches!(instance, Instance::Instantiate { .. }))
                    .count(),
            );
        }
    }
    anatomy.unused = uses.unused();
    anatomy
}

impl Anatomy {
    fn count(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::MemorySection(section) => {
                for memory in section.clone().into_iter().flatten() {
                    let page = 1u64 << memory.page_size_log2.unwrap_or(16).min(16);
                    let begin = memory.initial.saturating_mul(page);
                    self.memories += 1;
                    self.memory_bytes = self.memory_bytes.saturating_add(begin);
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone().into_iter().flatten() {
                    self.tables += 1;
                    self.table_elements = self.table_elements.saturating_add(table.ty.initial);
                }
            }
            Payload::CodeSectionStart { count, size, .. } => {
                self.functions += u64::from(*count);
                self.code_bytes += u64::from(*size);
            }
            Payload::DataSection(section) => {
                for data in section.clone().into_iter().flatten() {
                    if matches!(data.kind, DataKind::Active { .. } | DataKind::Passive) {
                        self.data_bytes += size(data.data.len());
                    }
                }
            }
            Payload::CustomSection(section) => {
                let bytes = size(section.data().len());
                match section.as_known() {
                    KnownCustom::Name(_) | KnownCustom::ComponentName(_) => {
                        self.name_bytes += bytes
                    }
                    _ if section.name().starts_with(".debug") => self.debug_bytes += bytes,
                    _ => self.custom_bytes += bytes,
                }
            }
            _ => {}
        }
    }
}

/// The instances of the outermost component by their number, and which of them something refers to.
#[derive(Default)]
struct Uses {
    next: u32,
    imported: Vec<(u32, String)>,
    used: BTreeSet<u32>,
}

impl Uses {
    fn note(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let import = import?;
                    if let ComponentTypeRef::Instance(_) = import.ty {
                        self.imported.push((self.next, import.name.name.to_owned()));
                        self.next += 1;
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    self.made(&instance?);
                    self.next += 1;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    if let ComponentAlias::InstanceExport {
                        kind,
                        instance_index,
                        ..
                    } = alias?
                    {
                        self.used.insert(instance_index);
                        self.next += u32::from(kind == ComponentExternalKind::Instance);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance {
                        self.used.insert(export.index);
                        self.next += 1;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn made(&mut self, instance: &ComponentInstance<'_>) {
        match instance {
            ComponentInstance::Instantiate { args, .. } => {
                let given = args
                    .iter()
                    .filter(|arg| arg.kind == ComponentExternalKind::Instance);
                self.used.extend(given.map(|arg| arg.index));
            }
            ComponentInstance::FromExports(exports) => {
                let given = exports
                    .iter()
                    .filter(|export| export.kind == ComponentExternalKind::Instance);
                self.used.extend(given.map(|export| export.index));
            }
        }
    }

    fn unused(self) -> Vec<String> {
        let Self { imported, used, .. } = self;
        imported
            .into_iter()
            .filter(|(number, _)| !used.contains(number))
            .map(|(_, name)| name)
            .collect()
    }
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
