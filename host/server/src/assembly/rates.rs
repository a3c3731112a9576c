//! How many calls of a service may come: from effective settings to the limits that count them.

use super::Host;
use crate::settings::Effective;
use holdfast_call::contract::Contract;
use holdfast_call::{Level, Log as _};
use holdfast_rules::rate::Settings;
use holdfast_rules::rate::limit::Whose;
use holdfast_rules::rate::route::Operations;
use holdfast_wasm::service::Service;
use std::sync::Arc;

/// The limits of a service. One that says what another policy or version has said already goes on with what it has counted.
pub(super) fn of(host: &Host, effective: &Effective, made: &Service) -> Settings {
    let (rates, name) = (host.sharing.rates(), effective.name.shared());
    let rate = &effective.rate;
    let operations = rate.operations.iter().map(|(operation, quota)| {
        let whose = Whose::Operation(name.clone(), operation.text().clone());
        (operation.clone(), rates.limit(whose, *quota))
    });
    let operations = Operations::new(operations, contract(made));
    if !made.serves_http() {
        for operation in operations.no_functions() {
            let text = format!(
                "{name} has no function `{operation}`: its limit under [services.{name}.rate.operations] in holdfast.toml counts nothing"
            );
            host.log.host(Level::Warn, text);
        }
    }
    let limit = |whose, quota: Option<_>| quota.map(|quota| rates.limit(whose, quota));
    Settings {
        caller: limit(Whose::Caller, effective.caller_rate),
        caller_here: limit(Whose::CallerHere(name.clone()), rate.caller),
        calls: limit(Whose::Service(name.clone()), rate.calls),
        operations,
    }
}

fn contract(made: &Service) -> Option<Arc<Contract>> {
    let contract = made.contract();
    (!contract.exports.is_empty()).then(|| contract.clone())
}
