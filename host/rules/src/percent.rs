//! Percent-encoding, read strictly: what is no encoding of UTF-8 is nothing. And loosely, as whoever is to be guarded against may read it.

/// A text without its percent-encoding; `None` if that is broken, or no UTF-8 behind it.
pub(crate) fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The same of a part of a query, where a `+` is a space, as forms have it.
pub(crate) fn form_decoded(text: &str) -> Option<String> {
    decoded(&text.replace('+', " "))
}

/// Bytes without their percent-encoding as a careless reader takes it off: what is none stays as it stands.
pub(crate) fn loosely_decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let encoded = match behind {
            [high, low, after @ ..] if *first == b'%' => {
                let byte = hex(*high).zip(hex(*low));
                byte.map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, after) = encoded.unwrap_or((*first, behind));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_careless_reader_leaves_what_is_no_encoding() {
        for (text, meant) in [
            ("", &b""[..]),
            ("%41%C3%a9%2541", b"A\xc3\xa9%41"),
            ("%ff%00%4", b"\xff\0%4"),
            ("%%41%g1%", b"%A%g1%"),
        ] {
            assert_eq!(loosely_decoded(text.as_bytes()), meant, "{text}");
        }
    }

    #[test]
    fn what_is_no_encoding_of_a_text_is_nothing() {
        for (text, meant) in [
            ("", ""),
            ("a b", "a b"),
            ("%41%c3%a9%C3%A9", "A\u{e9}\u{e9}"),
            ("%2541", "%41"),
            ("1+1", "1+1"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(meant), "{text}");
        }
        assert_eq!(form_decoded("1+%2B+1").as_deref(), Some("1 + 1"));
        for text in ["%", "%4", "%g1", "%+1", "%ff", "a%c3"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
