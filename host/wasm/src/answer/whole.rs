//! The answer of a durable guest: it is there once the guest has ended, and all of it at once. What the guest does behind its answer
//! belongs to its execution like everything before, and that has come to nothing if the guest dies there.

use super::{answered_error, broken_off, ended, none};
use crate::drained::BODY_BYTES_MAX;
use crate::drive::Driver;
use bytes::{Bytes, BytesMut};
use holdfast_call::{Answer, Body, Failure, FailureKind};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::WasiBody;

/// Drives the guest until it has ended, and makes the answer.
pub(crate) async fn whole(mut driver: Driver, bytes_max: u64) -> Result<Answer, Failure> {
    let life = driver.life().clone();
    let end = ended(&mut driver).await;
    let blamed = |failure| life.blamed(failure);
    let (head, body) = match (life.take_head(), end) {
        (Some(Ok(response)), end) => {
            let (head, raw) = response.into_parts();
            let body = collected(raw, bytes_max).await;
            // That it was stopped in the middle of an answer that is too long may be what it died of.
            let too_long =
                matches!(&body, Err(failure) if matches!(failure.kind, FailureKind::BadResponse));
            if !too_long {
                end.map_err(blamed)?;
            }
            (head, body.map_err(blamed)?)
        }
        (_, Err(failure)) => return Err(blamed(failure)),
        (Some(Err(error)), Ok(())) => return Err(blamed(answered_error(&error))),
        (None, Ok(())) => return Err(blamed(none())),
    };
    Ok(Answer::Http(Response::from_parts(head, body)))
}

/// All of a body, which is all there.
async fn collected(mut raw: WasiBody, bytes_max: u64) -> Result<Body, Failure> {
    let mut bytes = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = raw.frame().await {
        // What was taken beyond the bound comes before the error of a body that was not taken to its end.
        match frame.map_err(|error| broken_off(&error))?.into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        fits(bytes.len() as u64, bytes_max)?;
    }
    Ok(joined(bytes.freeze(), trailers))
}

fn fits(bytes: u64, bytes_max: u64) -> Result<(), Failure> {
    if bytes <= bytes_max.min(BODY_BYTES_MAX) {
        return Ok(());
    }
    let failure = Failure::new(
        FailureKind::BadResponse,
        "the guest answered more bytes than allowed",
    );
    Err(if bytes_max < BODY_BYTES_MAX {
        failure
            .with("key", "limits.response_bytes")
            .with("limit", bytes_max)
    } else {
        failure.with("limit of a durable operation", BODY_BYTES_MAX)
    })
}

fn joined(bytes: Bytes, trailers: Option<HeaderMap>) -> Body {
    match trailers {
        None => Body::whole(bytes),
        Some(trailers) => {
            let trailers = std::future::ready(Some(Ok(trailers)));
            Body::wrap(
                Full::new(bytes).with_trailers(trailers),
                |never| match never {},
            )
        }
    }
}
