//! What a guest sees of a fault.

use crate::life::Life;
use bytes::Bytes;
use holdfast_call::{Body, Fault, HostCode};
use http::Request;
use http_body_util::BodyExt as _;
use std::sync::Arc;
use wasmtime_wasi_http::Error;

/// The request as its guest sees it. Its life is told if the body breaks off.
pub(crate) fn request(
    request: Request<Body>,
    life: &Arc<Life>,
) -> Request<impl http_body::Body<Data = Bytes, Error = Error> + Send + use<>> {
    let life = life.clone();
    request.map(|body| {
        body.map_err(move |fault| {
            life.input_broke(&fault);
            error_of(&fault)
        })
    })
}

/// What a guest sees of a fault that met its request or a body it reads: a typed error, never a trap. It tells the guest what it can do
/// about it, and nothing of the inside.
pub(crate) fn error_of(fault: &Fault) -> Error {
    let Some(code) = fault.host_code() else {
        return Error::InternalError(None);
    };
    match code {
        HostCode::CapabilityDenied
        | HostCode::Forbidden
        | HostCode::CallsExhausted
        | HostCode::Unauthenticated
        | HostCode::ApprovalRequired
        | HostCode::SecretEchoed => Error::HttpRequestDenied,
        HostCode::LoopDetected => Error::LoopDetected,
        HostCode::NoSuchService | HostCode::NoSuchOperation => Error::DestinationNotFound,
        HostCode::UpstreamUnreachable => Error::DestinationUnavailable,
        HostCode::UpstreamUntrusted => Error::TlsCertificateError,
        HostCode::UpstreamTooLarge => Error::HttpResponseBodySize(None),
        HostCode::UpstreamTimeout | HostCode::DeadlineExceeded => Error::HttpResponseTimeout,
        HostCode::UpstreamFault | HostCode::BadResponse | HostCode::ServiceFault => {
            Error::HttpResponseIncomplete
        }
        HostCode::UpstreamCircuitOpen
        | HostCode::Quarantined
        | HostCode::Draining
        | HostCode::StorageUnavailable => Error::DestinationUnavailable,
        HostCode::Overloaded
        | HostCode::UpstreamThrottled
        | HostCode::RateLimited
        | HostCode::BudgetExhausted
        | HostCode::InProgress
        | HostCode::Indeterminate => Error::ConnectionLimitReached,
        HostCode::PayloadTooLarge => Error::HttpResponseBodySize(None),
        HostCode::InvalidInput
        | HostCode::MethodNotAllowed
        | HostCode::TargetTooLong
        | HostCode::ExpectationFailed
        | HostCode::FieldsTooLarge
        | HostCode::KeyReused => Error::HttpProtocolError,
        HostCode::Cancelled => Error::ConnectionTerminated,
        HostCode::CpuExhausted | HostCode::MemoryExhausted | HostCode::Internal => {
            Error::InternalError(None)
        }
    }
}
