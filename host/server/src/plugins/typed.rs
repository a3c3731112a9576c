//! What the typed services offer: for the admin page, and for whoever asks from the terminal.

use crate::control::words::OperationLine;
use holdfast_call::Registered;
use holdfast_rules::contract::Settings;
use holdfast_rules::contract::listed::{Looks, Operation, summary};
use serde_json::{Value, json};

/// The most operations that the page shows of one service.
pub const OPERATIONS_SHOWN: usize = 256;

/// What the page shows of a typed service; nothing of another one.
pub(super) fn shown(registered: &Registered) -> Option<Value> {
    let settings = registered.settings.get::<Settings>()?;
    let exports = settings.contract.exports.iter();
    let interfaces: Vec<_> = exports.map(|interface| &*interface.id).collect();
    let [wit, openapi] = settings
        .pages()
        .map_or([None, None], |pages| pages.map(Some));
    let operation = |operation: Operation<'_>| {
        json!({
            "operation": &*operation.interface.operation(operation.function),
            "path": operation.path,
            "summary": summary(&operation.function.docs),
            "safe": operation.looks == Looks::Only,
        })
    };
    let operations = settings.operations().take(OPERATIONS_SHOWN);
    Some(json!({
        "interfaces": interfaces,
        "wit": wit,
        "openapi": openapi,
        "operations": operations.map(operation).collect::<Vec<_>>(),
        "operations_total": settings.operations().count(),
    }))
}

/// Every operation of a typed service; none of another one.
pub(super) fn lines(registered: &Registered) -> Vec<OperationLine> {
    let Some(settings) = registered.settings.get::<Settings>() else {
        return Vec::new();
    };
    let line = |operation: Operation<'_>| OperationLine {
        name: operation.path.trim_start_matches('/').to_owned(),
        interface: operation.interface.id.to_string(),
        signature: operation.function.to_string(),
        docs: operation.function.docs.0.as_deref().map(str::to_owned),
        safe: operation.looks == Looks::Only,
    };
    settings.operations().map(line).collect()
}
