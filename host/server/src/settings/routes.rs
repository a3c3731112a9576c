//! Where a service wants to be found: `/exact`, `/x/...`, and either of them on a host of its own (`shop.example.com/...`).

use std::fmt;
use std::sync::Arc;

/// A claim on a part of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The host, in lower case and without a port; every host where it is absent.
    pub host: Option<Arc<str>>,
    /// The path.
    pub path: RoutePath,
}

/// The path of a claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoutePath {
    /// This path and no other.
    Exact(Arc<str>),
    /// Every path that begins so; it ends in `/`.
    Prefix(Arc<str>),
}

impl Route {
    /// The route of a service that names none: `/NAME/...` on every host.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self {
            host: None,
            path: RoutePath::Prefix(format!("/{name}/").into()),
        }
    }

    /// Reads a route.
    ///
    /// # Errors
    /// Says what is wrong with it, as a lower-case fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("`{}` is not a route: {why}", text.escape_debug()));
        let Some(slash) = text.find('/') else {
            return wrong("it needs a path, such as \"/api/...\" or \"shop.example.com/...\"");
        };
        let (host, path) = text.split_at(slash);
        if let Err(why) = check_host(host) {
            return wrong(why);
        }
        if let Err(why) = check_path(path) {
            return wrong(why);
        }
        let path = match path.strip_suffix("...") {
            Some(prefix) => RoutePath::Prefix(prefix.into()),
            None => RoutePath::Exact(path.into()),
        };
        let host = (!host.is_empty()).then(|| host.into());
        Ok(Self { host, path })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host.as_deref().unwrap_or_default())?;
        match &self.path {
            RoutePath::Exact(path) => f.write_str(path),
            RoutePath::Prefix(path) => write!(f, "{path}..."),
        }
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Ok(());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if host.contains(':') {
        return Err("a host stands without scheme and port");
    }
    if host.len() > 253 || !host.split('.').all(label) {
        return Err("the host must be a name of lower-case labels");
    }
    if host == "internal" || host.ends_with(".internal") {
        return Err("names under `internal` belong to calls between services");
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let rest = path.strip_suffix("...").unwrap_or(path);
    if rest.contains("...") || (rest.len() < path.len() && !rest.ends_with('/')) {
        return Err("`...` stands alone, after the last `/`");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()+,;=:@%".contains(&b);
    if !rest.bytes().all(plain) {
        return Err("the path holds characters that a request's path cannot");
    }
    if rest.contains("//") || rest.split('/').any(|part| part == "." || part == "..") {
        return Err("the path must be plain: no `//`, `.` or `..`");
    }
    Ok(())
}
