//! W3C Trace Context: which trace a call belongs to, and which span of it the call is.

use std::fmt::Write as _;

/// The trace of a call: continued from a trusted caller's `traceparent`, else started by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace's id; never zero.
    pub trace_id: u128,
    /// The id of this call's span; never zero.
    pub span_id: u64,
    /// The caller's flags; bit 0 is `sampled`.
    pub flags: u8,
}

impl Trace {
    /// Starts a trace of its own.
    #[must_use]
    pub fn start(trace: [u8; 16], span: [u8; 16]) -> Self {
        Self {
            trace_id: u128::from_be_bytes(trace).max(1),
            span_id: span_of(span),
            flags: 1,
        }
    }

    /// The same trace, with a span of its own.
    #[must_use]
    pub fn child(self, random: [u8; 16]) -> Self {
        Self {
            span_id: span_of(random),
            ..self
        }
    }

    /// Reads a `traceparent` header (version 00, or a later one's first four fields); `None` if it is not one.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut fields = header.trim().split('-');
        let (version, trace, span, flags) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let lower_hex = |s: &str, len| {
            s.len() == len && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !(lower_hex(version, 2)
            && lower_hex(trace, 32)
            && lower_hex(span, 16)
            && lower_hex(flags, 2))
        {
            return None;
        }
        if version == "ff" || (version == "00" && fields.next().is_some()) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        Some(Self {
            trace_id,
            span_id,
            flags: u8::from_str_radix(flags, 16).ok()? & 1,
        })
    }

    /// The `traceparent` header that says so.
    #[must_use]
    pub fn header(self) -> String {
        let mut text = String::with_capacity(55);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        );
        text
    }
}

fn span_of(random: [u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = random;
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_what_was_written() {
        let trace =
            Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(
            trace.header(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        );
        assert_eq!(trace.child([7; 16]).trace_id, trace.trace_id);
    }

    #[test]
    fn what_is_not_a_traceparent_is_refused() {
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        ] {
            assert_eq!(Trace::parse(bad), None, "{bad}");
        }
    }
}
