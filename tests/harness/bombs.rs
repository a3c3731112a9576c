//! Components that are small, valid or nearly so, and bad for whoever compiles them.

use wasm_encoder::{
    CodeSection, ComponentSectionId, ComponentTypeSection, ConstExpr, DataSection, Encode,
    Function, FunctionSection, Instruction, MemorySection, MemoryType, Module, PrimitiveValType,
    TypeSection, ValType,
};

/// A component that is a burden by its form alone; none of it ever runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bomb {
    /// So many functions with so many locals that are all alive through so many loops: each loop makes a value of each.
    Values {
        functions: usize,
        locals: u32,
        loops: u32,
    },
    /// So many functions.
    Functions(u32),
    /// A data section of so many bytes.
    Data(u32),
    /// A memory that begins with so many pages of 64 KiB.
    Memory(u64),
    /// So many components inside each other.
    Nested(u32),
    /// So many types of the component model.
    Types(u32),
    /// Tuples of two of the one before, so many times: 2^n fields.
    Doubled(u32),
}

impl Bomb {
    /// The bytes of the component.
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Values {
                functions,
                locals,
                loops,
            } => with_module(&of(std::iter::repeat_n(values(locals, loops), functions))),
            Self::Functions(count) => with_module(&functions(count)),
            Self::Data(bytes) => with_module(&data(bytes)),
            Self::Memory(pages) => with_module(&memory(pages)),
            Self::Nested(depth) => nested(depth),
            Self::Types(count) => with_sections(&[types(count)]),
            Self::Doubled(times) => served(&doubled(times)),
        }
    }
}

/// A component that serves, with one core module, and with what `inside` adds.
fn served(inside: &str) -> Vec<u8> {
    let text = format!(
        r#"(component {inside}
          (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
          (alias export $types "incoming-request" (type $request))
          (alias export $types "response-outparam" (type $out))
          (core module $m (func (export "handle") (param i32 i32)))
          (core instance $guest (instantiate $m))
          (func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $guest "handle")))
          (instance $handler (export "handle" (func $handle)))
          (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(text).unwrap()
}

/// The magic number and the version, before the first section.
const PREAMBLE_BYTES: usize = 8;

/// A component that is served, with these sections after its own.
fn with_sections(sections: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = served("");
    bytes.extend(sections.concat());
    bytes
}

/// A section of a component: what it is, how long it is, what is in it.
fn section(id: ComponentSectionId, inside: &[u8]) -> Vec<u8> {
    let mut section = vec![id.into()];
    inside.encode(&mut section);
    section
}

/// With a core module, which is instantiated.
fn with_module(module: &Module) -> Vec<u8> {
    // One instance: made from the second module, with no arguments.
    let instance = [1, 0, 1, 0];
    with_sections(&[
        section(ComponentSectionId::CoreModule, module.as_slice()),
        section(ComponentSectionId::CoreInstance, &instance),
    ])
}

fn types(count: u32) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    for _ in 0..count {
        let mut function = types.ty().function();
        function.params([("a", PrimitiveValType::String)]);
        function.result(Some(PrimitiveValType::U32.into()));
    }
    let mut bytes = vec![ComponentSectionId::Type.into()];
    types.encode(&mut bytes);
    bytes
}

fn nested(depth: u32) -> Vec<u8> {
    let empty = wat::parse_str("(component)").unwrap();
    let mut inner = empty.clone();
    for _ in 0..depth {
        let mut outer = empty[..PREAMBLE_BYTES].to_vec();
        outer.extend(section(ComponentSectionId::Component, &inner));
        inner = outer;
    }
    with_sections(&[section(ComponentSectionId::Component, &inner)])
}

fn doubled(times: u32) -> String {
    let mut text = "(type $t0 (tuple u8 u8))".to_owned();
    for time in 1..=times {
        let before = time - 1;
        text.push_str(&format!("(type $t{time} (tuple $t{before} $t{before}))\n"));
    }
    format!("{text} (type (func (param \"a\" $t{times})))")
}

/// A module whose functions are all `() -> ()` with this code.
fn of(functions: impl Iterator<Item = Function>) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    for function in functions {
        declared.function(0);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    module
}

fn values(locals: u32, loops: u32) -> Function {
    let mut body = Function::new([(locals, ValType::I32)]);
    for _ in 0..loops {
        body.instruction(&Instruction::Loop(wasm_encoder::BlockType::Empty));
        body.instruction(&Instruction::LocalGet(0));
        body.instruction(&Instruction::BrIf(0));
        body.instruction(&Instruction::End);
    }
    for local in 0..locals {
        body.instruction(&Instruction::LocalGet(local));
        body.instruction(&Instruction::Drop);
    }
    body.instruction(&Instruction::End);
    body
}

fn functions(count: u32) -> Module {
    of((0..count).map(|number| {
        let mut body = Function::new([]);
        body.instruction(&Instruction::I32Const(number.cast_signed()));
        body.instruction(&Instruction::Drop);
        body.instruction(&Instruction::End);
        body
    }))
}

fn memory(pages: u64) -> Module {
    let mut memories = MemorySection::new();
    memories.memory(pages_of(pages));
    let mut module = Module::new();
    module.section(&memories);
    module
}

fn pages_of(minimum: u64) -> MemoryType {
    MemoryType {
        minimum,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    }
}

fn data(bytes: u32) -> Module {
    let mut memories = MemorySection::new();
    memories.memory(pages_of(u64::from(bytes.div_ceil(64 << 10))));
    let mut data = DataSection::new();
    let filled = (0..bytes).map(|at| u8::try_from(at % 251 + 1).unwrap());
    data.active(0, &ConstExpr::i32_const(0), filled);
    let mut module = Module::new();
    module.section(&memories).section(&data);
    module
}
