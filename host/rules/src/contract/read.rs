//! From JSON to values of a type. All that is wrong is said, each with the place where it stands (a JSON pointer, RFC 6901).
//!
//! The mapping, of which [`write`](super::write) is the other half:
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool` | `true`, `false` |
//! | `u8` to `u32`, `s8` to `s32` | a number |
//! | `u64`, `s64` | its digits as a string, because many readers know no such numbers; a number is taken too |
//! | `f32`, `f64` | a number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `char`, `string` | a string |
//! | `list<u8>` | a string in base64 (RFC 4648, with padding) |
//! | `list<T>`, `tuple<…>` | an array |
//! | a record | an object; a field that is an `option` may be left out |
//! | `option<T>` | `null`, or as `T`; where `T` itself may be `null`, `{"some": …}` |
//! | a variant | `{"case": …}`; `"case"` for one that carries nothing |
//! | an enum | a string |
//! | flags | an array of the names that are set |
//! | `result<T, E>` | `{"ok": …}` or `{"error": …}`; `null` for what carries nothing |

use super::json::Json;
use data_encoding::BASE64;
use holdfast_call::contract::{Case, Field, Function, Type};
use holdfast_call::{Value, Violation};
use std::fmt::Write as _;
use std::sync::Arc;

/// The most violations that are told of one text.
pub const VIOLATIONS_MAX: usize = 20;

/// Numbers of this size and below are whole in an `f64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads what a function takes: an object with a member for each of its parameters.
///
/// # Errors
/// All that is wrong with it, up to [`VIOLATIONS_MAX`].
pub fn arguments(text: &[u8], function: &Function) -> Result<Vec<Value>, Vec<Violation>> {
    // Who gives nothing to a function that takes nothing need not write it down.
    let text = if text.is_empty() { b"{}" } else { text };
    read(text, |reader, json| reader.fields(json, &function.params))
}

/// Takes what stands in something else than one JSON text, a name with what is given to it each.
pub(super) fn given(
    given: Vec<(String, Json)>,
    function: &Function,
) -> Result<Vec<Value>, Vec<Violation>> {
    with(|reader| reader.fields(Json::Map(given), &function.params))
}

/// Reads one value.
///
/// # Errors
/// All that is wrong with it, up to [`VIOLATIONS_MAX`].
pub fn value(text: &[u8], ty: &Type) -> Result<Value, Vec<Violation>> {
    read(text, |reader, json| reader.value(json, ty))
}

fn read<T>(
    text: &[u8],
    read: impl FnOnce(&mut Reader, Json) -> Option<T>,
) -> Result<T, Vec<Violation>> {
    with(|reader| match Json::parse(text) {
        Ok(json) => read(reader, json),
        Err(error) => reader.wrong(format!("is not JSON that is taken here: {error}")),
    })
}

fn with<T>(read: impl FnOnce(&mut Reader) -> Option<T>) -> Result<T, Vec<Violation>> {
    let mut reader = Reader::default();
    match read(&mut reader) {
        Some(read) if reader.violations.is_empty() => Ok(read),
        _ => Err(reader.violations),
    }
}

/// Whether a value of this type can be `null`.
pub(super) fn is_nullable(ty: &Type) -> bool {
    matches!(ty, Type::Option(_))
}

/// One step of the way to where something stands.
enum Step {
    Name(Arc<str>),
    Place(usize),
}

#[derive(Default)]
struct Reader {
    path: Vec<Step>,
    violations: Vec<Violation>,
}

impl Reader {
    /// Notes what is wrong here.
    fn wrong<T>(&mut self, reason: impl Into<String>) -> Option<T> {
        if !self.is_full() {
            let mut pointer = String::new();
            for step in &self.path {
                // Writing to a string cannot fail.
                let _ = match step {
                    Step::Name(name) => write!(pointer, "/{}", escaped(name)),
                    Step::Place(place) => write!(pointer, "/{place}"),
                };
            }
            self.violations.push(Violation {
                pointer,
                reason: reason.into(),
            });
        }
        None
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX
    }

    fn within<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.path.push(step);
        let read = read(self);
        self.path.pop();
        read
    }

    fn value(&mut self, json: Json, ty: &Type) -> Option<Value> {
        match (ty, json) {
            (_, Json::Broken(why)) => self.wrong(why),
            (Type::Bool, Json::Bool(value)) => Some(Value::Bool(value)),
            (Type::U8, json) => self.whole(&json, Value::U8, "0 to 255"),
            (Type::U16, json) => self.whole(&json, Value::U16, "0 to 65535"),
            (Type::U32, json) => self.whole(&json, Value::U32, "0 to 4294967295"),
            (Type::S8, json) => self.whole(&json, Value::S8, "-128 to 127"),
            (Type::S16, json) => self.whole(&json, Value::S16, "-32768 to 32767"),
            (Type::S32, json) => self.whole(&json, Value::S32, "-2147483648 to 2147483647"),
            (Type::U64, json) => self.digits(&json, Value::U64, "0 to 18446744073709551615"),
            (Type::S64, json) => {
                let range = "-9223372036854775808 to 9223372036854775807";
                self.digits(&json, Value::S64, range)
            }
            (Type::F32, json) => self.float(&json, |value| {
                let narrow = value as f32;
                (narrow.is_finite() || !value.is_finite()).then_some(Value::F32(narrow))
            }),
            (Type::F64, json) => self.float(&json, |value| Some(Value::F64(value))),
            (Type::Char, Json::Text(text)) => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) => Some(Value::Char(only)),
                    _ => self.wrong("must be a string of exactly one character"),
                }
            }
            (Type::Text, Json::Text(text)) => Some(Value::Text(text)),
            (Type::Bytes, Json::Text(text)) => match from_base64(&text) {
                Some(bytes) => Some(Value::Bytes(bytes.into())),
                None => self.wrong("must be bytes in base64, with padding"),
            },
            (Type::List(item), Json::List(list)) => self.list(list, item).map(Value::List),
            (Type::Option(_), Json::Null) => Some(Value::Option(None)),
            (Type::Option(some), json) => self.some(json, some),
            (Type::Result(ok, err), Json::Map(map)) => {
                self.result(map, ok.as_deref(), err.as_deref())
            }
            (Type::Tuple(types), Json::List(list)) => self.tuple(list, types).map(Value::Many),
            (Type::Record(fields), json @ Json::Map(_)) => {
                self.fields(json, fields).map(Value::Many)
            }
            (Type::Variant(cases), json) => self.variant(json, cases),
            (Type::Enum(names), Json::Text(text)) => match place(names, &text) {
                Some(place) => Some(Value::Case(place, None)),
                None => self.wrong(format!("must be one of {}", named(names.iter()))),
            },
            (Type::Flags(names), Json::List(list)) => self.flags(list, names),
            (ty, _) => self.wrong(format!("must be {}", form(ty))),
        }
    }

    fn whole<T: TryFrom<i128>>(
        &mut self,
        json: &Json,
        make: impl FnOnce(T) -> Value,
        range: &str,
    ) -> Option<Value> {
        let whole = match json {
            Json::Whole(whole) => Some(*whole),
            // `1.0` and `1e2` are whole numbers too, as long as it is certain which.
            Json::Float(float) if float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
                Some(*float as i128)
            }
            _ => None,
        };
        match whole.and_then(|whole| T::try_from(whole).ok()) {
            Some(value) => Some(make(value)),
            None => self.wrong(format!("must be a whole number, {range}")),
        }
    }

    fn digits<T: TryFrom<i128>>(
        &mut self,
        json: &Json,
        make: impl FnOnce(T) -> Value,
        range: &str,
    ) -> Option<Value> {
        let Json::Text(text) = json else {
            return self.whole(json, make, range);
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain =
            (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let whole = text.parse::<i128>().ok().filter(|_| plain);
        match whole.and_then(|whole| T::try_from(whole).ok()) {
            Some(value) => Some(make(value)),
            None => self.wrong(format!("must be a whole number in digits, {range}")),
        }
    }

    fn float(&mut self, json: &Json, make: impl FnOnce(f64) -> Option<Value>) -> Option<Value> {
        let value = match json {
            Json::Float(float) => Some(*float),
            Json::Whole(whole) => Some(*whole as f64),
            Json::Text(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            _ => None,
        };
        match value.and_then(make) {
            Some(value) => Some(value),
            None => {
                self.wrong("must be a number that fits, or \"NaN\", \"Infinity\" or \"-Infinity\"")
            }
        }
    }

    fn some(&mut self, json: Json, some: &Type) -> Option<Value> {
        if !is_nullable(some) {
            return self
                .value(json, some)
                .map(|value| Value::Option(Some(value.into())));
        }
        let Some(json) = only(json, "some") else {
            return self.wrong("must be null, or an object with nothing but `some`");
        };
        self.within(Step::Name("some".into()), |reader| {
            reader
                .value(json, some)
                .map(|value| Value::Option(Some(value.into())))
        })
    }

    fn result(
        &mut self,
        map: Vec<(String, Json)>,
        ok: Option<&Type>,
        err: Option<&Type>,
    ) -> Option<Value> {
        let mut entries = map.into_iter();
        let (Some((name, json)), None) = (entries.next(), entries.next()) else {
            return self.wrong("must be an object with either `ok` or `error`");
        };
        match &*name {
            "ok" => self
                .carried("ok", json, ok)
                .map(|value| Value::Result(Ok(value))),
            "error" => self
                .carried("error", json, err)
                .map(|value| Value::Result(Err(value))),
            _ => self.wrong("must be an object with either `ok` or `error`"),
        }
    }

    /// What a result carries; `null` if that is nothing.
    fn carried(&mut self, name: &str, json: Json, ty: Option<&Type>) -> Option<Option<Box<Value>>> {
        self.within(Step::Name(name.into()), |reader| match (ty, json) {
            (Some(ty), json) => reader.value(json, ty).map(|value| Some(value.into())),
            (None, Json::Null) => Some(None),
            (None, _) => reader.wrong("must be null: it carries nothing"),
        })
    }

    fn list(&mut self, list: Vec<Json>, item: &Type) -> Option<Vec<Value>> {
        let mut values = Vec::with_capacity(list.len());
        for (place, json) in list.into_iter().enumerate() {
            values.extend(self.within(Step::Place(place), |reader| reader.value(json, item)));
            if self.is_full() {
                return None;
            }
        }
        Some(values)
    }

    fn tuple(&mut self, list: Vec<Json>, types: &[Type]) -> Option<Vec<Value>> {
        if list.len() != types.len() {
            return self.wrong(format!("must be an array of exactly {}", types.len()));
        }
        let mut values = Vec::with_capacity(list.len());
        for (place, (json, ty)) in list.into_iter().zip(types).enumerate() {
            values.extend(self.within(Step::Place(place), |reader| reader.value(json, ty)));
        }
        Some(values)
    }

    fn fields(&mut self, json: Json, fields: &[Field]) -> Option<Vec<Value>> {
        let Json::Map(map) = json else {
            return self.wrong(format!(
                "must be an object with {}",
                named(fields.iter().map(|field| &field.name))
            ));
        };
        let mut found: Vec<Option<Json>> = fields.iter().map(|_| None).collect();
        for (name, json) in map {
            let place = fields.iter().position(|field| *field.name == *name);
            let slot = place.and_then(|place| found.get_mut(place));
            let wrong = match slot {
                Some(slot) => slot
                    .replace(json)
                    .is_some()
                    .then(|| "stands there twice".to_owned()),
                None if fields.is_empty() => Some("is not known here: nothing is taken".to_owned()),
                None => {
                    let known = named(fields.iter().map(|field| &field.name));
                    Some(format!("is not known here: {known}"))
                }
            };
            if let Some(wrong) = wrong {
                self.within(Step::Name(name.into()), |reader| reader.wrong::<()>(wrong));
            }
            if self.is_full() {
                return None;
            }
        }
        let mut values = Vec::with_capacity(fields.len());
        for (json, field) in found.into_iter().zip(fields) {
            let value = self.within(Step::Name(field.name.clone()), |reader| match json {
                Some(json) => reader.value(json, &field.ty),
                None if is_nullable(&field.ty) => Some(Value::Option(None)),
                None => reader.wrong("is required"),
            });
            values.extend(value);
        }
        Some(values)
    }

    fn variant(&mut self, json: Json, cases: &[Case]) -> Option<Value> {
        let names = || named(cases.iter().map(|case| &case.name));
        let at = |name: &str| {
            let place = cases.iter().position(|case| *case.name == *name)?;
            Some((u32::try_from(place).ok()?, cases.get(place)?.ty.as_ref()))
        };
        match json {
            Json::Text(name) => match at(&name) {
                Some((place, None)) => Some(Value::Case(place, None)),
                Some((_, Some(_))) => {
                    self.wrong("carries something: it must be an object with the case's name")
                }
                None => self.wrong(format!("must be one of {}", names())),
            },
            Json::Map(map) => {
                let mut entries = map.into_iter();
                let (Some((name, json)), None) = (entries.next(), entries.next()) else {
                    return self.wrong(format!("must be an object with one of {}", names()));
                };
                match at(&name) {
                    Some((place, Some(ty))) => self.within(Step::Name(name.into()), |reader| {
                        let carried = reader.value(json, ty)?;
                        Some(Value::Case(place, Some(carried.into())))
                    }),
                    Some((_, None)) => {
                        self.wrong("carries nothing: it must be the case's name as a string")
                    }
                    None => self.wrong(format!("must be an object with one of {}", names())),
                }
            }
            _ => self.wrong(format!("must be one of {}", names())),
        }
    }

    fn flags(&mut self, list: Vec<Json>, names: &[Arc<str>]) -> Option<Value> {
        let mut set = vec![false; names.len()];
        for (at, json) in list.into_iter().enumerate() {
            let known = match &json {
                Json::Text(text) => place(names, text),
                _ => None,
            };
            let slot = known.and_then(|place| set.get_mut(place as usize));
            let wrong = match slot {
                Some(slot) if *slot => Some("is set twice".to_owned()),
                Some(slot) => {
                    *slot = true;
                    None
                }
                None => Some(format!("must be one of {}", named(names.iter()))),
            };
            if let Some(wrong) = wrong {
                self.within(Step::Place(at), |reader| reader.wrong::<()>(wrong));
            }
            if self.is_full() {
                return None;
            }
        }
        let set = set.into_iter().zip(0..).filter(|(set, _)| *set);
        Some(Value::Flags(set.map(|(_, place)| place).collect()))
    }
}

/// The one member of an object, if it is called this.
fn only(json: Json, name: &str) -> Option<Json> {
    let Json::Map(map) = json else { return None };
    let mut entries = map.into_iter();
    match (entries.next(), entries.next()) {
        (Some((found, json)), None) if found == name => Some(json),
        _ => None,
    }
}

/// The bytes of one text in base64. The library takes several that stand behind each other, each with its padding: those are none.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let is_one = !text.trim_end_matches('=').contains('=');
    BASE64.decode(text.as_bytes()).ok().filter(|_| is_one)
}

fn place(names: &[Arc<str>], name: &str) -> Option<u32> {
    let place = names.iter().position(|known| **known == *name)?;
    u32::try_from(place).ok()
}

/// Names for people, not more of them than help.
fn named<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> String {
    const SHOWN: usize = 16;
    let mut names = names.map(|name| format!("`{name}`"));
    let mut shown: Vec<_> = names.by_ref().take(SHOWN).collect();
    if names.next().is_some() {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// What JSON has for a type, in words.
fn form(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "true or false",
        Type::U8 | Type::U16 | Type::U32 | Type::S8 | Type::S16 | Type::S32 => "a whole number",
        Type::U64 | Type::S64 => "a whole number, or its digits as a string",
        Type::F32 | Type::F64 => "a number",
        Type::Char => "a string of exactly one character",
        Type::Text | Type::Enum(_) => "a string",
        Type::Bytes => "bytes in base64, as a string",
        Type::List(_) | Type::Tuple(_) => "an array",
        Type::Flags(_) => "an array of names",
        Type::Record(_) => "an object",
        Type::Result(..) => "an object with either `ok` or `error`",
        Type::Option(_) => "null or a value",
        Type::Variant(_) => "a case",
    }
}

/// A name as it stands in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
