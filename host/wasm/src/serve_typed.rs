//! Serving a call with a function that a component exports by itself.

use crate::contract::values;
use crate::guest::Guest;
use crate::idle::{Exported, Keep};
use crate::life::Life;
use crate::run::Begin;
use holdfast_call::contract::Function;
use holdfast_call::{Failure, FailureKind, Meter, Value};
use std::collections::HashMap;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, Val};

/// The exported functions of a component, by their operations.
pub(crate) type Functions = HashMap<Arc<str>, Arc<Exposed>>;

/// One of them.
pub(crate) struct Exposed {
    pub(crate) index: ComponentExportIndex,
    pub(crate) function: Function,
}

/// Finds the functions of a contract in the component that has it.
pub(crate) fn functions(
    component: &Component,
    contract: &holdfast_call::contract::Contract,
) -> Option<Functions> {
    let mut functions = Functions::new();
    for interface in contract.exports.iter().chain(&contract.entries) {
        let instance = match &*interface.id {
            "" => None,
            id => Some(component.get_export_index(None, id)?),
        };
        for function in &interface.functions {
            let index = component.get_export_index(instance.as_ref(), &*function.name)?;
            let exposed = Exposed {
                index,
                function: function.clone(),
            };
            functions.insert(interface.operation(function), Arc::new(exposed));
        }
    }
    Some(functions)
}

/// What is asked of a component: a function, and what it is given.
pub(crate) struct Asked {
    pub(crate) exposed: Arc<Exposed>,
    pub(crate) values: Vec<Value>,
}

/// Runs the guest from before its instantiation to the return of the function. The life is told what it gave and the end, the end before
/// the store is dropped, or kept.
pub(crate) async fn run(
    begin: Begin<InstancePre<Guest>, Instance>,
    mut store: Store<Guest>,
    asked: Asked,
    life: Arc<Life>,
    meter: Arc<Meter>,
    keep: Option<Keep>,
) {
    let result = call(begin, &mut store, &asked, &life, &meter).await;
    match result.and_then(|result| store.data_mut().ended(result)) {
        Ok(instance) => {
            life.finish(Ok(()));
            if let Some(keep) = keep {
                keep.offer(store, Exported::Typed(instance), life);
            }
        }
        Err(failure) => life.finish(Err(failure)),
    }
}

async fn call(
    begin: Begin<InstancePre<Guest>, Instance>,
    store: &mut Store<Guest>,
    asked: &Asked,
    life: &Life,
    meter: &Meter,
) -> Result<wasmtime::Result<Instance>, Failure> {
    let Function { params, result, .. } = &asked.exposed.function;
    let pairs = asked.values.iter().zip(params);
    let given = pairs.map(|(value, param)| values::to_engine(value, &param.ty));
    let given: Vec<Val> = given.collect::<Option<_>>().ok_or_else(|| {
        Failure::new(
            FailureKind::InvalidInput,
            "a value is not of its parameter's type",
        )
    })?;
    let instance = match begin {
        Begin::Fresh(pre) => {
            meter.start_begun();
            match pre.instantiate_async(&mut *store).await {
                Ok(instance) => {
                    meter.start_done();
                    instance
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Begin::Again(instance) => *instance,
    };
    let Some(function) = instance.get_func(&mut *store, asked.exposed.index) else {
        return Err(Failure::new(
            FailureKind::Internal,
            "the function is not in the instance",
        ));
    };
    let mut back: Vec<Val> = result.iter().map(|_| Val::Bool(false)).collect();
    if let Err(error) = function.call_async(&mut *store, &given, &mut back).await {
        return Ok(Err(error));
    }
    let pairs = back.into_iter().zip(result);
    let values = pairs.map(|(value, ty)| values::from_engine(value, ty));
    let values = values.collect::<Option<_>>().ok_or_else(|| {
        Failure::new(
            FailureKind::BadResponse,
            "what the function gave is not what its contract says",
        )
    })?;
    life.give(values);
    Ok(Ok(instance))
}
