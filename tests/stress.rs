//! One assumption, one file.
