//! What a typed service without an HTTP front of its own shows of its contract. No guest runs for it.

use super::Settings;
use super::openapi::{self, About, DOCUMENT_BYTES_MAX, TooLong};
use super::refusals::refused;
use bytes::Bytes;
use holdfast_call::{Body, Fault, HostCode};
use http::{HeaderValue, Response, header};
use std::sync::OnceLock;

/// Where a typed service shows its contract as WIT.
pub const WIT_PATH: &str = "/wit";
/// Where it shows the contract as an OpenAPI document.
pub const OPENAPI_PATH: &str = "/openapi.json";

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What one version of a service shows to programs: a document, made when somebody first asks for it, and then kept.
#[derive(Debug, Default)]
pub struct Shown {
    about: About,
    document: OnceLock<Result<Bytes, TooLong>>,
}

impl Shown {
    /// What a service shows of which this is said beside its contract.
    #[must_use]
    pub fn new(about: About) -> Self {
        Self {
            about,
            document: OnceLock::new(),
        }
    }

    /// What is said beside the contract.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }
}

/// One page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The contract, for people.
    Wit,
    /// The contract, for programs.
    OpenApi,
}

impl Page {
    /// The page at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            WIT_PATH => Some(Self::Wit),
            OPENAPI_PATH => Some(Self::OpenApi),
            _ => None,
        }
    }

    /// What it shows.
    ///
    /// # Errors
    /// It would be too long.
    pub(super) fn show(self, settings: &Settings) -> Result<Response<Body>, Fault> {
        let Settings {
            contract,
            safe,
            shown,
            ..
        } = settings;
        let (text, kind) = match self {
            Self::Wit => (contract.wit.as_bytes().to_vec().into(), TEXT),
            Self::OpenApi => {
                let make = || openapi::document(contract, safe, &shown.about).map(Bytes::from);
                let document = shown.document.get_or_init(make);
                (document.clone().map_err(too_long)?, super::JSON)
            }
        };
        let mut response = Response::new(Body::whole(text));
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    }
}

fn too_long(_: TooLong) -> Fault {
    let limit = format!("{DOCUMENT_BYTES_MAX} bytes");
    let detail = format!(
        "The description of this service would have more than {limit}; its contract is at {WIT_PATH}."
    );
    let (code, seen) = (HostCode::NoSuchOperation, "more bytes".to_owned());
    refused(code, detail, seen, limit)
}
