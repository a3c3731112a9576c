//! The plugin directory: what lies in it is served, once it is whole and for as long as it lies there.

mod control;
mod directory;
mod service;
mod serving;
