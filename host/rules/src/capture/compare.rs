//! Where two of the same kind differ, in lines for people.

use crate::once::Fields;
use crate::once::outcome::{self, What};

/// How much of a text is shown, in bytes.
const SHOWN_BYTES_MAX: usize = 200;
/// How many lines a comparison has at most.
const LINES_MAX: usize = 20;

/// How what a call came to now differs from what it came to then; nothing, if it does not.
pub(super) fn outcomes(then: &[u8], now: &[u8]) -> Vec<String> {
    let (Some((_, was, was_body)), Some((_, is, is_body))) =
        (outcome::read(then), outcome::read(now))
    else {
        return vec!["what it came to cannot be read".to_owned()];
    };
    let mut lines = match (&was, &is) {
        (
            What::Http {
                status: was,
                headers: then,
                ..
            },
            What::Http {
                status: is,
                headers: now,
                ..
            },
        ) => {
            let mut lines = Vec::new();
            if was != is {
                lines.push(format!("the status was {was}, and is {is}"));
            }
            lines.extend(headers(then, now));
            lines
        }
        (What::Values(was), What::Values(is)) if was == is => Vec::new(),
        (What::Values(was), What::Values(is)) => {
            let text = |list: &[serde_json::Value]| serde_json::json!(list).to_string();
            vec![beside("the result", &text(was), &text(is))]
        }
        (
            What::Fault { code, detail, .. },
            What::Fault {
                code: code_now,
                detail: detail_now,
                ..
            },
        ) => match (code, detail) == (code_now, detail_now) {
            true => Vec::new(),
            false => vec![format!(
                "it failed with {code} ({detail}), and does with {code_now} ({detail_now})"
            )],
        },
        _ => vec![format!(
            "it came to {}, and comes to {}",
            kind(&was),
            kind(&is)
        )],
    };
    if was_body != is_body {
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        lines.extend(texts(&text(was_body), &text(is_body)));
    }
    lines.truncate(LINES_MAX);
    lines
}

fn kind(what: &What) -> String {
    match what {
        What::Http { status, .. } => format!("an answer with status {status}"),
        What::Values(_) => "a result".to_owned(),
        What::Fault { code, .. } => format!("the fault {code}"),
    }
}

fn headers(then: &Fields, now: &Fields) -> Vec<String> {
    let lines = |headers: &Fields| {
        let lines = headers.iter();
        lines
            .map(|(name, value)| format!("{name}: {value}"))
            .collect::<Vec<_>>()
    };
    let (was, is) = (lines(then), lines(now));
    let gone = was.iter().filter(|line| !is.contains(line));
    let new = is.iter().filter(|line| !was.contains(line));
    let mut differ: Vec<_> = gone
        .map(|line| format!("- {}", short(line)))
        .chain(new.map(|line| format!("+ {}", short(line))))
        .collect();
    if differ.is_empty() && was != is {
        differ.push("the headers stand in another order".to_owned());
    }
    differ
}

/// The lines in which two texts differ, at the first place and some behind it.
pub(super) fn texts(then: &str, now: &str) -> Vec<String> {
    let (was, is): (Vec<_>, Vec<_>) = (then.lines().collect(), now.lines().collect());
    let same = was
        .iter()
        .zip(&is)
        .take_while(|(was, is)| was == is)
        .count();
    let end = was.iter().rev().zip(is.iter().rev());
    let most = was.len().min(is.len()) - same;
    let same_end = end.take(most).take_while(|(was, is)| was == is).count();
    let part = |lines: &[&str], sign: char| {
        let lines = lines.get(same..lines.len() - same_end).unwrap_or_default();
        let lines = lines.iter().take(LINES_MAX / 2);
        lines
            .map(|line| format!("{sign} {}", short(line)))
            .collect::<Vec<_>>()
    };
    let mut lines = part(&was, '-');
    lines.extend(part(&is, '+'));
    if lines.is_empty() && then != now {
        lines.push("the texts differ in how their lines end".to_owned());
    }
    lines
}

/// A text that was not there before.
pub(super) fn added(text: &str) -> Vec<String> {
    let lines = text.lines().take(LINES_MAX / 2);
    lines.map(|line| format!("+ {}", short(line))).collect()
}

fn beside(what: &str, was: &str, is: &str) -> String {
    format!("{what} was {}, and is {}", short(was), short(is))
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_differ_in_the_lines_that_are_not_the_same() {
        assert_eq!(texts("a\nb\nc", "a\nx\nc"), ["- b", "+ x"]);
        assert_eq!(texts("a\nb", "a\nb"), Vec::<String>::new());
        assert_eq!(texts("a", "a\nb"), ["+ b"]);
        assert_eq!(
            texts("a\n", "a"),
            ["the texts differ in how their lines end"]
        );
        assert_eq!(texts("", "x"), ["+ x"]);
        assert_eq!(texts("x\nx", "x"), ["- x"]);
    }
}
