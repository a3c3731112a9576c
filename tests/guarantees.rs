//! One promise, one file: what is promised, and the test that holds it.
