//! Where calls from outside come in: connections are taken, requests become calls, answers go back.
//!
//! No rule is kept here: whatever can be refused is refused by the pipeline, so that every answer has an id and a closing line.

pub mod answer;
pub mod connections;
pub mod crowd;
pub mod door;
pub mod http;
pub mod line;
mod lot;
pub mod overdue;
pub mod peer;
pub mod request;
pub mod scan;
pub mod target;
pub mod trailers;
pub mod wire;
