//! The host seen from outside. One binary, because whatever links the engine is slow to link.

mod engine;
