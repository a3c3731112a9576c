//! Uses a secret that it never sees.

use crate::asked::Asked;
use crate::reply::Reply;
use std::fmt::Write as _;

wit_bindgen::generate!({
    inline: "
        package holdfast:cases;
        world signs { import holdfast:host/secrets@0.1.0; }
    ",
    path: "../../../wit/secrets.wit",
    generate_all,
});

use holdfast::host::secrets::{Failure, Secret};

/// The code of `message` under the secret `name`, by `algorithm`, in hexadecimal; `kib` makes the message longer. Asked for `times` times.
pub fn sign(asked: Asked, reply: Reply) {
    let secret = Secret::new(asked.text("name"));
    let mut text = String::new();
    for _ in 0..asked.number("times", 1) {
        text = match secret.sign(algorithm(&asked), &message(&asked)) {
            Ok(code) => hex(&code),
            Err(failure) => said(&failure),
        };
    }
    reply.text(200, &text);
}

/// Whether `code`, in hexadecimal, is that of `message`.
pub fn verify(asked: Asked, reply: Reply) {
    let secret = Secret::new(asked.text("name"));
    let code = bytes(asked.text("code"));
    match secret.verify(algorithm(&asked), &message(&asked), &code) {
        Ok(fits) => reply.text(200, &format!("{fits}")),
        Err(failure) => reply.text(200, &said(&failure)),
    }
}

fn algorithm(asked: &Asked) -> &str {
    match asked.text("algorithm") {
        "" => "hmac-sha256",
        named => named,
    }
}

fn message(asked: &Asked) -> Vec<u8> {
    let kib = usize::try_from(asked.number("kib", 0)).unwrap_or(0);
    let mut message = asked.text("message").as_bytes().to_vec();
    message.resize(message.len() + kib * 1024, b'x');
    message
}

fn said(failure: &Failure) -> String {
    format!("error {} {}", failure.code, failure.detail)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .filter_map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
