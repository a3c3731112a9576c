//! How a case answers: whole, or head first and body as it goes.

use wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam, Trailers};
use wasip2::io::streams::OutputStream;

/// The answer that has not been given yet.
pub struct Reply(ResponseOutparam);

/// An answer whose head is given and whose body is being written.
pub struct Open {
    /// Where the bytes go.
    pub stream: OutputStream,
    body: OutgoingBody,
}

impl Reply {
    /// The answer to be given through `out`.
    pub fn to(out: ResponseOutparam) -> Self {
        Self(out)
    }

    /// Answers with `text`.
    pub fn text(self, status: u16, text: &str) {
        let mut open = self.open(status, &[("content-type", "text/plain")]);
        open.say(text.as_bytes());
        open.finish(None);
    }

    /// Gives the head, and keeps the body open.
    pub fn open(self, status: u16, headers: &[(&str, &str)]) -> Open {
        let fields = Fields::new();
        for (name, value) in headers {
            fields.append(name, value.as_bytes()).expect("a header");
        }
        self.open_with(status, fields)
    }

    /// The same with the headers as they are.
    pub fn open_with(self, status: u16, fields: Fields) -> Open {
        let response = OutgoingResponse::new(fields);
        response.set_status_code(status).expect("a status");
        let body = response.body().expect("a body");
        ResponseOutparam::set(self.0, Ok(response));
        let stream = body.write().expect("a stream");
        Open { stream, body }
    }

    /// Gives up the answer, for the cases that answer as nobody should.
    pub fn raw(self) -> ResponseOutparam {
        self.0
    }
}

impl Open {
    /// Writes `bytes`, and waits until they are gone.
    pub fn say(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(4096) {
            self.stream
                .blocking_write_and_flush(chunk)
                .expect("a reader");
        }
    }

    /// Ends the body as it should end.
    pub fn finish(self, trailers: Option<Trailers>) {
        drop(self.stream);
        // Refused when the body is not as long as its head said; the host sees that too.
        let _ = OutgoingBody::finish(self.body, trailers);
    }
}
