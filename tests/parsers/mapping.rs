//! JSON as values of a type, where bytes choose the type, the value and the text: every value comes back from its text as it was, and every
//! text is a value or told to be none, with no more violations than are told of one.

use holdfast_call::contract::{Case, Docs, Field, Function, Mode, Type};
use holdfast_call::{Value, Violation};
use holdfast_rules::contract::read::VIOLATIONS_MAX;
use holdfast_rules::contract::{query, read, write};
use std::sync::Arc;

/// How deep a type is made of others.
const DEPTH: u8 = 4;

/// The longest sentence that one violation takes: sixteen names of a type, and what is said around them.
const REASON_BYTES_MAX: usize = 2_048;

/// The first byte says how many of the others choose the type and the value; what is behind them is a text.
pub(crate) fn check(bytes: &[u8]) {
    let (length, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (choices, text) = rest.split_at(usize::from(*length).min(rest.len()));
    let mut choice = Choice(choices);
    let ty = choice.ty(DEPTH);
    let value = choice.value(&ty);
    let written = write::value(&value, &ty).unwrap();
    let back = read::value(&written, &ty).unwrap();
    // As text, where all that is no number is the same.
    assert_eq!(format!("{back:?}"), format!("{value:?}"), "of {ty}");
    let mut damaged = written;
    while let [at, byte, ..] = choice.0 {
        let at = usize::from(*at) % damaged.len().max(1);
        match damaged.get_mut(at) {
            Some(place) if byte % 2 == 0 => *place = *byte,
            Some(_) => drop(damaged.remove(at)),
            None => {}
        }
        choice.0 = &choice.0[2..];
    }
    for text in [&damaged[..], text] {
        take(text, &ty);
        let text = String::from_utf8_lossy(text);
        ask(&text, &ty);
        ask(&format!("x={text}"), &ty);
    }
}

/// Any text: if it is a value, that value comes back; if it is none, it is told where.
fn take(text: &[u8], ty: &Type) {
    match read::value(text, ty) {
        Ok(value) => {
            let written = write::value(&value, ty).unwrap();
            let again = read::value(&written, ty).unwrap();
            assert_eq!(format!("{again:?}"), format!("{value:?}"), "of {ty}");
        }
        Err(violations) => told(violations),
    }
}

/// Any query: if it is what a function takes, it is what the same function takes as JSON.
fn ask(query: &str, ty: &Type) {
    let function = Function {
        name: "f".into(),
        docs: Docs::default(),
        params: vec![Field {
            name: "x".into(),
            ty: ty.clone(),
            docs: Docs::default(),
        }],
        result: None,
        mode: Mode::Sync,
    };
    match query::arguments(query, &function) {
        Ok(values) => {
            let text = write::value(&values[0], ty).unwrap();
            let whole = [b"{\"x\":", &text[..], b"}"].concat();
            let again = read::arguments(&whole, &function).unwrap();
            assert_eq!(format!("{again:?}"), format!("{values:?}"), "of {ty}");
        }
        Err(violations) => told(violations),
    }
}

fn told(violations: Vec<Violation>) {
    assert!((1..=VIOLATIONS_MAX).contains(&violations.len()));
    for violation in violations {
        let pointer = violation.pointer;
        assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}");
        let reason = violation.reason;
        assert!(!reason.is_empty() && reason.len() <= REASON_BYTES_MAX);
    }
}

/// Bytes that are choices; behind the last one, all are the first.
struct Choice<'a>(&'a [u8]);

impl Choice<'_> {
    fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn below(&mut self, most: u8) -> u8 {
        self.byte() % most
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn many<T>(&mut self, least: u8, make: impl FnMut(&mut Self, u8) -> T) -> Vec<T> {
        let mut make = make;
        let count = least + self.below(4);
        (0..count).map(|place| make(self, place)).collect()
    }

    fn ty(&mut self, depth: u8) -> Type {
        match self.below(if depth == 0 { 16 } else { 22 }) {
            0 => Type::Bool,
            1 => Type::U8,
            2 => Type::U16,
            3 => Type::U32,
            4 => Type::U64,
            5 => Type::S8,
            6 => Type::S16,
            7 => Type::S32,
            8 => Type::S64,
            9 => Type::F32,
            10 => Type::F64,
            11 => Type::Char,
            12 => Type::Text,
            13 => Type::Bytes,
            14 => Type::Enum(self.many(1, |_, place| name(place)).into()),
            15 => Type::Flags(self.many(1, |_, place| name(place)).into()),
            16 => match self.ty(depth - 1) {
                Type::U8 => Type::Bytes,
                item => Type::List(item.into()),
            },
            17 => Type::Option(self.ty(depth - 1).into()),
            18 => {
                let ok = self.maybe(depth);
                Type::Result(ok, self.maybe(depth))
            }
            19 => Type::Tuple(self.many(1, |choice, _| choice.ty(depth - 1)).into()),
            20 => {
                let field = |choice: &mut Self, place| Field {
                    name: name(place),
                    ty: choice.ty(depth - 1),
                    docs: Docs::default(),
                };
                Type::Record(self.many(1, field).into())
            }
            _ => {
                let case = |choice: &mut Self, place| Case {
                    name: name(place),
                    ty: choice.maybe(depth).map(|ty| (*ty).clone()),
                    docs: Docs::default(),
                };
                Type::Variant(self.many(1, case).into())
            }
        }
    }

    fn maybe(&mut self, depth: u8) -> Option<Arc<Type>> {
        match self.below(2) {
            0 => None,
            _ => Some(self.ty(depth - 1).into()),
        }
    }

    fn text(&mut self) -> String {
        let pieces = self.many(0, |choice, _| match choice.below(2) {
            0 => char::from(choice.byte()),
            _ => char::from_u32(u32::from_le_bytes(choice.bytes()) % 0x11_0000).unwrap_or('"'),
        });
        pieces.into_iter().collect()
    }

    fn value(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Bool => Value::Bool(self.below(2) == 1),
            Type::U8 => Value::U8(self.byte()),
            Type::U16 => Value::U16(u16::from_le_bytes(self.bytes())),
            Type::U32 => Value::U32(u32::from_le_bytes(self.bytes())),
            Type::U64 => Value::U64(u64::from_le_bytes(self.bytes())),
            Type::S8 => Value::S8(i8::from_le_bytes(self.bytes())),
            Type::S16 => Value::S16(i16::from_le_bytes(self.bytes())),
            Type::S32 => Value::S32(i32::from_le_bytes(self.bytes())),
            Type::S64 => Value::S64(i64::from_le_bytes(self.bytes())),
            Type::F32 => Value::F32(f32::from_le_bytes(self.bytes())),
            Type::F64 => Value::F64(f64::from_le_bytes(self.bytes())),
            Type::Char => Value::Char(self.text().chars().next().unwrap_or('\0')),
            Type::Text => Value::Text(self.text()),
            Type::Bytes => Value::Bytes(self.many(0, |choice, _| choice.byte()).into()),
            Type::List(item) => Value::List(self.many(0, |choice, _| choice.value(item))),
            Type::Option(some) => Value::Option(match self.below(2) {
                0 => None,
                _ => Some(self.value(some).into()),
            }),
            Type::Result(ok, err) => Value::Result(match self.below(2) {
                0 => Ok(ok.as_ref().map(|ty| self.value(ty).into())),
                _ => Err(err.as_ref().map(|ty| self.value(ty).into())),
            }),
            Type::Tuple(types) => Value::Many(types.iter().map(|ty| self.value(ty)).collect()),
            Type::Record(fields) => {
                Value::Many(fields.iter().map(|field| self.value(&field.ty)).collect())
            }
            Type::Variant(cases) => {
                let place = self.below(u8::try_from(cases.len()).unwrap());
                let carried = cases[usize::from(place)].ty.as_ref();
                Value::Case(place.into(), carried.map(|ty| self.value(ty).into()))
            }
            Type::Enum(names) => {
                let place = self.below(u8::try_from(names.len()).unwrap());
                Value::Case(place.into(), None)
            }
            Type::Flags(names) => {
                let count = u32::try_from(names.len()).unwrap();
                Value::Flags((0..count).filter(|_| self.below(2) == 1).collect())
            }
        }
    }
}

/// Names as WIT has them, those that mean something in JSON first.
fn name(place: u8) -> Arc<str> {
    const SOME: [&str; 4] = ["some", "ok", "error", "null"];
    match SOME.get(usize::from(place)) {
        Some(name) => (*name).into(),
        None => format!("name-{place}").into(),
    }
}
