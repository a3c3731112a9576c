//! What the operations of a service do when they change something, as its author declares it, and what that asks of whoever calls them.
//!
//! An operation is `idempotent`, can be undone by another one, or is irreversible; of one that is not declared nobody knows. What is
//! irreversible is done once a person has approved that very action, and what is undeclared as the operator's policy says. A path that could
//! be read in two ways is taken for the gravest thing that the service does, and a method that is not declared for the gravest that is done
//! at its path: neither a spelling nor another word for the same is a way round an approval.

use crate::contract::path;
use crate::contract::safe::Safe;
use crate::method_path::MethodPath;
use holdfast_call::contract::Contract;
use holdfast_call::path::is_plain;
use holdfast_call::{Call, Effect, Entry, Payload};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The longest way to undo something, in bytes.
const UNDO_BYTES_MAX: usize = 512;

/// What the author declares of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// Done twice it is as if it were done once.
    Idempotent,
    /// This operation undoes it.
    Undo(Arc<str>),
    /// Nothing undoes it.
    Irreversible,
}

/// What happens to an operation of which nothing is declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Undeclared {
    /// It is done.
    #[default]
    Allow,
    /// It is done once a person has approved it.
    Hold,
    /// It is not done.
    Refuse,
}

/// What a service declares: its settings for the layer `once`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    paths: Vec<(MethodPath, Declared)>,
    /// By their full names.
    functions: BTreeMap<Arc<str>, Declared>,
    undeclared: Undeclared,
    durable: DurableOperations,
}

/// The operations that are durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct DurableOperations {
    paths: Vec<MethodPath>,
    /// By their full names.
    functions: BTreeSet<Arc<str>>,
}

/// What a call is to be, and what has to be done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What it is declared to be.
    pub(crate) effect: Effect,
    /// What undoes it.
    pub(crate) undo: Option<Arc<str>>,
    /// What it needs before it is done.
    pub(crate) needs: Needs,
    /// Whether it outlasts who asks for it, and the host.
    pub(crate) lasts: Lasts,
}

/// Whether a call is a durable execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Terms {
    /// Those of what is only left for later: that is one thing, however often it is asked for.
    pub(crate) const LEFT: Self = Self {
        effect: Effect::Idempotent,
        undo: None,
        needs: Needs::Nothing,
        lasts: Lasts::No,
    };
}

/// What a call needs before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// That a person has approved it.
    Approval,
    /// That its author declares it.
    Declaration,
}

/// How the function is named by which a service takes messages from its queue.
const TAKES: &str = "consumer/handle";

/// The operation by which a service takes messages.
fn taking(contract: &Contract, declared: &Declared) -> Result<Arc<str>, String> {
    let Some((operation, _)) = contract.consumer() else {
        return Err(format!(
            "`{TAKES}` is declared, and the component takes no messages"
        ));
    };
    match declared {
        Declared::Idempotent => Ok(operation),
        Declared::Undo(_) | Declared::Irreversible => Err(format!(
            "`{TAKES}` can only be idempotent: a message may be delivered more than once"
        )),
    }
}

impl Effects {
    /// What is declared, each operation by a method and a path, or as `INTERFACE/FUNCTION` of the contract; and which of them are durable.
    ///
    /// # Errors
    /// A function is named that there is not.
    pub fn new(
        declared: &BTreeMap<String, Declared>,
        durable: &[String],
        contract: &Contract,
        undeclared: Undeclared,
    ) -> Result<Self, String> {
        let mut effects = Self {
            undeclared,
            durable: DurableOperations::new(durable, contract)?,
            ..Self::default()
        };
        for (named, declared) in declared {
            if named.contains(' ') {
                let path = MethodPath::parse(named)?;
                effects.paths.push((path, declared.clone()));
                continue;
            }
            if named == TAKES {
                effects
                    .functions
                    .insert(taking(contract, declared)?, declared.clone());
                continue;
            }
            let declared = match declared {
                Declared::Undo(undo) => Declared::Undo(function(contract, undo, Arguments::Few)?),
                Declared::Idempotent | Declared::Irreversible => declared.clone(),
            };
            let name = function(contract, named, Arguments::Any)?;
            effects.functions.insert(name, declared);
        }
        Ok(effects)
    }

    /// What may change something and is not declared, as one would name it.
    #[must_use]
    pub fn silent_about(&self, contract: &Contract, safe: &Safe) -> Vec<String> {
        let mut silent = Vec::new();
        for interface in &contract.exports {
            let below = path::of(contract, interface);
            for function in &interface.functions {
                let declared = self.functions.contains_key(&interface.operation(function));
                if !declared && !safe.has(interface, function) {
                    let named = format!("{below}/{}", function.name);
                    silent.push(named.trim_start_matches('/').to_owned());
                }
            }
        }
        if let Some((operation, _)) = contract.consumer()
            && !self.functions.contains_key(&operation)
        {
            silent.push(TAKES.to_owned());
        }
        if contract.exports.is_empty() && self.paths.is_empty() {
            silent.push("POST /..., PUT /..., PATCH /..., DELETE /...".to_owned());
        }
        silent
    }

    /// A durable operation that only looks, of which nothing would be kept.
    #[must_use]
    pub fn durable_and_safe(&self, contract: &Contract, safe: &Safe) -> Option<Arc<str>> {
        let all = contract.exports.iter().flat_map(|interface| {
            let functions = interface.functions.iter();
            functions.map(move |function| (interface, function))
        });
        let both = all.filter(|(interface, function)| safe.has(interface, function));
        let mut names = both.map(|(interface, function)| interface.operation(function));
        names.find(|name| self.durable.functions.contains(name))
    }

    /// What this call is to be.
    pub(crate) fn terms(&self, call: &Call) -> Terms {
        Terms {
            lasts: self.durable.lasts(&call.payload),
            ..self.declared(call)
        }
    }

    fn declared(&self, call: &Call) -> Terms {
        let declared = match &call.payload {
            Payload::Http(request) => {
                return self.of_path(request.method().as_str(), request.uri().path());
            }
            Payload::Values(operation, _) if call.entry == Entry::Queue => {
                let mut terms = self.meant(self.functions.get(operation));
                if terms.needs == Needs::Approval {
                    // Each delivery is another action, so what was approved would never be what is done.
                    terms.needs = Needs::Declaration;
                }
                return terms;
            }
            Payload::Values(operation, _) => {
                let registered = call.registered.as_ref();
                let typed = registered
                    .and_then(|known| known.settings.get::<crate::contract::Settings>())
                    .and_then(|typed| typed.contract.operation(operation));
                typed.and_then(|(interface, function)| {
                    self.functions.get(&interface.operation(function))
                })
            }
        };
        self.meant(declared)
    }

    fn of_path(&self, method: &str, path: &str) -> Terms {
        // Some services read one in small letters as they read the other.
        let method = method.to_ascii_uppercase();
        let clear = is_plain(path) && !path.contains('%');
        let at_path = |route: &MethodPath, method: &str| {
            // Most services take a path with a slash at its end for the one without.
            let bare = path.trim_end_matches('/');
            !clear || route.is(method, path) || route.is(method, bare) || {
                route.is(method, &format!("{bare}/"))
            }
        };
        let gravest = |alike: &dyn Fn(&MethodPath) -> bool| {
            let paths = self.paths.iter().filter(|(route, _)| alike(route));
            paths
                .map(|(_, declared)| declared)
                .max_by_key(|one| gravity(one))
        };
        let declared = gravest(&|route| route.method() == method && at_path(route, &method));
        if clear && declared.is_some() {
            return self.meant(declared);
        }
        match gravest(&|route| at_path(route, route.method())) {
            grave @ Some(Declared::Irreversible) => self.meant(grave),
            // What would be undone is not certain.
            Some(Declared::Undo(_) | Declared::Idempotent) | None => self.meant(None),
        }
    }

    fn meant(&self, declared: Option<&Declared>) -> Terms {
        let (effect, undo, needs) = match declared {
            Some(Declared::Idempotent) => (Effect::Idempotent, None, Needs::Nothing),
            Some(Declared::Undo(undo)) => (Effect::Undo, Some(undo.clone()), Needs::Nothing),
            Some(Declared::Irreversible) => (Effect::Irreversible, None, Needs::Approval),
            None => {
                let needs = match self.undeclared {
                    Undeclared::Allow => Needs::Nothing,
                    Undeclared::Hold => Needs::Approval,
                    Undeclared::Refuse => Needs::Declaration,
                };
                (Effect::Undeclared, None, needs)
            }
        };
        Terms {
            effect,
            undo,
            needs,
            lasts: Lasts::No,
        }
    }
}

impl DurableOperations {
    fn new(durable: &[String], contract: &Contract) -> Result<Self, String> {
        let mut operations = Self::default();
        for named in durable {
            if named.contains(' ') {
                operations.paths.push(MethodPath::parse(named)?);
            } else if named == TAKES {
                return Err(format!(
                    "`{TAKES}` cannot be durable: a message that is taken is done with, so let it ask a durable operation of its service, \
                     with the message's id as the key"
                ));
            } else {
                let name = function(contract, named, Arguments::Any)?;
                operations.functions.insert(name);
            }
        }
        Ok(operations)
    }

    /// Whether what is asked is one of them. A path that could be read in two ways is taken for each that its method has.
    fn lasts(&self, payload: &Payload) -> Lasts {
        let found = match payload {
            Payload::Http(request) => {
                let path = request.uri().path();
                let method = request.method().as_str().to_ascii_uppercase();
                let clear = is_plain(path) && !path.contains('%');
                let bare = path.trim_end_matches('/');
                let ways = [path.to_owned(), bare.to_owned(), format!("{bare}/")];
                self.paths.iter().any(|route| {
                    route.method() == method
                        && (!clear || ways.iter().any(|way| route.is(&method, way)))
                })
            }
            Payload::Values(operation, _) => self.functions.contains(operation),
        };
        match found {
            true => Lasts::Yes,
            false => Lasts::No,
        }
    }
}

/// What a call is to be at a service that declares nothing, and of which nobody says anything.
pub(crate) fn of(call: &Call) -> Terms {
    let registered = call.registered.as_ref();
    let effects = registered.and_then(|known| known.settings.get::<Effects>());
    match effects {
        Some(effects) => effects.terms(call),
        None => Effects::default().meant(None),
    }
}

/// Whether what is asked as if it changed nothing stands at a path at which something irreversible is done. A service that does not look at
/// the method would do it all the same.
pub(crate) fn withholds(call: &Call) -> bool {
    let registered = call.registered.as_ref();
    let effects = registered.and_then(|known| known.settings.get::<Effects>());
    effects.is_some_and(|effects| {
        matches!(call.payload, Payload::Http(_))
            && !effects.paths.is_empty()
            && effects.terms(call).effect == Effect::Irreversible
    })
}

/// Reads what undoes something over plain HTTP: a method and a path, in which `{name}` stands for a field of what was answered.
///
/// # Errors
/// It is none, and why.
pub fn parse_undo(text: &str) -> Result<Arc<str>, String> {
    let wrong = || {
        format!(
            "`{}` undoes nothing: write a method that changes something and a path, such as \"DELETE /orders/{{id}}\", where {{id}} is a \
             field of what was answered; or \"INTERFACE/FUNCTION\"",
            text.escape_debug()
        )
    };
    if text.len() > UNDO_BYTES_MAX {
        return Err(wrong());
    }
    let Some((method, template)) = text.split_once(' ') else {
        let plain =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        return match text.split('/').all(plain) {
            true => Ok(text.into()),
            false => Err(wrong()),
        };
    };
    // With its fields filled in it is a path like any other.
    let segments: Option<Vec<_>> = template.split('/').map(plain_or_field).collect();
    let plain = segments.ok_or_else(wrong)?.join("/");
    MethodPath::parse(&format!("{method} {plain}")).map_err(|_| wrong())?;
    match method {
        "GET" | "OPTIONS" | "TRACE" => Err(wrong()),
        _ => Ok(text.into()),
    }
}

/// The segment, or a word in the place of a field.
fn plain_or_field(segment: &str) -> Option<&str> {
    if !segment.contains(['{', '}']) {
        return Some(segment);
    }
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (!name.is_empty() && name.bytes().all(is_word)).then_some("field")
}

fn gravity(declared: &Declared) -> u8 {
    match declared {
        Declared::Idempotent => 0,
        Declared::Undo(_) => 1,
        Declared::Irreversible => 2,
    }
}

/// How many arguments a function may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arguments {
    Any,
    /// What was answered, or nothing.
    Few,
}

/// The operation of a function that takes nothing.
///
/// # Errors
/// There is none of that name, or it takes something.
pub(crate) fn function_without_arguments(
    contract: &Contract,
    named: &str,
) -> Result<Arc<str>, String> {
    let shown = named.escape_debug();
    match path::find(contract, &format!("/{named}")) {
        Some((interface, function)) if function.params.is_empty() => {
            Ok(interface.operation(function))
        }
        Some(_) => Err(format!(
            "`{shown}` takes arguments, and a schedule has none to give"
        )),
        None => Err(format!(
            "the component exports no function `{shown}`; an operation over plain HTTP is written \"POST /path\""
        )),
    }
}

/// The full name of a function.
fn function(contract: &Contract, named: &str, arguments: Arguments) -> Result<Arc<str>, String> {
    let shown = named.escape_debug();
    let Some((interface, function)) = path::find(contract, &format!("/{named}")) else {
        return Err(format!(
            "`{shown}` is named under [effects], and the component exports no such function; an operation over plain HTTP is written \
             \"POST /path\""
        ));
    };
    if arguments == Arguments::Few && function.params.len() > 1 {
        return Err(format!(
            "`{shown}` cannot undo anything: it is given what was answered and nothing else, and takes {} arguments",
            function.params.len()
        ));
    }
    Ok(interface.operation(function))
}

#[cfg(test)]
mod tests;
