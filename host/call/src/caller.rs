//! Who asks: a chain from the outside principal through every service on the way.

use crate::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;

/// The header by which a service is told who asks, as the chain reads; absent where that is a stranger alone. The host writes it, and
/// takes away what anybody else writes there.
pub const CALLER_HEADER: HeaderName = HeaderName::from_static("holdfast-caller");

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Somebody from outside whom nobody vouched for.
    Anonymous,
    /// Somebody from outside who proved who he is.
    Principal(Arc<Principal>),
    /// The owner of the data directory, known by the socket's peer credentials.
    Operator {
        /// The user id of the peer.
        uid: u32,
    },
    /// A service, asking while it served a call.
    Service(Arc<str>),
    /// The host itself, for an end of its own that the policy names.
    Host,
}

impl Link {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(':') {
            None if text == "anonymous" => Self::Anonymous,
            None if text == "host" => Self::Host,
            Some(("principal", name)) => Self::Principal(Arc::new(Principal {
                name: name.into(),
                proof: "before".into(),
                scopes: Arc::new([]),
            })),
            Some(("operator", uid)) => Self::Operator {
                uid: uid.parse().ok()?,
            },
            Some(("service", name)) => Self::Service(name.into()),
            None | Some(_) => return None,
        })
    }
}

/// Who asks for a call, outermost first. It is carried by the host, so a guest can neither shorten nor forge it.
#[derive(Clone, Debug)]
pub struct Caller {
    links: Arc<[Link]>,
}

impl Caller {
    /// A call that nobody stands before.
    #[must_use]
    pub fn outside(link: Link) -> Self {
        Self {
            links: Arc::new([link]),
        }
    }

    /// The chain that a text says, as this host once wrote it. Whoever stands first in it proved then who he was; his proof is none any more,
    /// and good for nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let links = text.split(" > ").map(Link::parse);
        Some(Self {
            links: links.collect::<Option<_>>()?,
        })
    }

    /// The chain with one more service at its end.
    #[must_use]
    pub fn through(&self, service: &Arc<str>) -> Self {
        let links = self
            .links
            .iter()
            .cloned()
            .chain([Link::Service(service.clone())])
            .collect();
        Self { links }
    }

    /// Writes the chain where the service that is asked reads it, over whatever stands there.
    pub fn tell(&self, headers: &mut HeaderMap) {
        // Names of services and principals are plain, so the text is a header's.
        match HeaderValue::try_from(self.to_string()) {
            Ok(value) if *self.links != [Link::Anonymous] => {
                headers.insert(CALLER_HEADER, value);
            }
            Ok(_) | Err(_) => {
                headers.remove(CALLER_HEADER);
            }
        }
    }

    /// The links, outermost first.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// How often `service` stands in the chain: what bounds calls to oneself.
    #[must_use]
    pub fn passes(&self, service: &str) -> usize {
        self.links
            .iter()
            .filter(|link| matches!(link, Link::Service(name) if **name == *service))
            .count()
    }

    /// The service that asks, if the last link is one.
    #[must_use]
    pub fn service(&self) -> Option<&Arc<str>> {
        match self.links.last() {
            Some(Link::Service(name)) => Some(name),
            Some(Link::Anonymous | Link::Principal(_) | Link::Operator { .. } | Link::Host)
            | None => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, link) in self.links.iter().enumerate() {
            if place > 0 {
                f.write_str(" > ")?;
            }
            match link {
                Link::Anonymous => f.write_str("anonymous")?,
                Link::Principal(principal) => write!(f, "principal:{}", principal.name)?,
                Link::Operator { uid } => write!(f, "operator:{uid}")?,
                Link::Service(name) => write!(f, "service:{name}")?,
                Link::Host => f.write_str("host")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_reads_from_the_outside_in() {
        let caller = Caller::outside(Link::Anonymous)
            .through(&"front".into())
            .through(&"notes".into());
        assert_eq!(
            caller.to_string(),
            "anonymous > service:front > service:notes"
        );
        let mut headers = HeaderMap::new();
        headers.insert(CALLER_HEADER, HeaderValue::from_static("principal:root"));
        Caller::outside(Link::Anonymous).tell(&mut headers);
        assert!(headers.is_empty());
        caller.tell(&mut headers);
        assert_eq!(
            headers[CALLER_HEADER],
            "anonymous > service:front > service:notes"
        );
        assert_eq!(caller.passes("front"), 1);
        for text in [
            "anonymous > service:front",
            "principal:ci:main > service:a",
            "operator:0",
            "host",
        ] {
            assert_eq!(Caller::parse(text).unwrap().to_string(), text);
        }
        assert!(Caller::parse("anonymous > nobody:at all").is_none());
        assert_eq!(caller.service().map(|name| &**name), Some("notes"));
    }
}
