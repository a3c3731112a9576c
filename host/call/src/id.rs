//! The name of a call: a UUID of version 7 (RFC 9562), so that ids sort by the time they were made.

use crate::time::WallTime;
use std::fmt;

/// The id of one call, unique over hosts and restarts. Guests may read it; they never make one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u128);

impl CallId {
    /// Makes an id: 48 bits of wall milliseconds, version, 12 random bits, variant, 62 random bits.
    #[must_use]
    pub fn new(wall: WallTime, random: [u8; 16]) -> Self {
        let random = u128::from_be_bytes(random);
        let low = (random & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        let high = (random >> 64) & 0x0fff;
        Self((u128::from(wall.millis()) & 0xffff_ffff_ffff) << 80 | 0x7 << 76 | high << 64 | low)
    }

    /// The id as the number it is.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// When it was made, to the millisecond, as far as its host's clock knew.
    #[must_use]
    pub const fn made_at(self) -> WallTime {
        WallTime(((self.0 >> 80) as u64) * 1_000)
    }

    /// The 36 characters of the id, without an allocation.
    #[must_use]
    pub fn text(self) -> IdText {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut shift = 128u32;
        for (place, slot) in text.iter_mut().enumerate() {
            if !matches!(place, 8 | 13 | 18 | 23) {
                shift -= 4;
                let digit = usize::try_from((self.0 >> shift) & 0xf).unwrap_or(0);
                *slot = HEX.get(digit).copied().unwrap_or(b'0');
            }
        }
        IdText(text)
    }

    /// Reads an id back from its 36 characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut value = 0u128;
        for (place, byte) in text.bytes().enumerate() {
            if matches!(place, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
            } else {
                value = value << 4 | u128::from(char::from(byte).to_digit(16)?);
            }
        }
        Some(Self(value))
    }
}

/// The text form of a [`CallId`], on the stack.
#[derive(Clone, Copy)]
pub struct IdText([u8; 36]);

impl IdText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_7_uuid_and_reads_back() {
        let id = CallId::new(WallTime(1_700_000_000_123_456), [0xff; 16]);
        assert_eq!(id.to_string(), "018bcfe5-687b-7fff-bfff-ffffffffffff");
        assert_eq!(CallId::parse(&id.to_string()), Some(id));
        assert_eq!(CallId::parse("018bcfe5-687b-7fff-bfff-fffffffffff"), None);
        assert_eq!(CallId::parse("018bcfe5-687b-7fff-bfff-fffffffffffg"), None);
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = CallId::new(WallTime(1_000_000), [0xff; 16]);
        let late = CallId::new(WallTime(1_001_000), [0x00; 16]);
        assert!(early < late);
    }
}
