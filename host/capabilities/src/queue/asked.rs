//! What a guest says of a message, checked.

use bytes::Bytes;
use holdfast_call::Value;
use holdfast_store::kv::Key;
use holdfast_store::queue::BYTES_MAX;
use std::time::Duration;

/// How many attributes a message has at most.
pub(super) const ATTRIBUTES_MAX: usize = 64;
/// How many bytes its attributes have together at most.
pub(super) const ATTRIBUTES_BYTES_MAX: usize = 16 << 10;
/// The longest type of a body, in bytes.
pub(super) const TYPE_BYTES_MAX: usize = 256;
/// The longest delay.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What a guest says of a message.
pub(super) struct Said {
    pub(super) body: Bytes,
    pub(super) content_type: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) lane: Option<String>,
    pub(super) dedupe: Option<String>,
    pub(super) delay: Duration,
}

/// Reads a message, as `wit/queue.wit` has it.
///
/// # Errors
/// It breaks a rule; which one.
pub(super) fn said(value: &Value) -> Result<Said, String> {
    let Value::Many(fields) = value else {
        return Err(no_message());
    };
    let [
        Value::Bytes(body),
        Value::Option(content_type),
        Value::List(attributes),
        Value::Option(lane),
        Value::Option(dedupe),
        Value::U64(delay),
    ] = fields.as_slice()
    else {
        return Err(no_message());
    };
    if body.len() > BYTES_MAX {
        return Err(format!(
            "the body of a message has at most {BYTES_MAX} bytes, and this one has {}: keep what is large elsewhere, and send its key",
            body.len()
        ));
    }
    let delay = Duration::from_millis(*delay);
    if delay > DELAY_MAX {
        let most = DELAY_MAX.as_millis();
        return Err(format!("a message is delayed by at most {most} ms"));
    }
    Ok(Said {
        body: body.clone(),
        content_type: text(content_type.as_deref())?.map(kind).transpose()?,
        attributes: pairs(attributes)?,
        lane: named("key", lane.as_deref())?,
        dedupe: named("dedupe", dedupe.as_deref())?,
        delay,
    })
}

fn text(value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(no_message()),
    }
}

/// What kind of text a body is.
fn kind(text: String) -> Result<String, String> {
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match !text.is_empty() && text.len() <= TYPE_BYTES_MAX && plain {
        true => Ok(text),
        false => Err(format!(
            "the `content-type` of a message has 1 to {TYPE_BYTES_MAX} visible characters"
        )),
    }
}

/// A name that messages have in common, or that one has for itself.
fn named(what: &str, value: Option<&Value>) -> Result<Option<String>, String> {
    let text = text(value)?;
    let checked = text.map(|text| Key::parse(text).map(|key| key.to_string()));
    let checked = checked.transpose();
    checked.map_err(|why| format!("the `{what}` of a message is like a key: {why}"))
}

fn pairs(list: &[Value]) -> Result<Vec<(String, String)>, String> {
    let pair = |value: &Value| match value {
        Value::Many(pair) => match pair.as_slice() {
            [Value::Text(name), Value::Text(value)] => Ok((name.clone(), value.clone())),
            _ => Err(no_message()),
        },
        _ => Err(no_message()),
    };
    let pairs: Vec<_> = list.iter().map(pair).collect::<Result<_, _>>()?;
    let sizes = pairs.iter().map(|(name, value)| name.len() + value.len());
    if pairs.len() > ATTRIBUTES_MAX || sizes.sum::<usize>() > ATTRIBUTES_BYTES_MAX {
        return Err(format!(
            "a message has at most {ATTRIBUTES_MAX} attributes, of {ATTRIBUTES_BYTES_MAX} bytes together"
        ));
    }
    let spoilt = |text: &String| text.contains('\0');
    match pairs
        .iter()
        .any(|(name, value)| name.is_empty() || spoilt(name) || spoilt(value))
    {
        true => Err("an attribute of a message has a name, and no null byte".to_owned()),
        false => Ok(pairs),
    }
}

fn no_message() -> String {
    "this is no message".to_owned()
}
