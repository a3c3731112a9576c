//! `unevaluatedProperties` and `unevaluatedItems`: what none of the schemas that hold for a value has spoken of.

use super::check::{Beyond, Check, Say};
use super::document::{push_name, push_number};
use super::schema::{At, Condition, Keywords, Schema};
use serde_json::Value;
use std::collections::HashSet;

/// What was spoken of.
#[derive(Default)]
struct Marks {
    members: HashSet<String>,
    items: HashSet<usize>,
    /// All members, or all items.
    all: bool,
}

/// Which of its keywords speak for a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// All of them.
    All,
    /// All but the two that ask what the others have left.
    Others,
}

impl<'a> Check<'a> {
    /// What is left over is what the schema for it says.
    pub(super) fn others(
        &mut self,
        keywords: &'a Keywords,
        value: &Value,
        say: Say,
    ) -> Result<bool, Beyond> {
        let mut fits = true;
        match (value, keywords.other_members, keywords.other_items) {
            (Value::Object(map), Some(at), _) => {
                let marks = self.marks(keywords, value)?;
                let left = map.iter();
                let left = left.filter(|(name, _)| !marks.all && !marks.members.contains(*name));
                for (name, member) in left {
                    let step = |pointer: &mut String| push_name(pointer, name);
                    fits &= self.below(step, |check| check.visit(at, member, say))?;
                }
            }
            (Value::Array(list), _, Some(at)) => {
                let marks = self.marks(keywords, value)?;
                let left = list.iter().enumerate();
                let left = left.filter(|(number, _)| !marks.all && !marks.items.contains(number));
                for (number, item) in left {
                    let step = |pointer: &mut String| push_number(pointer, number);
                    fits &= self.below(step, |check| check.visit(at, item, say))?;
                }
            }
            _ => {}
        }
        Ok(fits)
    }

    fn marks(&mut self, keywords: &'a Keywords, value: &Value) -> Result<Marks, Beyond> {
        let mut marks = Marks::default();
        self.mark(keywords, value, Speaks::Others, &mut marks)?;
        Ok(marks)
    }

    /// Recursion is as deep as schemas are applied in place, which is bounded.
    fn mark(
        &mut self,
        keywords: &'a Keywords,
        value: &Value,
        speaks: Speaks,
        marks: &mut Marks,
    ) -> Result<(), Beyond> {
        match value {
            Value::Object(map) => {
                marks.all |= speaks == Speaks::All && keywords.other_members.is_some();
                self.visited(map.len())?;
                for name in map.keys() {
                    if !self.applied(keywords, name)?.is_empty() {
                        marks.members.insert(name.clone());
                    }
                }
            }
            Value::Array(list) => {
                marks.all |= keywords.items.is_some();
                marks.all |= speaks == Speaks::All && keywords.other_items.is_some();
                marks.items.extend(0..keywords.prefix.len());
                if let Some(contains) = &keywords.contains {
                    for (number, item) in list.iter().enumerate() {
                        if self.visit(contains.at, item, Say::Nothing)? {
                            marks.items.insert(number);
                        }
                    }
                }
            }
            _ => return Ok(()),
        }
        for at in keywords.reference.iter().chain(&keywords.all_of) {
            self.mark_of(*at, value, marks)?;
        }
        for at in keywords.any_of.iter().chain(&keywords.one_of) {
            if self.visit(*at, value, Say::Nothing)? {
                self.mark_of(*at, value, marks)?;
            }
        }
        for (name, at) in &keywords.dependent {
            if value.get(name).is_some() {
                self.mark_of(*at, value, marks)?;
            }
        }
        if let Some(Condition { if_, then, else_ }) = &keywords.condition {
            let branch = match self.visit(*if_, value, Say::Nothing)? {
                true => [Some(*if_), *then],
                false => [None, *else_],
            };
            for at in branch.into_iter().flatten() {
                self.mark_of(at, value, marks)?;
            }
        }
        Ok(())
    }

    fn mark_of(&mut self, at: At, value: &Value, marks: &mut Marks) -> Result<(), Beyond> {
        self.visited(1)?;
        match self.schemas().get(at) {
            Schema::Says(keywords) => self.mark(keywords, value, Speaks::All, marks),
            Schema::Anything | Schema::Nothing => Ok(()),
        }
    }
}
