//! Which service a request is for: an immutable table of claims, replaced as a whole.
//!
//! A service claims the routes of its manifest, or `/NAME/...` if it names none. The longest claim wins, one for a host before one for
//! every host. Two services never claim the same route: the later one is refused, and both are named. Nothing here reads a request.

pub use crate::settings::{Route, RoutePath};
use arc_swap::ArcSwap;
use holdfast_call::{Boundary, Registered, Why};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Another service has claimed the route already.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the route {route} of `{service}` is already claimed by `{by}`")]
pub struct RouteTaken {
    /// The route that both want.
    pub route: Route,
    /// Who wants it now.
    pub service: Arc<str>,
    /// Who has it.
    pub by: Arc<str>,
}

/// What a route leads to.
#[derive(Clone, Debug)]
pub struct Found {
    /// The service's name.
    pub service: Arc<str>,
    /// The service as it is registered; a call keeps the version it was routed to.
    pub registered: Arc<Registered>,
    /// The purpose of its manifest: why a call is made that gives no reason of its own.
    pub purpose: Option<Why>,
    /// What is taken off the front of the path before the service sees it: `/NAME` of a default route, else nothing.
    pub strip: Arc<str>,
}

/// What a service claims.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The service's name.
    pub service: Arc<str>,
    /// The routes of its manifest; without any it is served at `/NAME/...`.
    pub routes: Vec<Route>,
    /// The purpose of its manifest.
    pub purpose: Option<Why>,
    /// The service as it is registered.
    pub registered: Arc<Registered>,
}

impl Claim {
    /// What a version claims that was loaded under this name.
    #[must_use]
    pub fn of(name: &Arc<str>, loaded: &crate::plugins::LoadedService) -> Self {
        Self {
            service: name.clone(),
            routes: loaded.routes.clone(),
            purpose: loaded.purpose.clone(),
            registered: loaded.registered.clone(),
        }
    }

    /// The routes it claims, the default one among them.
    #[must_use]
    pub fn routes_of(&self) -> Vec<Route> {
        self.claimed().0
    }

    /// The routes it claims, the default one among them, and what is stripped on them.
    fn claimed(&self) -> (Vec<Route>, Arc<str>) {
        if self.routes.is_empty() {
            let strip = format!("/{}", self.service).into();
            (vec![Route::of_name(&self.service)], strip)
        } else {
            (self.routes.clone(), "".into())
        }
    }
}

/// Why nothing serves under a name under which something lies in the plugin directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLoaded {
    /// The service's name.
    pub service: Arc<str>,
    /// The boundary at which it was stopped.
    pub boundary: Boundary,
    /// What was said of it.
    pub why: String,
}

/// The routes there are now.
#[derive(Default)]
pub struct Routes {
    table: ArcSwap<Table>,
    claims: Mutex<BTreeMap<Arc<str>, Claim>>,
    /// The services that would be there if they could be loaded.
    not_loaded: Mutex<BTreeMap<Arc<str>, NotLoaded>>,
}

impl Routes {
    /// Where a request goes. `host` is in lower case and without a port.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Arc<Found>> {
        let table = self.table.load();
        table
            .hosts
            .get(host)
            .and_then(|paths| paths.find(path))
            .or_else(|| table.every.find(path))
            .cloned()
    }

    /// Notes that a service could not be loaded and nothing serves under its name.
    pub fn note(&self, not: NotLoaded) {
        self.not_loaded().insert(not.service.clone(), not);
    }

    /// The service that would be found at the default route that `path` is of, if it could be loaded.
    #[must_use]
    pub fn missed(&self, path: &str) -> Option<NotLoaded> {
        let name = path.strip_prefix('/')?.split('/').next()?;
        self.not_loaded().get(name).cloned()
    }

    fn not_loaded(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, NotLoaded>> {
        self.not_loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a service could claim `routes` now.
    ///
    /// # Errors
    /// Another service has claimed one of them.
    pub fn check(&self, claim: &Claim) -> Result<(), RouteTaken> {
        let claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        free(&claims, claim)
    }

    /// Puts a service's claim in, in place of what it claimed before; all of it or nothing.
    ///
    /// # Errors
    /// Another service has claimed one of the routes.
    pub fn put(&self, claim: Claim) -> Result<(), RouteTaken> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        free(&claims, &claim)?;
        self.not_loaded().remove(&claim.service);
        claims.insert(claim.service.clone(), claim);
        self.table.store(Arc::new(Table::of(&claims)));
        Ok(())
    }

    /// Lets the routes of a service lead to it as it is registered now, with the routes it has: its settings changed, not its files.
    pub fn renew(&self, service: &str, registered: Arc<Registered>) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claim) = claims.get_mut(service) {
            claim.registered = registered;
            self.table.store(Arc::new(Table::of(&claims)));
        }
    }

    /// Takes a service's claims out.
    pub fn remove(&self, service: &str) {
        self.not_loaded().remove(service);
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if claims.remove(service).is_some() {
            self.table.store(Arc::new(Table::of(&claims)));
        }
    }

    /// The routes that a service has now, the default one among them.
    #[must_use]
    pub fn of(&self, service: &str) -> Vec<Route> {
        let claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims
            .get(service)
            .map(|claim| claim.claimed().0)
            .unwrap_or_default()
    }
}

fn free(claims: &BTreeMap<Arc<str>, Claim>, wanted: &Claim) -> Result<(), RouteTaken> {
    for route in wanted.claimed().0 {
        let holder = claims
            .values()
            .filter(|held| held.service != wanted.service)
            .find(|held| held.claimed().0.contains(&route));
        if let Some(held) = holder {
            return Err(RouteTaken {
                route,
                service: wanted.service.clone(),
                by: held.service.clone(),
            });
        }
    }
    Ok(())
}

#[derive(Default)]
struct Table {
    every: Paths,
    hosts: HashMap<Arc<str>, Paths>,
}

impl Table {
    fn of(claims: &BTreeMap<Arc<str>, Claim>) -> Self {
        let mut table = Self::default();
        for claim in claims.values() {
            let (routes, strip) = claim.claimed();
            let found = Arc::new(Found {
                service: claim.service.clone(),
                registered: claim.registered.clone(),
                purpose: claim.purpose.clone(),
                strip,
            });
            for route in routes {
                let paths = match route.host {
                    Some(host) => table.hosts.entry(host).or_default(),
                    None => &mut table.every,
                };
                paths.put(&route.path, &found);
            }
        }
        table
    }
}

/// The claims of one host. Prefixes are kept without their last slash, so that cutting a path at its slashes finds them.
#[derive(Default)]
struct Paths {
    exact: HashMap<Arc<str>, Arc<Found>>,
    prefixes: HashMap<String, Arc<Found>>,
    /// The longest prefix, in bytes: a path is never cut further back from its end than it has to be.
    longest: usize,
}

impl Paths {
    fn put(&mut self, path: &RoutePath, found: &Arc<Found>) {
        match path {
            RoutePath::Exact(path) => {
                self.exact.insert(path.clone(), found.clone());
            }
            RoutePath::Prefix(path) => {
                let cut = path.strip_suffix('/').unwrap_or(path);
                self.longest = self.longest.max(cut.len());
                self.prefixes.insert(cut.to_owned(), found.clone());
            }
        }
    }

    fn find(&self, path: &str) -> Option<&Arc<Found>> {
        if let Some(found) = self.exact.get(path) {
            return Some(found);
        }
        let mut cut = path;
        loop {
            // What is longer than every prefix cannot be one: a path of a thousand slashes costs no thousand look-ups.
            if cut.len() <= self.longest
                && let Some(found) = self.prefixes.get(cut)
            {
                return Some(found);
            }
            (cut, _) = cut.rsplit_once('/')?;
        }
    }
}
