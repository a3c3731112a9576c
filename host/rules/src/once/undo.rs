//! Undoing a call: the operation that its service has declared for that is given what the call was answered.
//!
//! Over plain HTTP the path is filled in from the answer (`DELETE /orders/{id}` is given the field `id`), and the body is the answer's, but
//! for a DELETE, which has none. A function is given what the other one gave, or nothing where it takes nothing.

use super::field::Fields;
use super::outcome::{Kept, What, read};
use super::values;
use bytes::Bytes;
use holdfast_call::contract::Contract;
use holdfast_call::{Body, Payload, Value};
use http::{HeaderValue, Method, Request, header};
use std::fmt;

/// Why something cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotUndone {
    /// It had failed: there is nothing that is known to have been done.
    Failed(String),
    /// Its answer was too long to be kept.
    NotKept,
    /// What was answered has no such field, or none that stands in a path.
    NoField(String),
    /// The service has no such operation any more.
    Gone(String),
    /// What was kept cannot be read.
    Unreadable,
}

/// What undoes a call that came to `outcome`, by the operation that was declared. `contract` is what its service exports now.
///
/// # Errors
/// It cannot be undone so.
pub fn undoing(
    operation: &str,
    outcome: &[u8],
    contract: Option<&Contract>,
) -> Result<Payload, NotUndone> {
    let (_, what, body) = read(outcome).ok_or(NotUndone::Unreadable)?;
    match what {
        What::Fault { code, .. } => Err(NotUndone::Failed(code)),
        What::Http { status, .. } if status >= 400 => Err(NotUndone::Failed(status.to_string())),
        What::Http {
            kept: Kept::Head, ..
        } => Err(NotUndone::NotKept),
        What::Http { headers, .. } => request(operation, headers, body),
        What::Values(list) => {
            let list: Option<Vec<_>> = list.iter().map(values::read).collect();
            function(operation, list.ok_or(NotUndone::Unreadable)?, contract)
        }
    }
}

fn request(operation: &str, headers: Fields, body: &[u8]) -> Result<Payload, NotUndone> {
    let gone = || NotUndone::Gone(operation.to_owned());
    let (method, template) = operation.split_once(' ').ok_or_else(gone)?;
    let fields: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let segments = template.split('/').map(|segment| {
        let name = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            None => Ok(segment.to_owned()),
            Some(name) => field(&fields, name).ok_or_else(|| NotUndone::NoField(name.to_owned())),
        }
    });
    let path = segments.collect::<Result<Vec<_>, _>>()?.join("/");
    let method: Method = method.parse().map_err(|_| gone())?;
    let mut request = match method {
        Method::DELETE => Request::new(Body::empty()),
        _ => Request::new(Body::whole(Bytes::copy_from_slice(body))),
    };
    let kind = headers
        .into_iter()
        .find(|(name, _)| *name == header::CONTENT_TYPE.as_str());
    if let Some((_, kind)) = kind.filter(|_| method != Method::DELETE)
        && let Ok(kind) = HeaderValue::from_bytes(&kind.into_bytes())
    {
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    *request.uri_mut() = path.parse().map_err(|_| gone())?;
    *request.method_mut() = method;
    Ok(Payload::Http(request))
}

/// A field of what was answered, as a segment of a path. It is one segment, whatever it says.
fn field(fields: &serde_json::Value, name: &str) -> Option<String> {
    let text = match fields.get(name)? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if matches!(&*text, "" | "." | "..") {
        return None;
    }
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                segment.push(char::from(byte));
            }
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(segment)
}

fn function(
    operation: &str,
    mut given: Vec<Value>,
    contract: Option<&Contract>,
) -> Result<Payload, NotUndone> {
    let gone = || NotUndone::Gone(operation.to_owned());
    let known = contract.and_then(|contract| contract.operation(operation));
    let (_, function) = known.ok_or_else(gone)?;
    let given = match given.pop() {
        Some(Value::Result(Ok(value))) => value.map(|value| *value),
        Some(Value::Result(Err(_))) => return Err(NotUndone::Failed("an error".to_owned())),
        other => other,
    };
    let arguments = match (function.params.len(), given) {
        (0, _) => Vec::new(),
        (1, Some(value)) => vec![value],
        _ => return Err(gone()),
    };
    Ok(Payload::Values(operation.into(), arguments))
}

impl fmt::Display for NotUndone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(how) => write!(
                f,
                "it ended in {how}, so there is nothing that is known to have been done"
            ),
            Self::NotKept => f.write_str(
                "its answer was too long to be kept, and is what undoing it begins with",
            ),
            Self::NoField(name) => write!(
                f,
                "what it was answered is no JSON with a text or a number as `{name}`, which stands in the path that undoes it"
            ),
            Self::Gone(operation) => write!(
                f,
                "`{operation}`, which was declared to undo it, is no operation of the service any more"
            ),
            Self::Unreadable => f.write_str("what was kept of it cannot be read"),
        }
    }
}

impl std::error::Error for NotUndone {}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_call::CallId;

    fn kept(status: u16, kept: &str, body: &str) -> Vec<u8> {
        let id = CallId::parse("018f0000-0000-7000-8000-000000000001").unwrap();
        let line = format!(
            "[\"{id}\",{{\"http\":{{\"status\":{status},\"headers\":[[\"content-type\",[97,47,98]]],\"kept\":\"{kept}\"}}}}]\n{body}"
        );
        line.into_bytes()
    }

    fn asked(operation: &str, body: &str) -> Result<(String, String, usize), NotUndone> {
        match undoing(operation, &kept(201, "whole", body), None)? {
            Payload::Http(request) => Ok((
                request.method().to_string(),
                request.uri().to_string(),
                request.body().as_whole().map_or(0, Bytes::len),
            )),
            Payload::Values(..) => panic!("it is a request"),
        }
    }

    #[test]
    fn the_path_is_filled_in_from_the_answer_and_a_field_is_one_segment() {
        for (operation, body, path) in [
            ("DELETE /orders/{id}", r#"{"id":7}"#, "/orders/7"),
            (
                "DELETE /{a}/x/{b}",
                r#"{"a":"p q","b":"\u00e9"}"#,
                "/p%20q/x/%C3%A9",
            ),
            (
                "DELETE /orders/{id}",
                r#"{"id":"../admin?x#y"}"#,
                "/orders/..%2Fadmin%3Fx%23y",
            ),
        ] {
            let asked = asked(operation, body);
            assert_eq!(asked, Ok(("DELETE".to_owned(), path.to_owned(), 0)));
        }
        let (method, path, bytes) = asked("POST /undo", "all of it").unwrap();
        assert_eq!((&*method, &*path, bytes), ("POST", "/undo", 9));
    }

    #[test]
    fn what_cannot_be_undone_says_why() {
        for body in [
            "",
            "[]",
            r#"{"id":""}"#,
            r#"{"id":".."}"#,
            r#"{"id":[1]}"#,
            r#"{"di":1}"#,
        ] {
            let wrong = asked("DELETE /orders/{id}", body);
            assert_eq!(wrong, Err(NotUndone::NoField("id".to_owned())), "{body}");
        }
        let undo = |outcome: &[u8]| undoing("POST /undo", outcome, None).map(|_| ());
        let failed = NotUndone::Failed("404".to_owned());
        assert_eq!(undo(&kept(404, "whole", "")), Err(failed));
        assert_eq!(undo(&kept(200, "head", "")), Err(NotUndone::NotKept));
        assert_eq!(undo(b"x"), Err(NotUndone::Unreadable));
    }
}
