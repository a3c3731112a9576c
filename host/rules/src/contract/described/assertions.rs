//! What a schema says of one value by itself: its type, its range, its pattern. Nothing in here descends into a value, but to compare it.
//!
//! The keywords' meaning is a library's. What is taken from it is whether they hold, and which do not; the words are the house's, and
//! repeat nothing that was sent.

use super::document::{Document, Place, Wrong};
use super::types::Types;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{Draft, JsonType, PatternOptions, Retrieve, Uri, Validator};
use serde_json::{Map, Value};

/// The most memory of one compiled pattern, and of the table that it is run with, in bytes.
const PATTERN_BYTES_MAX: usize = 512 << 10;
/// The longest pattern, in bytes.
const PATTERN_TEXT_MAX: usize = 1024;
/// How many bytes of a document's own text are repeated in a reason.
const SHOWN_MAX: usize = 60;

/// Some keywords, ready to be asked.
pub(super) struct Assertions(Validator);

/// A keyword that does not hold.
pub(super) struct Broken {
    pub(super) reason: String,
}

impl Assertions {
    /// Makes keywords ready; `at` is the schema that they stand in.
    ///
    /// # Errors
    /// One of them is not what it must be.
    pub(super) fn new(
        keywords: &Map<String, Value>,
        document: &Document<'_>,
        at: &Place,
    ) -> Result<Self, Wrong> {
        if let Some(Value::String(pattern)) = keywords.get("pattern")
            && pattern.len() > PATTERN_TEXT_MAX
        {
            let why = format!("a pattern has at most {PATTERN_TEXT_MAX} bytes");
            return document.wrong(&at.below("pattern"), why);
        }
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let schema = Value::Object(keywords.clone());
        let built = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .with_retriever(Nothing)
            .build(&schema);
        match built {
            Ok(validator) => Ok(Self(validator)),
            Err(error) => {
                let keyword = error.instance_path().as_str().split('/').nth(1);
                let at = keyword.map_or_else(|| at.clone(), |keyword| at.below(keyword));
                let why = match keyword {
                    Some("pattern") => "is no pattern that is taken here: it must be one that is found in linear time (no look-around, no back references), and not large".to_owned(),
                    _ => format!("is not what JSON Schema 2020-12 has there: {}", short(&error.to_string())),
                };
                document.wrong(&at, why)
            }
        }
    }

    /// Whether all of them hold.
    pub(super) fn hold(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// Those that do not hold.
    pub(super) fn broken(&self, value: &Value) -> Vec<Broken> {
        let errors = self.0.iter_errors(value);
        let broken = errors.map(|error| Broken {
            reason: reason(error.kind()),
        });
        broken.collect()
    }
}

/// Nothing is ever fetched.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(
        &self,
        _uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("nothing outside of the document is read".into())
    }
}

/// What is wrong, in the house's words.
fn reason(kind: &Kind) -> String {
    match kind {
        Kind::Type { kind } => format!("must be {}", types(kind).words()),
        Kind::Enum { options } => one_of(options),
        Kind::Constant { expected_value } => format!("must be {}", shown(expected_value)),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::Pattern { pattern } => format!("must match `{}`", short(pattern)),
        Kind::Format { format } => format!("must be a text of the format `{}`", short(format)),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::UniqueItems => "must not have the same item twice".to_owned(),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::Required { property } => format!("must have {} too", shown(property)),
        _ => "is not what the description says".to_owned(),
    }
}

fn types(kind: &TypeKind) -> Types {
    let one = |ty: JsonType| match ty {
        JsonType::Null => Types::NULL,
        JsonType::Boolean => Types::BOOLEAN,
        JsonType::Integer => Types::WHOLE,
        JsonType::Number => Types::NUMBER,
        JsonType::String => Types::STRING,
        JsonType::Array => Types::ARRAY,
        JsonType::Object => Types::OBJECT,
    };
    match kind {
        TypeKind::Single(ty) => one(*ty),
        TypeKind::Multiple(set) => set.iter().map(one).fold(Types::NONE, Types::or),
    }
}

fn one_of(options: &Value) -> String {
    const NAMED: usize = 8;
    let Value::Array(options) = options else {
        return "must be one of those that the description names".to_owned();
    };
    let mut named: Vec<_> = options.iter().take(NAMED).map(shown).collect();
    if options.len() > NAMED {
        named.push("…".to_owned());
    }
    format!("must be one of {}", named.join(", "))
}

/// A value of the description.
fn shown(value: &Value) -> String {
    format!("`{}`", short(&value.to_string()))
}

/// The beginning of a text.
pub(super) fn short(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        return format!("{shown}…");
    }
    shown
}
