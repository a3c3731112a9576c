//! The sections of a component that hold what authors say of a WIT package: one for each, `package-docs:NAMESPACE:NAME@VERSION`.
//!
//! The form of what is in one is that of `package-docs` in a WIT package that is binary itself; the name of the package stands in the
//! section's name, since a component has the types of several.

use wasmparser::BinaryReader;

/// What the name of such a section begins with.
pub(crate) const PREFIX: &str = "package-docs:";

/// The bytes before the first section: the magic number and the version.
pub(crate) const PREAMBLE_BYTES: usize = 8;

/// A section that stands in the component itself, and in nothing inside it.
pub(crate) struct Section<'a> {
    /// All of it.
    pub(crate) whole: &'a [u8],
    /// The package and the content, if it is one of those that are meant here.
    pub(crate) said: Option<(&'a str, &'a [u8])>,
}

/// The sections of a component, up to the first that is none.
pub(crate) fn sections(component: &[u8]) -> impl Iterator<Item = Section<'_>> {
    let mut rest = component.get(PREAMBLE_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let mut reader = BinaryReader::new(rest, 0);
        let id = reader.read_u8().ok()?;
        let size = usize::try_from(reader.read_var_u32().ok()?).ok()?;
        let content = reader.read_bytes(size).ok()?;
        let (whole, after) = rest.split_at_checked(reader.original_position())?;
        rest = after;
        let said = (id == 0).then(|| said(content)).flatten();
        Some(Section { whole, said })
    })
}

fn said(content: &[u8]) -> Option<(&str, &[u8])> {
    let mut reader = BinaryReader::new(content, 0);
    let package = reader.read_string().ok()?.strip_prefix(PREFIX)?;
    Some((package, content.get(reader.original_position()..)?))
}
