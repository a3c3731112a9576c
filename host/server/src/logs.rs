//! Lines on their way out.
