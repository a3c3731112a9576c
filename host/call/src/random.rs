//! The random source as the host sees it.

/// The only source of random bytes there is; seeded in a simulation, the operating system's otherwise.
pub trait Random: Send + Sync {
    /// Sixteen random bytes.
    fn sixteen(&self) -> [u8; 16];

    /// A number drawn evenly from all that there are.
    fn number(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.sixteen();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}
