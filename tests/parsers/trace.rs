//! `traceparent` and `holdfast-why`: what strangers say of a call.

use holdfast_call::{Trace, Why};

/// Reads the bytes as both headers.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(trace) = Trace::parse(&text) {
        assert!(trace.trace_id != 0 && trace.span_id != 0 && trace.flags <= 1);
        let header = trace.header();
        assert_eq!(header.len(), 55);
        assert_eq!(Trace::parse(&header), Some(trace));
        // A later version may say more; its first fields are what is read.
        assert!(text.contains(&header[3..52]), "{text:?}");
        assert_eq!(trace.child([9; 16]).trace_id, trace.trace_id);
    }
    if let Some(why) = Why::claimed(&text) {
        super::plain(why.as_str());
        assert!((1..=200).contains(&why.as_str().chars().count()));
        assert_eq!(Why::claimed(why.as_str()), Some(why));
    }
}
