//! Schemas, taken apart once: each is a number, and knows those that it applies. A schema may apply itself, but only to what is smaller.

use super::assertions::Assertions;
use super::types::Types;
use std::collections::HashMap;
use std::sync::Arc;

/// Which schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct At(pub(super) usize);

/// A schema.
pub(super) enum Schema {
    /// It takes everything.
    Anything,
    /// It takes nothing.
    Nothing,
    /// It says something.
    Says(Box<Keywords>),
}

/// Whose values are looked at: some members are only for the one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those of a caller.
    Request,
    /// Those of the service.
    Answer,
}

/// What a schema says.
#[derive(Default)]
pub(super) struct Keywords {
    /// Of a value by itself.
    pub(super) assertions: Option<Arc<Assertions>>,
    /// Whether that looks at all that is in the value.
    pub(super) looks: Looks,
    /// The types that it takes.
    pub(super) types: Option<Types>,
    pub(super) reference: Option<At>,
    pub(super) all_of: Vec<At>,
    pub(super) any_of: Vec<At>,
    pub(super) one_of: Vec<At>,
    pub(super) not: Option<At>,
    pub(super) condition: Option<Condition>,
    /// Applied to an object that has the member.
    pub(super) dependent: Vec<(String, At)>,
    pub(super) required: Vec<Required>,
    pub(super) properties: HashMap<String, At>,
    pub(super) patterns: Vec<(Arc<Assertions>, At)>,
    pub(super) additional: Option<At>,
    pub(super) names: Option<At>,
    pub(super) prefix: Vec<At>,
    pub(super) items: Option<At>,
    pub(super) contains: Option<Contains>,
    pub(super) other_members: Option<At>,
    pub(super) other_items: Option<At>,
}

/// How much of a value some keywords look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Looks {
    /// At itself.
    #[default]
    Outside,
    /// At all that is in it, to compare it.
    Inside,
}

/// `if`, `then`, `else`.
pub(super) struct Condition {
    pub(super) if_: At,
    pub(super) then: Option<At>,
    pub(super) else_: Option<At>,
}

/// `contains` and how often.
pub(super) struct Contains {
    pub(super) at: At,
    pub(super) least: usize,
    pub(super) most: Option<usize>,
}

/// A member that must be there.
pub(super) struct Required {
    pub(super) name: String,
    /// On which side; on both where nothing is said.
    pub(super) side: Option<Side>,
}

impl Keywords {
    /// Whether something is said of the members of an object one by one.
    pub(super) fn speaks_of_members(&self) -> bool {
        !self.properties.is_empty()
            || !self.patterns.is_empty()
            || self.additional.is_some()
            || self.names.is_some()
    }

    /// Those that are applied to the value itself.
    pub(super) fn in_place(&self) -> impl Iterator<Item = At> {
        let condition = self.condition.iter();
        let condition = condition.flat_map(|condition| {
            [Some(condition.if_), condition.then, condition.else_]
                .into_iter()
                .flatten()
        });
        self.reference
            .into_iter()
            .chain(self.all_of.iter().copied())
            .chain(self.any_of.iter().copied())
            .chain(self.one_of.iter().copied())
            .chain(self.not)
            .chain(condition)
            .chain(self.dependent.iter().map(|(_, at)| *at))
    }
}

/// All schemas of a description.
#[derive(Default)]
pub(super) struct Schemas(pub(super) Vec<Schema>);

impl Schemas {
    /// What a schema says.
    pub(super) fn get(&self, at: At) -> &Schema {
        self.0.get(at.0).unwrap_or(&Schema::Anything)
    }

    fn keywords(&self, at: At) -> Option<&Keywords> {
        match self.get(at) {
            Schema::Says(keywords) => Some(keywords),
            Schema::Anything | Schema::Nothing => None,
        }
    }

    /// The types that a schema can take, as far as its `type`s say.
    pub(super) fn types(&self, at: At) -> Types {
        self.types_of(at, &mut HashMap::new())
    }

    /// Recursion is as deep as schemas are applied in place, which is bounded; each is looked at once.
    fn types_of(&self, at: At, known: &mut HashMap<At, Types>) -> Types {
        if let Some(types) = known.get(&at) {
            return *types;
        }
        let Some(keywords) = self.keywords(at) else {
            return Types::ALL;
        };
        let mut types = keywords.types.unwrap_or(Types::ALL);
        for all in keywords.reference.iter().chain(&keywords.all_of) {
            types = types.and(self.types_of(*all, known));
        }
        for ways in [&keywords.any_of, &keywords.one_of] {
            let ways = ways.iter().map(|way| self.types_of(*way, known));
            if let Some(any) = ways.reduce(Types::or) {
                types = types.and(any);
            }
        }
        known.insert(at, types);
        types
    }

    /// What a schema says of the items of an array, where it says it of all.
    pub(super) fn items(&self, at: At) -> Option<At> {
        let mut waiting = vec![at];
        let mut seen = Vec::new();
        while let Some(at) = waiting.pop() {
            if seen.contains(&at) {
                continue;
            }
            seen.push(at);
            if let Some(keywords) = self.keywords(at) {
                if keywords.items.is_some() {
                    return keywords.items;
                }
                waiting.extend(keywords.reference);
                waiting.extend(&keywords.all_of);
                waiting.extend(&keywords.any_of);
                waiting.extend(&keywords.one_of);
            }
        }
        None
    }
}
