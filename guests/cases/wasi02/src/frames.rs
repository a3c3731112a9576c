//! Answers that say something of the connection, which is not theirs: what frames them, who sent them when, what comes after them.

use crate::asked::Asked;
use crate::reply::Reply;
use wasip2::http::types::Fields;

/// Answers with the header `name: value`, as far as the host lets it be set, and a body of three bytes.
pub fn says(asked: Asked, reply: Reply) {
    let (name, value) = (asked.text("name"), asked.text("value"));
    if Fields::new().append(name, value.as_bytes()).is_err() {
        return reply.text(200, "refused\n");
    }
    let mut open = reply.open(200, &[(name, value)]);
    open.say(b"abc");
    open.finish(None);
}

/// Answers with the trailer `name: value`, and one that is innocent.
pub fn ends_with(asked: Asked, reply: Reply) {
    let mut open = reply.open(200, &[("trailer", "x-end")]);
    open.say(b"abc");
    let end = Fields::new();
    // A host may refuse it at once: then there is nothing left to refuse.
    let _ = end.append(asked.text("name"), asked.text("value").as_bytes());
    end.append("x-end", b"seen").expect("a trailer");
    open.finish(Some(end));
}
