//! No line holds a secret, whatever field it came in and however it was dressed.

use super::{Kept, LONG, TestClock, closing};
use holdfast_call::{Level, Log as _, Why};
use holdfast_server::logs::{Flushed, LogWriter};
use holdfast_server::settings::{LogForm, Secret};
use std::sync::Arc;

const SECRET: &str = "CANARY+s3cr3t/\"quoted\"";

fn written(form: LogForm, secrets: &[&str], lines: &[&str]) -> String {
    let kept = Kept::default();
    let log = LogWriter::start(form, kept.sink(), Arc::new(TestClock::default())).unwrap();
    for secret in secrets {
        log.add_secret(&Secret::new(secret).unwrap());
    }
    for line in lines {
        log.host(Level::Info, (*line).to_owned());
    }
    assert_eq!(log.flush(LONG), Flushed::All);
    kept.text()
}

/// Base64 by the book, to compare with: no code is shared with the redaction.
fn base64(bytes: &[u8], last: [char; 2]) -> String {
    let digits: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(last)
        .collect();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    bits.as_bytes()
        .chunks(6)
        .map(|six| {
            let six = format!("{:0<6}", std::str::from_utf8(six).unwrap());
            digits[usize::from_str_radix(&six, 2).unwrap()]
        })
        .collect()
}

#[test]
fn a_secret_is_replaced_in_every_form() {
    for form in [LogForm::Json, LogForm::Text] {
        for dressed in [
            SECRET.to_owned(),
            format!("authorization: Bearer {SECRET}; next"),
            format!("{SECRET}{SECRET}"),
            "CANARY%2Bs3cr3t%2F%22quoted%22".to_owned(),
            "CANARY%2bs3cr3t%2f%22quoted%22".to_owned(),
        ] {
            let text = written(form, &[SECRET], &[&dressed]);
            assert!(
                text.contains("[redacted]") && !text.contains("CANARY") && !text.contains("s3cr3t"),
                "{dressed}: {text}"
            );
            if form == LogForm::Json {
                let line: Result<serde_json::Value, _> = serde_json::from_str(&text);
                assert!(line.is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn a_secret_is_replaced_in_base64_wherever_it_stands() {
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "!", "!!", "!!!"] {
            for last in [['+', '/'], ['-', '_']] {
                let dressed = base64(format!("{before}{SECRET}{after}").as_bytes(), last);
                let text = written(LogForm::Json, &[SECRET], &[&dressed]);
                assert!(text.contains("[redacted]"), "{before:?} {after:?}: {text}");
                // What is left of the text is too little to hold the secret: at most a character or two of it on each side.
                let left = text
                    .split("\"msg\":\"")
                    .nth(1)
                    .unwrap()
                    .split('"')
                    .next()
                    .unwrap()
                    .replace("[redacted]", "");
                let around =
                    base64(before.as_bytes(), last).len() + base64(after.as_bytes(), last).len();
                assert!(left.len() <= around + 2, "{before:?} {after:?}: {left}");
            }
        }
    }
}

#[test]
fn every_field_of_a_closing_line_is_covered() {
    let kept = Kept::default();
    let log = LogWriter::start(LogForm::Json, kept.sink(), Arc::new(TestClock::default())).unwrap();
    let mut line = closing(&format!("GET /{SECRET}"));
    line.why = Why::claimed(SECRET).unwrap();
    line.digest = Some(SECRET.into());
    log.closing(line);
    // The secret becomes known while the line still waits, or after: what is written later is covered in any case.
    log.add_secret(&Secret::new(SECRET).unwrap());
    let mut line = closing(&format!("GET /{SECRET}"));
    line.why = Why::claimed(SECRET).unwrap();
    line.digest = Some(SECRET.into());
    log.closing(line);
    assert_eq!(log.flush(LONG), Flushed::All);
    let last = kept.text().lines().last().unwrap().to_owned();
    assert!(!last.contains("CANARY"), "{last}");
    assert_eq!(last.matches("[redacted]").count(), 3, "{last}");
}

#[test]
fn several_secrets_are_told_apart_and_other_text_stays() {
    let secrets = ["CANARY-one", "CANARY-one-and-more", "CANARY-two"];
    let text = written(
        LogForm::Text,
        &secrets,
        &[
            "a CANARY-one b",
            "CANARY-one-and-more",
            "x CANARY-two, CANARY-one y",
            "CANARY-on is no secret",
            "CANARY-",
        ],
    );
    let said: Vec<_> = text
        .lines()
        .map(|line| line.split("info  ").nth(1).unwrap())
        .collect();
    assert_eq!(
        said,
        [
            "a [redacted] b",
            "[redacted]",
            "x [redacted], [redacted] y",
            "CANARY-on is no secret",
            "CANARY-"
        ]
    );
}
