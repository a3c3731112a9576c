//! The host seen from outside, in one binary: linking the engine once is enough.

#[cfg(test)]
mod logs;
#[cfg(test)]
mod settings;
