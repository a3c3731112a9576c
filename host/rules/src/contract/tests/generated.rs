//! Types and values made by chance, and what must be true of all of them.

use super::super::{fits, read, write};
use holdfast_call::Value;
use holdfast_call::contract::{Case, Docs, Field, Type};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use std::sync::Arc;

const TYPES: u64 = 1_000;
const VALUES: usize = 100;

fn name(place: usize) -> Arc<str> {
    // Names as WIT has them, and of those the awkward ones too.
    const SOME: [&str; 6] = ["a", "some", "ok", "error", "long-name-2", "null"];
    match SOME.get(place) {
        Some(name) => (*name).into(),
        None => format!("n{place}").into(),
    }
}

fn names(rng: &mut StdRng) -> Arc<[Arc<str>]> {
    (0..rng.random_range(1..40)).map(name).collect()
}

pub(super) fn some_type(rng: &mut StdRng, depth: u32) -> Type {
    let maybe = |rng: &mut StdRng| rng.random::<bool>().then(|| some_type(rng, depth - 1));
    let kinds = if depth == 0 { 17 } else { 23 };
    match rng.random_range(0..kinds) {
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
        14 => Type::Enum(names(rng)),
        15 => Type::Flags(names(rng)),
        16 => Type::Result(None, None),
        17 => match some_type(rng, depth - 1) {
            // A list of them is bytes.
            Type::U8 => Type::Bytes,
            item => Type::List(item.into()),
        },
        18 => Type::Option(some_type(rng, depth - 1).into()),
        19 => Type::Result(maybe(rng).map(Into::into), maybe(rng).map(Into::into)),
        20 => Type::Tuple(
            (0..rng.random_range(1..4))
                .map(|_| some_type(rng, depth - 1))
                .collect(),
        ),
        21 => Type::Record(
            (0..rng.random_range(1..6))
                .map(|place| Field {
                    name: name(place),
                    ty: some_type(rng, depth - 1),
                    docs: Docs::default(),
                })
                .collect(),
        ),
        _ => Type::Variant(
            (0..rng.random_range(1..6))
                .map(|place| Case {
                    name: name(place),
                    ty: maybe(rng),
                    docs: Docs::default(),
                })
                .collect(),
        ),
    }
}

fn text(rng: &mut StdRng) -> String {
    (0..rng.random_range(0..8)).map(|_| char(rng)).collect()
}

fn char(rng: &mut StdRng) -> char {
    match rng.random_range(0..4) {
        0 => char::from(rng.random_range(0..128u8)),
        1 => *[
            '"',
            '\\',
            '/',
            '\u{2028}',
            '\u{fffd}',
            '\u{10ffff}',
            '\u{0}',
            '\u{e9}',
        ]
        .get(rng.random_range(0..8usize))
        .unwrap_or(&' '),
        _ => rng.random(),
    }
}

/// Any of them, and the extreme ones often.
macro_rules! number {
    ($rng:ident, $ty:ty) => {
        match $rng.random_range(0..4) {
            0 => <$ty>::MIN,
            1 => <$ty>::MAX,
            2 => 0 as $ty,
            _ => $rng.random(),
        }
    };
}

pub(super) fn some_value(rng: &mut StdRng, ty: &Type) -> Value {
    let boxed = |rng: &mut StdRng, ty: &Option<Arc<Type>>| {
        ty.as_ref().map(|ty| Box::new(some_value(rng, ty)))
    };
    match ty {
        Type::Bool => Value::Bool(rng.random()),
        Type::U8 => Value::U8(number!(rng, u8)),
        Type::U16 => Value::U16(number!(rng, u16)),
        Type::U32 => Value::U32(number!(rng, u32)),
        Type::U64 => Value::U64(number!(rng, u64)),
        Type::S8 => Value::S8(number!(rng, i8)),
        Type::S16 => Value::S16(number!(rng, i16)),
        Type::S32 => Value::S32(number!(rng, i32)),
        Type::S64 => Value::S64(number!(rng, i64)),
        Type::F32 => Value::F32(f32::from_bits(rng.next_u32())),
        Type::F64 => Value::F64(f64::from_bits(rng.next_u64())),
        Type::Char => Value::Char(char(rng)),
        Type::Text => Value::Text(text(rng)),
        Type::Bytes => {
            let mut bytes = vec![0; rng.random_range(0..9)];
            rng.fill_bytes(&mut bytes);
            Value::Bytes(bytes.into())
        }
        Type::List(item) => Value::List(
            (0..rng.random_range(0..4))
                .map(|_| some_value(rng, item))
                .collect(),
        ),
        Type::Option(some) => {
            Value::Option(rng.random::<bool>().then(|| some_value(rng, some).into()))
        }
        Type::Result(ok, err) => Value::Result(if rng.random() {
            Ok(boxed(rng, ok))
        } else {
            Err(boxed(rng, err))
        }),
        Type::Tuple(types) => Value::Many(types.iter().map(|ty| some_value(rng, ty)).collect()),
        Type::Record(fields) => Value::Many(
            fields
                .iter()
                .map(|field| some_value(rng, &field.ty))
                .collect(),
        ),
        Type::Variant(cases) => {
            let place = rng.random_range(0..cases.len());
            let carried = cases[place]
                .ty
                .as_ref()
                .map(|ty| some_value(rng, ty).into());
            Value::Case(place as u32, carried)
        }
        Type::Enum(names) => Value::Case(rng.random_range(0..names.len()) as u32, None),
        Type::Flags(names) => {
            Value::Flags((0..names.len() as u32).filter(|_| rng.random()).collect())
        }
    }
}

/// The same, where all that is no number counts as one value.
fn same(a: &Value, b: &Value) -> bool {
    let many =
        |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    let boxed = |a: &Option<Box<Value>>, b: &Option<Box<Value>>| match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    };
    match (a, b) {
        (Value::F32(a), Value::F32(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::F64(a), Value::F64(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::List(a), Value::List(b)) | (Value::Many(a), Value::Many(b)) => many(a, b),
        (Value::Option(a), Value::Option(b)) => boxed(a, b),
        (Value::Case(a, carried), Value::Case(b, other)) => a == b && boxed(carried, other),
        (Value::Result(Ok(a)), Value::Result(Ok(b)))
        | (Value::Result(Err(a)), Value::Result(Err(b))) => boxed(a, b),
        (a, b) => a == b,
    }
}

#[test]
fn every_value_of_every_type_comes_back_as_it_was() {
    for seed in 0..TYPES {
        let mut rng = StdRng::seed_from_u64(seed);
        let ty = some_type(&mut rng, 4);
        for _ in 0..VALUES {
            let value = some_value(&mut rng, &ty);
            assert!(
                fits::all(std::slice::from_ref(&value), [&ty].into_iter()),
                "{seed}: {value:?} of {ty}"
            );
            let text = write::value(&value, &ty).unwrap();
            let back = read::value(&text, &ty);
            let back = back.unwrap_or_else(|wrong| panic!("{seed}: {wrong:?} in {text:?} of {ty}"));
            assert!(same(&value, &back), "{seed}: {value:?}, {back:?} of {ty}");
        }
    }
}

#[test]
fn a_value_of_another_type_is_never_written_and_never_fits() {
    let mut differ = 0;
    for seed in 0..TYPES {
        let mut rng = StdRng::seed_from_u64(seed);
        let (ty, other) = (some_type(&mut rng, 3), some_type(&mut rng, 3));
        let value = some_value(&mut rng, &other);
        let fits = fits::all(std::slice::from_ref(&value), [&ty].into_iter());
        assert_eq!(
            fits,
            write::value(&value, &ty).is_ok(),
            "{seed}: {value:?} of {ty}"
        );
        differ += u64::from(!fits);
    }
    assert!(differ > TYPES / 2, "{differ}");
}

#[test]
fn no_text_breaks_the_reader_and_what_it_takes_it_writes() {
    for seed in 0..TYPES {
        let mut rng = StdRng::seed_from_u64(seed);
        let ty = some_type(&mut rng, 3);
        for _ in 0..VALUES {
            let value = some_value(&mut rng, &ty);
            let mut text = write::value(&value, &ty).unwrap();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..=text.len());
                match rng.random_range(0..3) {
                    0 => text.insert(
                        at,
                        *b"\"{}[],:0-.e".get(rng.random_range(0..11usize)).unwrap(),
                    ),
                    1 if at < text.len() => drop(text.remove(at)),
                    _ => text.truncate(at),
                }
            }
            match read::value(&text, &ty) {
                Ok(value) => drop(write::value(&value, &ty).unwrap()),
                Err(wrong) => assert!((1..=read::VIOLATIONS_MAX).contains(&wrong.len())),
            }
        }
    }
}
