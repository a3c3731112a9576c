//! `[services.NAME.degrade]` of the policy: what is answered in the place of a service once a budget that it spends of is nearly spent.

use crate::settings::name::Name;
use crate::settings::reader::Reader;
use crate::settings::source::join;
use crate::settings::units::{Raw, duration_text};
use crate::settings::upstream::within;
use holdfast_rules::budget::{Degrade, Instead};
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
    pub(crate) cached: Option<Raw>,
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
    let key = join(path, "cached");
    let cached = written.cached.clone().map(|raw| raw.up_to_a_week());
    let cached = cached.and_then(|span| reader.take(&key, span));
    let instead = match (&written.answer, &written.service) {
        (Some(_), Some(_)) => {
            let message = "needs one of the two: `answer`, a text, or `service`, another one that is asked instead";
            reader.wrong(path, message);
            return None;
        }
        (None, None) if written.cached.is_none() => {
            let message = "needs one of the three: `cached`, how old its own answers may be that are given again, `answer`, a text, or \
                           `service`, another one that is asked instead";
            reader.wrong(path, message);
            return None;
        }
        (Some(_), None) => Some(answer(written, path, reader)?),
        (None, _) => {
            for (given, name) in [
                (written.status.is_some(), "status"),
                (written.content_type.is_some(), "content_type"),
            ] {
                if given {
                    let message = "is that of an `answer`, and here is none";
                    reader.wrong(&join(path, name), message);
                }
            }
            match written.service {
                Some(name) => Some(service(&name, services, path, reader)?),
                None => None,
            }
        }
    };
    Some(Arc::new(Degrade { cached, instead }))
}

fn service(
    name: &str,
    services: &BTreeSet<Name>,
    path: &str,
    reader: &mut Reader<'_>,
) -> Option<Instead> {
    let key = join(path, "service");
    let name = reader.take(&key, Name::parse(name))?;
    if !services.contains(&name) {
        let message = format!(
            "`{name}` is none that this service may call: name it in `services` here, and in its manifest"
        );
        reader.wrong(&key, message);
    }
    Some(Instead::Service(name.shared()))
}

fn answer(written: WrittenDegrade, path: &str, reader: &mut Reader<'_>) -> Option<Instead> {
    let text = written.answer?;
    if text.len() > ANSWER_BYTES_MAX {
        let message = format!("is longer than {ANSWER_BYTES_MAX} bytes");
        reader.wrong(&join(path, "answer"), message);
    }
    let key = join(path, "status");
    let status = reader.or(&key, written.status, StatusCode::OK, |raw| {
        let number = within(raw.count()?, 200, 599)?;
        let status = u16::try_from(number)
            .ok()
            .and_then(|number| StatusCode::from_u16(number).ok());
        status.ok_or_else(|| format!("{number} is no status"))
    });
    let media = "text/plain; charset=utf-8".to_owned();
    let media = written.content_type.unwrap_or(media);
    let content_type = HeaderValue::try_from(&media)
        .map_err(|_| format!("`{}` is no media type", media.escape_debug()));
    Some(Instead::Answer {
        status,
        content_type: reader.take(&join(path, "content_type"), content_type)?,
        body: text.into(),
    })
}

/// What `holdfast policy` says of it.
pub(super) fn shown(degrade: Option<&Degrade>) -> String {
    let Some(Degrade { cached, instead }) = degrade else {
        return "none".to_owned();
    };
    let cached = cached.map(|age| {
        let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        format!("its own answers up to {} old", duration_text(nanos))
    });
    let instead = instead.as_ref().map(|instead| match instead {
        Instead::Service(name) => format!("service {name}"),
        Instead::Answer { status, body, .. } => {
            format!("{} with {} bytes", status.as_u16(), body.len())
        }
    });
    let all: Vec<_> = cached.into_iter().chain(instead).collect();
    all.join(", then ")
}
