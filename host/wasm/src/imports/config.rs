//! `wasi:config/store`: values of the manifest, in the order of their names. An order that was another one in each process would lead a
//! durable execution another way each time it is run.

use crate::guest::Guest;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Linker, Lower};

/// The name under which guests import it.
const NAME: &str = "wasi:config/store@0.2.0-rc.1";

/// Why a value cannot be had. What is in memory always can.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[expect(dead_code, reason = "the interface has a place for it")]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

type Given<T> = std::result::Result<T, Error>;

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut config = linker.instance(NAME)?;
    config.func_wrap("get", |store, (key,): (String,)| {
        Ok((get(store.data(), &key),))
    })?;
    config.func_wrap("get-all", |store, (): ()| Ok((get_all(store.data()),)))
}

fn get(guest: &Guest, key: &str) -> Given<Option<String>> {
    Ok(guest.surroundings.config.get(key).cloned())
}

fn get_all(guest: &Guest) -> Given<Vec<(String, String)>> {
    Ok(guest.surroundings.config.clone().into_iter().collect())
}
