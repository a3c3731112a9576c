//! The host's log, as the file that it writes: JSON, one object a line.

use super::host::Host;
use super::wait::until;
use serde_json::Value;

impl Host {
    /// Every line so far; each must be JSON, or the log is broken.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("not a line of the log: {error}: {line}"))
            })
            .collect()
    }

    /// The log as text.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Every closing line so far.
    pub(crate) fn closings(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["outcome"].is_string());
        lines
    }

    /// The one closing line of the call `id`, waited for.
    pub(crate) fn closing(&self, id: &str) -> Value {
        let mut found = until(&format!("the closing line of {id}"), || {
            let mut lines = self.closings();
            lines.retain(|line| line["call"] == id);
            (!lines.is_empty()).then_some(lines)
        });
        assert_eq!(found.len(), 1, "a call has one closing line: {found:?}");
        found.remove(0)
    }

    /// The closing lines of the calls that `id` made, once there are `count` of them.
    pub(crate) fn children(&self, id: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} calls made by {id}"), || {
            let mut lines = self.closings();
            lines.retain(|line| line["parent"] == id);
            (lines.len() >= count).then_some(lines)
        })
    }

    /// The first line whose message contains `text`, waited for.
    pub(crate) fn said(&self, text: &str) -> Value {
        until(&format!("a log line with {text:?}"), || {
            self.lines()
                .into_iter()
                .find(|line| line["msg"].as_str().is_some_and(|msg| msg.contains(text)))
        })
    }
}
