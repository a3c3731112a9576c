//! Interfaces of other services: a call of an imported function is a child call, and what it comes back with is the function's result.
//!
//! A refusal or a fault is given as the function's own error where the contract has a place for it ([`faults`]). Where it has none, the
//! caller is stopped with the fault, and never left with a wrong value.

use super::capability;
use crate::contract::values;
use crate::guest::Guest;
use holdfast_call::contract::{Function, Interface, Mode, faults};
use holdfast_call::{Answer, Fault, HostCode, Payload, Reply, Scope, Target, Value};
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;
use wasmtime::component::{Linker, Val};
use wasmtime::{Error, Result};

/// An imported interface, and who serves it.
#[derive(Clone, Debug)]
pub struct Link {
    /// As it is imported.
    pub interface: Interface,
    /// The service that exports it.
    pub service: Arc<str>,
    /// The name under which that service exports it, which may be of another version of the same line.
    pub exported: Arc<str>,
}

/// One function of it.
struct Linked {
    service: Arc<str>,
    operation: Arc<str>,
    function: Function,
}

/// The fault that ends a guest which could not be told of it.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Fault);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a call to another service failed: {}", self.0)
    }
}

impl std::error::Error for Stopped {}

/// Puts an interface of another service into the linker.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>, link: &Link) -> Result<()> {
    let mut instance = linker.instance(&link.interface.id)?;
    for function in &link.interface.functions {
        let linked = Arc::new(Linked {
            service: link.service.clone(),
            operation: format!("{}#{}", link.exported, function.name).into(),
            function: function.clone(),
        });
        match function.mode {
            Mode::Sync => {
                instance.func_new_async(&function.name, move |mut store, _, given, back| {
                    let linked = linked.clone();
                    let values = linked.values(given);
                    let door = door(store.data_mut());
                    Box::new(async move { linked.call(values, door, back).await })
                })?
            }
            Mode::Async => {
                instance.func_new_concurrent(&function.name, move |accessor, _, given, back| {
                    let linked = linked.clone();
                    let values = linked.values(given);
                    let door = accessor.with(|mut access| door(access.data_mut()));
                    Box::pin(async move { linked.call(values, door, back).await })
                })?
            }
        }
    }
    Ok(())
}

/// The way to one more child call, and where it runs; none for a guest that has asked too often.
fn door(guest: &mut Guest) -> Option<(Scope, Handle)> {
    let (scope, _life) = guest.hooks.next()?;
    Some((scope, guest.hooks.serving().clone()))
}

impl Linked {
    fn values(&self, given: &[Val]) -> Option<Vec<Value>> {
        let pairs = given.iter().cloned().zip(&self.function.params);
        pairs
            .map(|(value, param)| values::from_engine(value, &param.ty))
            .collect()
    }

    async fn call(
        &self,
        given: Option<Vec<Value>>,
        door: Option<(Scope, Handle)>,
        back: &mut [Val],
    ) -> Result<()> {
        let given = given.ok_or_else(|| self.wrong("what was given"))?;
        let reply = match door {
            Some((scope, serving)) => self.ask(&scope, &serving, given).await,
            None => return Err(Error::msg("it asks for more calls than it may make")),
        };
        let value = match (reply, &self.function.result) {
            (Ok(answer), result) => match (taken(answer), result) {
                (value, Some(_)) => value,
                (_, None) => None,
            },
            (Err(fault), Some(result)) => {
                Some(faults::error_of(&fault, result).ok_or(Stopped(fault))?)
            }
            (Err(fault), None) => return Err(Stopped(fault).into()),
        };
        match (value, &self.function.result, back) {
            (None, None, []) => Ok(()),
            (Some(value), Some(ty), [place]) => {
                *place =
                    values::to_engine(&value, ty).ok_or_else(|| self.wrong("what came back"))?;
                Ok(())
            }
            _ => Err(self.wrong("what came back")),
        }
    }

    /// Makes the call, on a task of the serving runtime like every other child's.
    async fn ask(&self, scope: &Scope, serving: &Handle, given: Vec<Value>) -> Reply {
        let target = Target::Service(self.service.clone());
        let payload = Payload::Values(self.operation.clone(), given);
        let asked = scope.ask(target, self.operation.clone(), None, payload);
        let reply = capability::reply(serving, asked).await;
        reply.unwrap_or_else(|| Err(lost(&self.service)))
    }

    fn wrong(&self, what: &str) -> Error {
        Error::msg(format!("{what} is not what `{}` says", self.operation))
    }
}

fn taken(answer: Answer) -> Option<Value> {
    match answer {
        Answer::Values(values) => values.into_list().pop(),
        answer @ Answer::Http(_) => {
            answer.close();
            None
        }
    }
}

/// The task of the child is gone, which only a host does that goes down.
fn lost(service: &str) -> Fault {
    let verdict = holdfast_call::Verdict {
        boundary: holdfast_call::Boundary::Platform,
        stage: "import",
        cause: format!("the call to {service} was lost"),
        evidence: Vec::new(),
        next: "look whether the host is shutting down".to_owned(),
    };
    let code = HostCode::Internal;
    Fault::host(code, format!("{}.", code.meaning().title), verdict)
}
