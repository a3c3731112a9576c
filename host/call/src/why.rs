//! Why a call was made: said by its caller, or inherited, but never empty.

use std::sync::Arc;

/// The reason given for a call, at most 200 characters on one line. It is *claimed*, not witnessed: the host repeats it, and trusts it
/// with nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why(Arc<str>);

/// The longest reason kept; what is beyond it is cut off.
pub const WHY_CHARS_MAX: usize = 200;

impl Why {
    /// A reason in somebody's words: control characters become spaces, the ends are trimmed, the length is bounded. `None` if nothing is
    /// left, so that the next in line is asked.
    #[must_use]
    pub fn claimed(text: &str) -> Option<Self> {
        let line: String = text
            .trim()
            .chars()
            .take(WHY_CHARS_MAX)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let line = line.trim();
        if line.is_empty() {
            None
        } else {
            Some(Self(line.into()))
        }
    }

    /// The same for words that are kept already: those that need no change are shared.
    #[must_use]
    pub fn shared(text: &Arc<str>) -> Option<Self> {
        let plain = |byte: u8| matches!(byte, b'!'..=b'~');
        let whole =
            text.len() <= WHY_CHARS_MAX && text.bytes().all(|byte| byte == b' ' || plain(byte));
        let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
        if whole && ends {
            Some(Self(text.clone()))
        } else {
            Self::claimed(text)
        }
    }

    /// What a call says when neither its caller, nor its parent, nor its route gave a reason.
    #[must_use]
    pub fn undeclared() -> Self {
        Self("undeclared".into())
    }

    /// The reason as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_bounded_line() {
        assert_eq!(
            Why::claimed(" pay\nthe bill ").unwrap().as_str(),
            "pay the bill"
        );
        assert_eq!(Why::claimed(" \r\n\t "), None);
        for (text, shared) in [
            ("GET /a b", true),
            ("", false),
            (" a", false),
            ("a ", false),
            ("a\tb", false),
            ("ä", false),
            (&"x".repeat(WHY_CHARS_MAX), true),
            (&"x".repeat(WHY_CHARS_MAX + 1), false),
        ] {
            let text: Arc<str> = text.into();
            let why = Why::shared(&text);
            assert_eq!(why, Why::claimed(&text), "{text}");
            assert_eq!(
                why.is_some_and(|why| Arc::ptr_eq(&why.0, &text)),
                shared,
                "{text}"
            );
        }
        assert_eq!(
            Why::claimed(&"x".repeat(500)).unwrap().as_str().len(),
            WHY_CHARS_MAX
        );
    }
}
