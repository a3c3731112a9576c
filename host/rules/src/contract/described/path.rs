//! The paths of a description: which of them a request means, and what stands in the place of its parameters.
//!
//! A segment of a path is a text, or a parameter, with a text before and after it if need be (`{name}.json`). What is written out goes
//! before what is a parameter, from the left. Paths are those that the guest sees: behind the service's own mount, `servers` is not read.

use crate::percent::decoded;
use std::cmp::Ordering;

/// The most bytes of a path in a description.
pub(super) const TEMPLATE_BYTES_MAX: usize = 1024;

/// A path with parameters in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    Parameter {
        before: String,
        name: String,
        after: String,
    },
}

impl Template {
    /// Reads a path of a description.
    ///
    /// # Errors
    /// It is none; the words say why.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(format!("a path has at most {TEMPLATE_BYTES_MAX} bytes"));
        }
        let Some(inner) = text.strip_prefix('/') else {
            return Err("a path begins with `/`".to_owned());
        };
        if text.contains(['?', '#']) || text.chars().any(char::is_control) {
            return Err(
                "a path has no query and no fragment: describe those as parameters".to_owned(),
            );
        }
        let segments = inner.split('/').map(Segment::parse);
        let template = Self(segments.collect::<Result<_, _>>()?);
        let mut names: Vec<_> = template.names().collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err("a parameter stands twice in it: give each its own name".to_owned());
        }
        Ok(template)
    }

    /// The names of its parameters.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Parameter { name, .. } => Some(name.as_str()),
            Segment::Text(_) => None,
        })
    }

    /// What stands in the place of each parameter, as it was sent, if `path` is one of these.
    pub(super) fn matched<'p>(&self, path: &'p str) -> Option<Vec<(&str, &'p str)>> {
        let mut found = Vec::new();
        let mut parts = path.strip_prefix('/')?.split('/');
        for segment in &self.0 {
            let part = parts.next()?;
            match segment {
                Segment::Text(text) => {
                    if part != text && decoded(part)? != *text {
                        return None;
                    }
                }
                Segment::Parameter {
                    before,
                    name,
                    after,
                } => {
                    let value = part.strip_prefix(&**before)?.strip_suffix(&**after)?;
                    if value.is_empty() {
                        return None;
                    }
                    found.push((name.as_str(), value));
                }
            }
        }
        parts.next().is_none().then_some(found)
    }

    /// Which of two is asked first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let ranks = |template: &Self| -> Vec<_> { template.0.iter().map(Segment::rank).collect() };
        ranks(self).cmp(&ranks(other))
    }

    /// Whether every path of the one is one of the other: they differ in the names of their parameters at most.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let same = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Text(a), Segment::Text(b)) => a == b,
            (
                Segment::Parameter { before, after, .. },
                Segment::Parameter {
                    before: other_before,
                    after: other_after,
                    ..
                },
            ) => before == other_before && after == other_after,
            (Segment::Text(_), Segment::Parameter { .. })
            | (Segment::Parameter { .. }, Segment::Text(_)) => false,
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        let Some((before, rest)) = text.split_once('{') else {
            if text.contains('}') {
                return Err("a `}` without its `{`".to_owned());
            }
            return match decoded(text) {
                Some(text) => Ok(Self::Text(text)),
                None => Err("its percent-encoding is broken".to_owned()),
            };
        };
        let Some((name, after)) = rest.split_once('}') else {
            return Err("a `{` without its `}`".to_owned());
        };
        if name.is_empty() || after.contains(['{', '}']) || name.contains('{') {
            return Err("a segment has one parameter at most, with a name: `{id}`".to_owned());
        }
        Ok(Self::Parameter {
            before: before.to_owned(),
            name: name.to_owned(),
            after: after.to_owned(),
        })
    }

    /// What is written out goes first; of parameters, the one with more around it.
    fn rank(&self) -> (bool, std::cmp::Reverse<usize>) {
        match self {
            Self::Text(_) => (false, std::cmp::Reverse(0)),
            Self::Parameter { before, after, .. } => {
                (true, std::cmp::Reverse(before.len() + after.len()))
            }
        }
    }
}
