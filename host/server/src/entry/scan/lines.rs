//! The lines of a head of HTTP/1.1, by the letter of RFC 9110 and 9112: what one parser could read in one way and the next in another is no
//! line.
//!
//! Nothing here keeps anything but how the body is framed; what the fields mean is for those who see the request.

/// The longest method, in bytes; the longest that is registered has 17.
const METHOD_BYTES_MAX: usize = 32;
/// The most digits of a length: a number of 18 digits fits 64 bits, and no body is longer.
const LENGTH_DIGITS_MAX: usize = 18;

/// A line, or what its message says together, breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad;

/// What a head has said of its body so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Framing {
    old: bool,
    length: Option<u64>,
    chunked: bool,
}

/// How the body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frames {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunks,
}

impl Framing {
    /// Reads a request line, without its end.
    pub(super) fn request_line(line: &[u8]) -> Result<Self, Bad> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Bad);
        };
        let old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Bad),
        };
        let method_ok = is_token(method) && method.len() <= METHOD_BYTES_MAX;
        let target_ok = !target.is_empty() && target.iter().all(|byte| is_of_target(*byte));
        if method_ok && target_ok {
            Ok(Self {
                old,
                ..Self::default()
            })
        } else {
            Err(Bad)
        }
    }

    /// Reads a field's line, without its end.
    pub(super) fn field_line(&mut self, line: &[u8]) -> Result<(), Bad> {
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            // Twice the same is refused too: whoever joins the two with a comma has made a list of it.
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            if !digits || value.len() > LENGTH_DIGITS_MAX || self.length.is_some() {
                return Err(Bad);
            }
            self.length = Some(number(value, 10)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.old || self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Bad);
            }
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() {
            return Err(Bad);
        }
        Ok(())
    }

    /// How the body of the message comes whose head has ended.
    pub(super) fn frames(self) -> Frames {
        match (self.chunked, self.length) {
            (true, _) => Frames::Chunks,
            (false, Some(bytes)) if bytes > 0 => Frames::Length(bytes),
            (false, _) => Frames::None,
        }
    }
}

/// The name and the value of a field.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Bad> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Bad)?;
    let (name, value) = line.split_at_checked(colon).ok_or(Bad)?;
    let value = value.get(1..).unwrap_or_default();
    // A name of tokens alone leaves no room for a space before the colon, nor for a line that goes on with the one before it.
    if is_token(name) && value.iter().all(|byte| is_of_value(*byte)) {
        Ok((name, trimmed(value)))
    } else {
        Err(Bad)
    }
}

/// The bytes of the chunk that a size line, without its end, announces.
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, Bad> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    let (size, extension) = line
        .split_at_checked(end.unwrap_or(line.len()))
        .ok_or(Bad)?;
    let extension = trimmed_start(extension);
    let extended = extension.is_empty() && end.is_none() || extension.first() == Some(&b';');
    if !extended || size.is_empty() || size.len() > 16 || !extension.iter().all(|b| is_of_value(*b))
    {
        return Err(Bad);
    }
    let bytes = number(size, 16)?;
    // No sum of sizes can run over with those.
    if bytes >> 60 == 0 {
        Ok(bytes)
    } else {
        Err(Bad)
    }
}

fn number(digits: &[u8], radix: u32) -> Result<u64, Bad> {
    let text = std::str::from_utf8(digits).map_err(|_| Bad)?;
    u64::from_str_radix(text, radix).map_err(|_| Bad)
}

fn is_token(text: &[u8]) -> bool {
    let is = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is)
}

/// What common clients send raw within a target is let through; a fragment, and what ends a target for somebody, is not.
fn is_of_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"#\"<>".contains(&byte)
}

/// Everything but control characters; bytes beyond ASCII have no meaning, and travel as they are.
fn is_of_value(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

fn trimmed(value: &[u8]) -> &[u8] {
    let mut value = trimmed_start(value);
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn trimmed_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}
