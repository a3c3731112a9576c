//! Whether a value is what a schema says. All that is wrong is noted, each with its place, up to a number; how long and how deep is looked
//! has a limit, whatever value and schema are.
//!
//! A branch that may fail (`anyOf`, `if`, …) is asked silently. Its mistakes are told only where it is plain which branch was meant.

use super::super::read::VIOLATIONS_MAX;
use super::document::{push_name, push_number};
use super::schema::{At, Condition, Keywords, Looks, Schema, Schemas, Side};
use super::types::Types;
use holdfast_call::Violation;
use serde_json::Value;

/// How much is looked at for one call: a value for a schema is one step, a text one more for each 64 bytes. The largest text that is taken
/// has 262 144 values, so each may meet eight schemas.
pub(super) const STEPS_MAX: u32 = 2_000_000;
/// How deep schemas may apply each other: the deepest JSON that is taken has 128 levels, so each may go through eight.
pub(super) const DEPTH_MAX: u32 = 1024;

/// The longest pointer that is told, in bytes: names in a text may be as long as the text.
pub(super) const POINTER_BYTES_MAX: usize = 1024;

/// Whether mistakes are noted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    All,
    Nothing,
}

/// There is more to look at than is looked at.
pub(super) struct Beyond(&'static str);

/// What was found, and what may still be looked at.
pub(super) struct Check<'a> {
    schemas: &'a Schemas,
    side: Side,
    left: u32,
    depth: u32,
    pointer: String,
    found: Vec<Violation>,
}

type Step<'a> = fn(&mut Check<'a>, &'a Keywords, &Value, Say) -> Result<bool, Beyond>;

impl<'a> Check<'a> {
    pub(super) fn new(schemas: &'a Schemas, side: Side) -> Self {
        Self {
            schemas,
            side,
            left: STEPS_MAX,
            depth: 0,
            pointer: String::new(),
            found: Vec::new(),
        }
    }

    /// All that was found.
    pub(super) fn found(self) -> Vec<Violation> {
        self.found
    }

    /// Notes what is wrong with a value that stands below `prefix`.
    pub(super) fn value(&mut self, prefix: &str, at: At, value: &Value) {
        prefix.clone_into(&mut self.pointer);
        self.depth = 0;
        if let Err(Beyond(why)) = self.visit(at, value, Say::All) {
            prefix.clone_into(&mut self.pointer);
            self.wrong(why);
        }
    }

    /// Whether a value fits; nothing is noted.
    pub(super) fn fits(&mut self, at: At, value: &Value) -> bool {
        self.depth = 0;
        matches!(self.visit(at, value, Say::Nothing), Ok(true))
    }

    /// Notes that something is wrong at `pointer`.
    pub(super) fn note(&mut self, pointer: &str, why: impl Into<String>) {
        pointer.clone_into(&mut self.pointer);
        self.wrong(why);
    }

    fn wrong(&mut self, why: impl Into<String>) {
        if self.found.len() < VIOLATIONS_MAX {
            self.found.push(Violation {
                pointer: told(&self.pointer).to_owned(),
                reason: why.into(),
            });
        }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Beyond> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Beyond(
                    "takes more steps to check than are taken: send less at once",
                ))
            }
        }
    }

    pub(super) fn visit(&mut self, at: At, value: &Value, say: Say) -> Result<bool, Beyond> {
        if self.depth >= DEPTH_MAX {
            return Err(Beyond("is nested deeper than is checked"));
        }
        self.depth += 1;
        let schemas: &'a Schemas = self.schemas;
        let fits = match schemas.get(at) {
            Schema::Anything => true,
            Schema::Nothing => {
                self.spend(1)?;
                self.say(say, "is not known here");
                false
            }
            Schema::Says(keywords) => self.keywords(keywords, value, say)?,
        };
        self.depth -= 1;
        Ok(fits)
    }

    fn say(&mut self, say: Say, why: &str) {
        if say == Say::All {
            self.wrong(why);
        }
    }

    fn keywords(
        &mut self,
        keywords: &'a Keywords,
        value: &Value,
        say: Say,
    ) -> Result<bool, Beyond> {
        self.spend(weight(keywords, value))?;
        let mut fits = true;
        if let Some(assertions) = &keywords.assertions
            && !assertions.hold(value)
        {
            fits = false;
            if say == Say::All {
                for broken in assertions.broken(value) {
                    self.wrong(broken.reason);
                }
            }
            // Of a value of another type there is nothing more to be said.
            let types = keywords.types.unwrap_or(Types::ALL);
            if say == Say::Nothing || !types.meets(Types::of(value)) {
                return Ok(false);
            }
        }
        let steps: [Step<'a>; 8] = [
            Self::all_of,
            Self::any_of,
            Self::one_of,
            Self::not,
            Self::condition,
            Self::members,
            Self::items,
            Self::others,
        ];
        for step in steps {
            if !step(self, keywords, value, say)? {
                fits = false;
                if say == Say::Nothing || self.found.len() >= VIOLATIONS_MAX {
                    return Ok(false);
                }
            }
        }
        Ok(fits)
    }

    fn all_of(&mut self, keywords: &'a Keywords, value: &Value, say: Say) -> Result<bool, Beyond> {
        let mut fits = true;
        for at in keywords.reference.iter().chain(&keywords.all_of) {
            fits &= self.visit(*at, value, say)?;
            if !fits && say == Say::Nothing {
                break;
            }
        }
        Ok(fits)
    }

    fn any_of(&mut self, keywords: &'a Keywords, value: &Value, say: Say) -> Result<bool, Beyond> {
        if keywords.any_of.is_empty() {
            return Ok(true);
        }
        for at in &keywords.any_of {
            if self.visit(*at, value, Say::Nothing)? {
                return Ok(true);
            }
        }
        self.none_of(&keywords.any_of, value, say)?;
        Ok(false)
    }

    fn one_of(&mut self, keywords: &'a Keywords, value: &Value, say: Say) -> Result<bool, Beyond> {
        if keywords.one_of.is_empty() {
            return Ok(true);
        }
        let mut fitting = 0;
        for at in &keywords.one_of {
            fitting += usize::from(self.visit(*at, value, Say::Nothing)?);
            if fitting > 1 {
                self.say(say, "fits several of the forms of which it must fit one");
                return Ok(false);
            }
        }
        if fitting == 0 {
            self.none_of(&keywords.one_of, value, say)?;
        }
        Ok(fitting == 1)
    }

    /// Says why none of several forms fits: in full where only one of them takes such a value at all.
    fn none_of(&mut self, forms: &'a [At], value: &Value, say: Say) -> Result<(), Beyond> {
        if say == Say::Nothing {
            return Ok(());
        }
        let ty = Types::of(value);
        let schemas = self.schemas;
        let mut taking = forms.iter().filter(|at| schemas.types(**at).meets(ty));
        match (taking.next().copied(), taking.next()) {
            (Some(only), None) => {
                self.visit(only, value, Say::All)?;
            }
            (Some(_), Some(_)) => {
                self.wrong(format!(
                    "fits none of the {} forms that are described",
                    forms.len()
                ));
            }
            (None, _) => {
                let types = forms.iter().map(|at| self.schemas.types(*at));
                let types = types.fold(Types::NONE, Types::or);
                self.wrong(format!("must be {}", types.words()));
            }
        }
        Ok(())
    }

    fn not(&mut self, keywords: &'a Keywords, value: &Value, say: Say) -> Result<bool, Beyond> {
        let Some(at) = keywords.not else {
            return Ok(true);
        };
        let fits = self.visit(at, value, Say::Nothing)?;
        if fits {
            self.say(say, "is of the form that is excluded here");
        }
        Ok(!fits)
    }

    fn condition(
        &mut self,
        keywords: &'a Keywords,
        value: &Value,
        say: Say,
    ) -> Result<bool, Beyond> {
        let Some(Condition { if_, then, else_ }) = &keywords.condition else {
            return Ok(true);
        };
        let branch = match self.visit(*if_, value, Say::Nothing)? {
            true => then,
            false => else_,
        };
        match branch {
            Some(at) => self.visit(*at, value, say),
            None => Ok(true),
        }
    }

    fn members(&mut self, keywords: &'a Keywords, value: &Value, say: Say) -> Result<bool, Beyond> {
        let Value::Object(map) = value else {
            return Ok(true);
        };
        let mut fits = true;
        for required in &keywords.required {
            let here = required.side.is_none_or(|side| side == self.side);
            if here && !map.contains_key(&required.name) {
                fits = false;
                let name = &required.name;
                self.below(
                    |pointer| push_name(pointer, name),
                    |check| {
                        check.say(say, "is required");
                        Ok(false)
                    },
                )?;
            }
        }
        for (name, at) in &keywords.dependent {
            if map.contains_key(name) {
                fits &= self.visit(*at, value, say)?;
            }
        }
        if !keywords.speaks_of_members() {
            return Ok(fits);
        }
        self.spend(map.len())?;
        for (name, member) in map {
            if !fits && say == Say::Nothing {
                return Ok(false);
            }
            fits &= self.below(
                |pointer| push_name(pointer, name),
                |check| check.member(keywords, name, member, say),
            )?;
        }
        Ok(fits)
    }

    fn member(
        &mut self,
        keywords: &'a Keywords,
        name: &str,
        member: &Value,
        say: Say,
    ) -> Result<bool, Beyond> {
        let mut fits = true;
        if let Some(at) = keywords.names {
            let name = Value::String(name.to_owned());
            if !self.visit(at, &name, Say::Nothing)? {
                self.say(say, "is no name that is taken here");
                return Ok(false);
            }
        }
        let applied = self.applied(keywords, name)?;
        for at in applied {
            fits &= self.visit(at, member, say)?;
        }
        Ok(fits)
    }

    /// The schemas that are applied to a member by its name.
    pub(super) fn applied(
        &mut self,
        keywords: &'a Keywords,
        name: &str,
    ) -> Result<Vec<At>, Beyond> {
        let mut applied = Vec::new();
        applied.extend(keywords.properties.get(name));
        if !keywords.patterns.is_empty() {
            self.spend(keywords.patterns.len() * (1 + name.len() / 64))?;
            let name = Value::String(name.to_owned());
            let fitting = keywords.patterns.iter();
            let fitting = fitting.filter(|(pattern, _)| pattern.hold(&name));
            applied.extend(fitting.map(|(_, at)| *at));
        }
        if applied.is_empty() {
            applied.extend(keywords.additional);
        }
        Ok(applied)
    }

    fn items(&mut self, keywords: &'a Keywords, value: &Value, say: Say) -> Result<bool, Beyond> {
        let Value::Array(list) = value else {
            return Ok(true);
        };
        let mut fits = true;
        for (number, item) in list.iter().enumerate() {
            let at = keywords.prefix.get(number).copied();
            let Some(at) = at.or(keywords.items) else {
                break;
            };
            fits &= self.below(
                |pointer| push_number(pointer, number),
                |check| check.visit(at, item, say),
            )?;
            if !fits && say == Say::Nothing {
                return Ok(false);
            }
        }
        if let Some(contains) = &keywords.contains {
            let mut found = 0;
            for item in list {
                found += usize::from(self.visit(contains.at, item, Say::Nothing)?);
            }
            if found < contains.least || contains.most.is_some_and(|most| found > most) {
                self.say(say, "does not have the items that it must have");
                fits = false;
            }
        }
        Ok(fits)
    }

    /// Looks at something a step further in.
    pub(super) fn below(
        &mut self,
        step: impl FnOnce(&mut String),
        look: impl FnOnce(&mut Self) -> Result<bool, Beyond>,
    ) -> Result<bool, Beyond> {
        let before = self.pointer.len();
        step(&mut self.pointer);
        let fits = look(self)?;
        self.pointer.truncate(before);
        Ok(fits)
    }

    /// Counts what was looked at.
    pub(super) fn visited(&mut self, steps: usize) -> Result<(), Beyond> {
        self.spend(steps)
    }

    pub(super) fn schemas(&self) -> &'a Schemas {
        self.schemas
    }
}

/// A pointer, or where it is too long, what encloses its place.
fn told(pointer: &str) -> &str {
    let mut told = pointer;
    while told.len() > POINTER_BYTES_MAX {
        told = told.rsplit_once('/').map_or("", |(above, _)| above);
    }
    told
}

/// What it costs to ask a schema's own keywords about a value.
fn weight(keywords: &Keywords, value: &Value) -> usize {
    match keywords.looks {
        Looks::Outside => 1 + size(value),
        Looks::Inside => all(value),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() / 64,
        _ => 0,
    }
}

/// All that is in a value. Recursion is as deep as the value, which is bounded.
fn all(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(list) => list.iter().map(all).sum(),
        Value::Object(map) => map.values().map(all).sum(),
        value => size(value),
    };
    inside + 1
}
