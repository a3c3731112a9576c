//! Granting what a manifest asks for beyond the policy: which lines of `holdfast.toml` change, without touching a comment or the order.
