//! The tasks that are kept, each under its number.

use crate::host::holdfast::host::ids;
use crate::host::wasi::keyvalue::{batch, store};
use serde::{Deserialize, Serialize};
use store::{Bucket, Error};

/// The bucket of the tasks, and those of what became of them.
const TASKS: &str = "tasks";
const DONE: &str = "done";
const REMINDED: &str = "reminded";

/// A task: what its author said of it, and what became of it.
#[derive(Deserialize, Serialize)]
pub struct Task {
    #[serde(default)]
    pub id: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    pub reminded: bool,
}

impl Task {
    /// Whether somebody is to be told at this time that it is due.
    pub fn is_due(&self, now: &str) -> bool {
        let due = self.due.as_deref();
        !self.done && !self.reminded && due.is_some_and(|due| due <= now)
    }
}

/// Keeps a new one.
pub fn add(task: Task) -> Result<Task, String> {
    let number = ids::sequence(TASKS).map_err(|failure| failure.detail)?;
    let task = Task {
        id: number.to_string(),
        ..task
    };
    let text = serde_json::to_vec(&task).map_err(|error| error.to_string())?;
    open(TASKS)?.set(&task.id, &text).map_err(words)?;
    Ok(task)
}

/// One of them.
pub fn get(id: &str) -> Result<Option<Task>, String> {
    Ok(get_many(&[id.to_owned()])?.pop())
}

/// All of them, by their numbers.
pub fn all() -> Result<Vec<Task>, String> {
    let bucket = open(TASKS)?;
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor.as_deref()).map_err(words)?;
        all.extend(get_many(&page.keys)?);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    all.sort_by_key(|task| task.id.parse::<u64>().unwrap_or_default());
    Ok(all)
}

/// Marks it as done.
pub fn done(id: &str) -> Result<(), String> {
    mark(DONE, id)
}

/// Marks it as one of which somebody was told that it is due.
pub fn reminded(id: &str) -> Result<(), String> {
    mark(REMINDED, id)
}

/// Removes it, and what became of it. Its number is never another's.
pub fn remove(id: &str) -> Result<(), String> {
    for bucket in [TASKS, DONE, REMINDED] {
        open(bucket)?.delete(id).map_err(words)?;
    }
    Ok(())
}

fn mark(bucket: &str, id: &str) -> Result<(), String> {
    open(bucket)?.set(id, b"yes").map_err(words)
}

fn get_many(ids: &[String]) -> Result<Vec<Task>, String> {
    let of = |bucket| batch::get_many(&open(bucket)?, ids).map_err(words);
    let marks = of(DONE)?.into_iter().zip(of(REMINDED)?);
    let tasks = of(TASKS)?.into_iter().zip(marks);
    let there = tasks.filter_map(|(task, marks)| Some((task?.1, marks)));
    there
        .map(|(text, (done, reminded))| {
            let task: Task = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            Ok(Task {
                done: done.is_some(),
                reminded: reminded.is_some(),
                ..task
            })
        })
        .collect()
}

fn open(bucket: &str) -> Result<Bucket, String> {
    store::open(bucket).map_err(words)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn words(error: Error) -> String {
    format!("{error:?}")
}
