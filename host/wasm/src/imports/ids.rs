//! `holdfast:host/ids`: ids that the host makes in place, and numbers of sequences, each of which is a child call.

use super::capability::{self, Unanswered};
use crate::guest::Guest;
use holdfast_call::{Target, Value};
use wasmtime::component::{ComponentType, Lift, Linker, Lower};
use wasmtime::{Result, StoreContextMut};

/// The name under which guests import it (`wit/ids.wit`).
const NAME: &str = "holdfast:host/ids@0.1.0";

/// The longest name, in bytes; what is longer by one is refused for it, and the rest is not carried there.
const NAME_BYTES_MAX: usize = 256;

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Failure {
    code: String,
    detail: String,
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut ids = linker.instance(NAME)?;
    ids.func_wrap("next", |store, (): ()| {
        // What serves nobody asks for nothing; its id would be none.
        let id = store.data().hooks.new_id();
        let id = id.map_or_else(String::new, |id| id.to_string());
        Ok((id,))
    })?;
    ids.func_wrap_async("sequence", |store, given| Box::new(sequence(store, given)))
}

async fn sequence(
    mut store: StoreContextMut<'_, Guest>,
    (mut name,): (String,),
) -> Result<(std::result::Result<u64, Failure>,)> {
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX + 1));
    let (own, values) = (Target::OWN.into(), vec![Value::Text(name)]);
    let given = capability::ask(store.data_mut(), "ids", own, "sequence", values).await;
    Ok((match given {
        Ok(Value::U64(number)) => Ok(number),
        Ok(_) => Err(Unanswered::Nothing.into()),
        Err(unanswered) => Err(unanswered.into()),
    },))
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        Self {
            code: unanswered.code(),
            detail: unanswered.detail(),
        }
    }
}
