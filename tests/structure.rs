//! The shape of the source.
