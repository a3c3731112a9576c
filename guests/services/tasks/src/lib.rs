//! A typed service: the functions of an interface, and nothing else.

use exports::acme::tasks::todo::{
    Date, Fault, Guest, Parsed, Priority, Problem, Skipped, Summary, Task,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;

wit_bindgen::generate!({ world: "acme:tasks/tasks", path: ["../../../wit/faults.wit", "wit"], generate_all });

struct Tasks;

impl Guest for Tasks {
    fn parse(lines: Vec<String>) -> Result<Parsed, Fault> {
        let (mut tasks, mut skipped) = (Vec::new(), Vec::new());
        for line in lines.into_iter().filter(|line| !line.trim().is_empty()) {
            match task(&line) {
                Ok(task) => tasks.push(task),
                Err(why) => skipped.push(Skipped { line, why }),
            }
        }
        Ok(Parsed { tasks, skipped })
    }

    fn order(mut tasks: Vec<Task>) -> Vec<Task> {
        tasks.sort_by_key(|task| {
            let day = task.due.map(day);
            (day.is_none(), day, Reverse(task.priority as u8))
        });
        tasks
    }

    fn count(tasks: Vec<Task>, today: Date) -> Summary {
        let today = day(today);
        let due = |when: &dyn Fn((u16, u8, u8)) -> bool| {
            tasks
                .iter()
                .filter(|task| task.due.is_some_and(|due| when(day(due))))
                .count() as u32
        };
        let mut tags = BTreeMap::new();
        for tag in tasks.iter().flat_map(|task| &task.tags) {
            *tags.entry(tag.clone()).or_insert(0) += 1;
        }
        Summary {
            open: tasks.len() as u32,
            overdue: due(&|day| day < today),
            due_today: due(&|day| day == today),
            tags: tags.into_iter().collect(),
        }
    }
}

fn task(line: &str) -> Result<Task, Problem> {
    let mut task = Task {
        title: String::new(),
        due: None,
        priority: Priority::Normal,
        tags: Vec::new(),
    };
    let mut title = Vec::new();
    for word in line.split_whitespace() {
        if let Some(day) = word.strip_prefix("due:") {
            task.due = Some(date(day).ok_or(Problem::NoDate(day.to_owned()))?);
        } else if let Some(tag) = word.strip_prefix('#').filter(|tag| !tag.is_empty()) {
            task.tags.push(tag.to_owned());
        } else if let Some(name) = word.strip_prefix('!').filter(|name| !name.is_empty()) {
            task.priority = priority(name).ok_or(Problem::NoPriority(name.to_owned()))?;
        } else {
            title.push(word);
        }
    }
    task.title = title.join(" ");
    if task.title.is_empty() {
        return Err(Problem::Empty);
    }
    Ok(task)
}

fn priority(name: &str) -> Option<Priority> {
    match name {
        "low" => Some(Priority::Low),
        "normal" => Some(Priority::Normal),
        "high" => Some(Priority::High),
        _ => None,
    }
}

fn day(date: Date) -> (u16, u8, u8) {
    (date.year, date.month, date.day)
}

/// `2026-12-01`.
fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let date = Date {
        year: year.parse().ok()?,
        month: month.parse().ok()?,
        day: day.parse().ok()?,
    };
    let every = |years| date.year.is_multiple_of(years);
    let leap = every(4) && (!every(100) || every(400));
    let last = match date.month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => return None,
    };
    (parts.next().is_none() && (1..=last).contains(&date.day)).then_some(date)
}

export!(Tasks);
