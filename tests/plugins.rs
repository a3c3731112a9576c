//! The plugin directory.
