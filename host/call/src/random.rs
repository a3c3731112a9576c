//! The random source as the host sees it.

/// The only source of random bytes there is; seeded in a simulation, the operating system's otherwise.
pub trait Random: Send + Sync {
    /// Sixteen random bytes.
    fn sixteen(&self) -> [u8; 16];
}
