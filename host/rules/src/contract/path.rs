//! Which function a path means: `/INTERFACE/FUNCTION` behind the service's own name, or `/FUNCTION` for one that stands in no interface.
//!
//! An interface is meant by its last name (`invoices`), which is enough as long as the component exports one of that name; with its version
//! (`invoices@1.2.0`); or in full (`acme:billing/invoices@1.2.0`).

use holdfast_call::contract::{Contract, Function, Interface};

/// The function that `path` means, and its interface.
#[must_use]
pub fn find<'a>(contract: &'a Contract, path: &str) -> Option<(&'a Interface, &'a Function)> {
    let path = path.strip_prefix('/')?;
    let (named, function) = match path.rsplit_once('/') {
        Some(("", _)) => return None,
        Some(both) => both,
        None => ("", path),
    };
    let mut meant = contract.exports.iter().filter(|one| means(named, one));
    // Two of one name are told apart by their versions: neither is meant without.
    match (meant.next(), meant.next()) {
        (Some(interface), None) => Some((interface, interface.function(function)?)),
        _ => None,
    }
}

fn means(named: &str, interface: &Interface) -> bool {
    let with_version = || {
        let (short, version) = named.split_once('@')?;
        Some(short == interface.short() && Some(version) == interface.version())
    };
    *interface.id == *named || interface.short() == named || with_version().unwrap_or(false)
}

/// The shortest path that means this interface, without a slash at its end.
#[must_use]
pub fn of(contract: &Contract, interface: &Interface) -> String {
    let short = interface.short();
    if short.is_empty() {
        return String::new();
    }
    let same = |one: &&Interface| one.short() == short;
    let versioned = interface
        .version()
        .map(|version| format!("{short}@{version}"));
    let is_alone = |named: &str| {
        contract
            .exports
            .iter()
            .filter(|one| means(named, one))
            .count()
            == 1
    };
    match versioned {
        _ if contract.exports.iter().filter(same).count() == 1 => format!("/{short}"),
        Some(versioned) if is_alone(&versioned) => format!("/{versioned}"),
        _ => format!("/{}", interface.id),
    }
}
