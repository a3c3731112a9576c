//! How much of a test is run: `make test` counts to dozens, `make stress` (`HOLDFAST_SCALE=full`) to what an issue asks for.

/// Whether this is the full run.
pub(crate) fn full() -> bool {
    std::env::var("HOLDFAST_SCALE").is_ok_and(|scale| scale == "full")
}

/// `small` in an ordinary run, `whole` in a full one.
pub(crate) fn scaled(small: usize, whole: usize) -> usize {
    if full() { whole } else { small }
}
