//! The host seen from outside: one binary, because whatever links the engine is slow to link.

/// The engine's side: pool, limits, memory, lane, cache, verification.
mod engine;
/// The gateway, with native implementations behind it.
mod gateway;
/// No import goes round the pipeline.
mod no_bypass;
/// The plugin directory.
mod plugins;
