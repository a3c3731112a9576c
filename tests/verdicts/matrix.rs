//! What was done, what was said, and both in one table.

use serde_json::Value;

/// The boundaries, as a closing line names them.
const BOUNDARIES: [&str; 9] = [
    "caller",
    "routing",
    "configuration",
    "lifecycle",
    "policy",
    "application",
    "upstream",
    "storage",
    "platform",
];

/// One cause, and what was said of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) name: String,
    /// The boundary that it was done to.
    pub(crate) truth: &'static str,
    /// The code that the call must end with; or one of them, with ` or ` between.
    pub(crate) code: &'static str,
    /// The boundary that was named.
    pub(crate) said: String,
    /// The code that the call ended with.
    pub(crate) said_code: String,
    /// The whole closing line.
    #[expect(dead_code, reason = "shown where a row is wrong")]
    pub(crate) line: String,
}

impl Row {
    /// What the closing line `line` says of `name`.
    pub(crate) fn new(name: &str, truth: &'static str, code: &'static str, line: &Value) -> Self {
        let of = |key: &str| line[key].as_str().unwrap_or("nothing").to_owned();
        Self {
            name: name.to_owned(),
            truth,
            code,
            said: of("boundary"),
            said_code: of("code"),
            line: line.to_string(),
        }
    }

    /// Whether it ended with a code that it must end with.
    pub(crate) fn ends_rightly(&self) -> bool {
        self.code.split(" or ").any(|code| code == self.said_code)
    }

    /// Whether a service is blamed for what the host, its owner or the outside has done.
    pub(crate) fn slanders(&self) -> bool {
        let beyond = [
            "upstream",
            "platform",
            "storage",
            "configuration",
            "lifecycle",
        ];
        self.said == "application" && beyond.contains(&self.truth)
    }
}

/// All rows by what is true of them and what was said.
pub(crate) struct Matrix<'a>(&'a [Row]);

impl<'a> Matrix<'a> {
    pub(crate) fn of(rows: &'a [Row]) -> Self {
        Self(rows)
    }

    /// The rows of which something else was said than is true.
    pub(crate) fn wrong(&self) -> Vec<&'a Row> {
        self.0.iter().filter(|row| row.said != row.truth).collect()
    }

    /// Shows it, with each row that is wrong.
    #[expect(clippy::print_stdout, reason = "this is what is asked for")]
    pub(crate) fn print(&self) {
        let right = self.0.len() - self.wrong().len();
        println!("{right} of {} causes judged rightly\n", self.0.len());
        print!("{:<14}", "truth \\ said");
        for said in BOUNDARIES {
            print!("{:>8}", &said[..said.len().min(7)]);
        }
        println!();
        for truth in BOUNDARIES {
            print!("{truth:<14}");
            for said in BOUNDARIES {
                let count = |row: &&Row| row.truth == truth && row.said == said;
                match self.0.iter().filter(count).count() {
                    0 => print!("{:>8}", "."),
                    count => print!("{count:>8}"),
                }
            }
            println!();
        }
        for row in self.wrong() {
            println!(
                "wrong: {}: {} said, {} in truth",
                row.name, row.said, row.truth
            );
        }
    }
}
