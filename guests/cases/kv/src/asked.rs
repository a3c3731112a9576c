//! What was asked, and how it is answered.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// One request, read apart. Nothing in it needs decoding.
pub struct Asked {
    /// Without the query.
    pub path: String,
    query: Vec<(String, String)>,
}

impl Asked {
    /// Reads `request` apart.
    pub fn of(request: &IncomingRequest) -> Self {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self {
            path: path.to_owned(),
            query: pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// A value of the query; empty if it is not there.
    pub fn text(&self, key: &str) -> &str {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map_or("", |(_, value)| value)
    }

    /// A number of the query, or none.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.text(key).parse().ok()
    }

    /// The key that is meant.
    pub fn key(&self) -> &str {
        self.text("key")
    }

    /// The keys that are meant: those that are listed, or as many as are counted.
    pub fn keys(&self) -> Vec<String> {
        match self.number("count") {
            Some(count) => (0..count).map(|number| format!("k{number}")).collect(),
            None => self.text("keys").split(',').map(str::to_owned).collect(),
        }
    }

    /// The value that is meant: as it is written, or so many bytes.
    pub fn value(&self) -> Vec<u8> {
        match self.number("bytes") {
            Some(bytes) => vec![b'x'; usize::try_from(bytes).unwrap_or(0)],
            None => self.text("value").as_bytes().to_vec(),
        }
    }
}

/// Answers with `text`.
pub fn answer(out: ResponseOutparam, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a stream");
    for chunk in text.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(chunk).expect("a reader");
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("a whole body");
}
