//! A URL that the host itself asks: a path of an upstream, since the host has one way out, and it leads to upstreams: with their addresses,
//! their certificates and their patience.

use crate::settings::name::Name;
use crate::settings::upstream::Upstream;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A path of an upstream of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The upstream's name.
    pub upstream: Name,
    /// Its origin.
    pub origin: Arc<str>,
    /// Path and query.
    pub path: String,
}

impl Place {
    /// The place of a URL; `purpose` says in a few words what the upstream is wanted for.
    ///
    /// # Errors
    /// It is no URL, or no upstream leads there, or whoever stands between could read and change what is sent.
    pub(crate) fn of(
        url: &str,
        upstreams: &BTreeMap<Name, Upstream>,
        purpose: &str,
    ) -> Result<Self, String> {
        let shown = url.escape_debug();
        let uri: http::Uri = url.parse().map_err(|_| format!("`{shown}` is not a URL"))?;
        let origin = holdfast_capabilities::http::Origin::of(&uri);
        let origin = origin
            .map_err(|error| format!("`{shown}`: {error}"))?
            .to_string();
        let mut all = upstreams.values();
        let Some(upstream) = all.find(|upstream| *upstream.origin == *origin) else {
            return Err(format!(
                "no upstream leads there: write [upstreams.NAME] with url = \"{origin}\", {purpose}"
            ));
        };
        if upstream.scheme == http::uri::Scheme::HTTP && upstream.allow_private.is_empty() {
            return Err(
                "would be asked unencrypted: use https, or list the private network in `allow_private` of the upstream"
                    .to_owned(),
            );
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            upstream: upstream.name.clone(),
            origin: upstream.origin.clone(),
            path: path.to_owned(),
        })
    }

    /// The path without its query: what stands behind the question mark may be somebody's secret.
    #[must_use]
    pub fn plain_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.plain_path())
    }
}
