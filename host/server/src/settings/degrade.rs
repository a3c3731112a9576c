//! `[services.NAME.degrade]` of the policy: what is answered in the place of a service once a budget that it spends of is nearly spent.

use crate::settings::name::Name;
use crate::settings::reader::Reader;
use crate::settings::source::join;
use crate::settings::units::Raw;
use crate::settings::upstream::within;
use holdfast_rules::budget::Degrade;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The longest answer that stands in a policy, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// `[services.NAME.degrade]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenDegrade {
    pub(crate) answer: Option<String>,
    pub(crate) status: Option<Raw>,
    pub(crate) content_type: Option<String>,
    pub(crate) service: Option<String>,
}

/// Reads it. The other service is one that the policy allows this one to call: it is asked by it.
pub(super) fn check(
    written: WrittenDegrade,
    services: &BTreeSet<Name>,
    path: &str,
    reader: &mut Reader<'_>,
) -> Option<Arc<Degrade>> {
    let key = |name: &str| join(path, name);
    let WrittenDegrade {
        answer,
        status,
        content_type,
        service,
    } = written;
    match (answer, service) {
        (Some(_), Some(_)) | (None, None) => {
            let message = "needs one of the two: `answer`, a text, or `service`, another one that is asked instead";
            reader.wrong(path, message);
            None
        }
        (None, Some(name)) => {
            for (given, name) in [
                (status.is_some(), "status"),
                (content_type.is_some(), "content_type"),
            ] {
                if given {
                    reader.wrong(
                        &key(name),
                        "is that of an `answer`, and here a service answers",
                    );
                }
            }
            let name = reader.take(&key("service"), Name::parse(&name))?;
            if !services.contains(&name) {
                let message = format!(
                    "`{name}` is none that this service may call: name it in `services` here, and in its manifest"
                );
                reader.wrong(&key("service"), message);
            }
            Some(Arc::new(Degrade::Service(name.shared())))
        }
        (Some(text), None) => {
            if text.len() > ANSWER_BYTES_MAX {
                let message = format!("is longer than {ANSWER_BYTES_MAX} bytes");
                reader.wrong(&key("answer"), message);
            }
            let status = reader.or(&key("status"), status, StatusCode::OK, |raw| {
                let number = within(raw.count()?, 200, 599)?;
                let status = u16::try_from(number)
                    .ok()
                    .and_then(|number| StatusCode::from_u16(number).ok());
                status.ok_or_else(|| format!("{number} is no status"))
            });
            let media = "text/plain; charset=utf-8".to_owned();
            let media = content_type.unwrap_or(media);
            let content_type = HeaderValue::try_from(&media)
                .map_err(|_| format!("`{}` is no media type", media.escape_debug()));
            Some(Arc::new(Degrade::Answer {
                status,
                content_type: reader.take(&key("content_type"), content_type)?,
                body: text.into(),
            }))
        }
    }
}

/// What `holdfast policy` says of it.
pub(super) fn shown(degrade: Option<&Degrade>) -> String {
    match degrade {
        None => "none".to_owned(),
        Some(Degrade::Service(name)) => format!("service {name}"),
        Some(Degrade::Answer { status, body, .. }) => {
            format!("{} with {} bytes", status.as_u16(), body.len())
        }
    }
}
