//! Files and functions that fit a head, files that say what they are for, names that say something.

use super::{files, name, read, sources};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn a_file_is_one_idea_long() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", name(&path));
    }
}

#[test]
fn a_function_fits_a_screen() {
    for path in sources() {
        for (function, lines) in functions(&read(&path)) {
            assert!(
                lines <= FUNCTION_LINES_MAX,
                "{}: {function} has {lines} lines",
                name(&path)
            );
        }
    }
}

#[test]
fn a_file_opens_with_what_it_is_for() {
    for path in sources() {
        assert!(read(&path).starts_with("//! "), "{} does not", name(&path));
    }
}

#[test]
fn no_name_is_a_drawer() {
    const DRAWERS: &[&str] = &[
        "util", "utils", "common", "misc", "helper", "helpers", "manager", "handler", "imp",
    ];
    for path in sources() {
        // One service has the name that such programs have everywhere.
        let parts: Vec<String> = name(&path)
            .replace("services/task-manager", "services/tasks")
            .trim_end_matches(".rs")
            .split(['/', '_', '-'])
            .map(str::to_owned)
            .collect();
        let drawer = parts.iter().find(|part| DRAWERS.contains(&part.as_str()));
        assert_eq!(drawer, None, "{}", name(&path));
    }
}

#[test]
fn nothing_speaks_of_the_machine_it_was_written_on() {
    let home = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
    ];
    let mut all = sources();
    for extension in ["toml", "md", "txt", "wat", "sh"] {
        for dir in ["host", "tests", "guests"] {
            all.extend(files(dir, extension));
        }
    }
    let root = crate::harness::root();
    all.extend(["README.md", "Makefile", "Cargo.toml", ".ci/run"].map(|file| root.join(file)));
    for path in all.iter().filter(|path| path.exists()) {
        let text = read(path);
        let found = home.iter().find(|place| text.contains(**place));
        assert_eq!(found, None, "{}", name(path));
    }
}

#[test]
fn the_measure_of_functions_measures() {
    let text = "fn a() {\n    one\n}\n\nimpl X {\n    async fn b(\n        x: u8,\n    ) -> u8 {\n        x\n    }\n    fn c(&self);\n}\n";
    let found = functions(text);
    assert_eq!(
        found,
        [("fn a()".to_owned(), 3), ("async fn b(".to_owned(), 5)]
    );
}

/// Every function of a formatted file with its length: from its first line to the brace that stands as far in as it does.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let inner = line.trim_start();
        let words = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "async fn ",
            "pub async fn ",
            "const fn ",
            "pub const fn ",
        ];
        if !words.iter().any(|word| inner.starts_with(word)) {
            continue;
        }
        let close = format!("{}}}", &line[..line.len() - inner.len()]);
        let ends_at_once = lines[at..]
            .iter()
            .find(|line| line.ends_with(['{', ';', '}']))
            .is_some_and(|line| !line.ends_with('{'));
        if ends_at_once {
            continue;
        }
        if let Some(end) = lines[at..].iter().position(|line| *line == close) {
            let head = inner.trim_end_matches('{').trim_end();
            found.push((head.to_owned(), end + 1));
        }
    }
    found
}
