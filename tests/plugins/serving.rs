//! A directory being served: files come, change, break and go, and what is served follows.

use crate::bed::{Silence, answer, line, native};
use holdfast_call::{Pipeline, Target};
use holdfast_server::plugins::load::Loader;
use holdfast_server::plugins::{
    Candidates, Choice, KeepVersions, LoadError, LoadService, LoadedService, Pair, Parts, Plugins,
    Promises, Say, ServiceStatus, Share,
};
use holdfast_server::router::{Route, RoutePath, Routes};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// A component here is a text: `v1` loads, `half` is truncated, `greedy` asks too much, `panic` panics. A manifest is one route.
pub(crate) struct Texts {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) generous: AtomicBool,
    pub(crate) removed: Mutex<Vec<String>>,
}

impl LoadService for Texts {
    fn load(
        &self,
        name: &str,
        pair: &Pair,
        _promises: Promises,
        progress: &dyn Fn(&str),
    ) -> Result<LoadedService, LoadError> {
        progress("compiling");
        let text = String::from_utf8(pair.component.clone()).unwrap();
        match text.as_str() {
            "half" => return Err(LoadError::Truncated("it ends in its middle".to_owned())),
            "broken" => return Err(LoadError::Refused("it is broken".to_owned())),
            "panic" => panic!("as asked"),
            "greedy" if !self.generous.load(SeqCst) => {
                return Err(LoadError::NotAllowed("it asks for more".to_owned()));
            }
            _ => {}
        }
        let route = |path: String| Route {
            host: None,
            path: RoutePath::Exact(path.trim().into()),
        };
        Ok(LoadedService {
            digest: text.clone().into(),
            registered: native(&self.pipeline, name, move |_| {
                let reply = answer(&text);
                Box::pin(async { reply })
            }),
            routes: pair.manifest.clone().map(route).into_iter().collect(),
            purpose: None,
            share: Share::ALL,
        })
    }

    fn removed(&self, name: &str) {
        self.removed.lock().unwrap().push(name.to_owned());
    }
}

/// Keeps every version in memory, the last one last.
#[derive(Default)]
pub(crate) struct Kept(
    pub(crate) Mutex<HashMap<String, Vec<Pair>>>,
    pub(crate) AtomicBool,
);

impl KeepVersions for Kept {
    fn choose(&self, _: &str, _: &Pair) -> Result<Choice, String> {
        Ok(Choice::Directory)
    }
    fn serving(&self, name: &str, pair: &Pair) -> Result<(), String> {
        if self.1.load(SeqCst) {
            return Err("the disk is full".to_owned());
        }
        let mut kept = self.0.lock().unwrap();
        kept.entry(name.to_owned()).or_default().push(pair.clone());
        Ok(())
    }
    fn previous(&self, name: &str) -> Result<Pair, String> {
        let kept = self.0.lock().unwrap();
        let versions = kept.get(name).map(Vec::as_slice).unwrap_or_default();
        match versions {
            [.., previous, _] => Ok(previous.clone()),
            _ => Err("there is no version before".to_owned()),
        }
    }
    fn rolled_back(&self, name: &str, _: Option<&Pair>) -> Result<(), String> {
        self.0.lock().unwrap().get_mut(name).unwrap().pop();
        Ok(())
    }
    fn hold(&self, _: &str, _: &Pair) -> Result<(), String> {
        Ok(())
    }
    fn removed(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn last(&self, _: &str, _: &Pair) -> Result<Option<Pair>, String> {
        Ok(None)
    }
}

pub(crate) struct Served {
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) texts: Arc<Texts>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) said: Arc<Mutex<Vec<String>>>,
    pub(crate) directory: tempfile::TempDir,
}

impl Served {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self::with_policy(files, None)
    }

    pub(crate) fn with_policy(files: &[(&str, &str)], policy: Option<PathBuf>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let line = line();
        let routes = Arc::new(Routes::default());
        let texts = Arc::new(Texts {
            pipeline: line.pipeline.clone(),
            generous: AtomicBool::new(false),
            removed: Mutex::default(),
        });
        let kept = Arc::new(Kept::default());
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        let say: Say = Arc::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
        let generous = texts.clone();
        let plugins = Plugins::start(Parts {
            directory: directory.path().to_owned(),
            policy,
            secrets: Arc::new(Vec::new),
            loader: Loader {
                pipeline: line.pipeline.clone(),
                routes: routes.clone(),
                service: texts.clone(),
                versions: kept.clone(),
                candidates: Candidates::default(),
                say,
                notices: Arc::new(Silence),
            },
            reload: Arc::new(move || {
                generous.generous.store(true, SeqCst);
                Ok(())
            }),
        })
        .unwrap();
        Self {
            plugins,
            pipeline: line.pipeline,
            routes,
            texts,
            kept,
            said,
            directory,
        }
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        // Written whole under another name and renamed, as a careful tool does.
        let path = self.directory.path().join(format!(".{file}.new"));
        std::fs::write(&path, text).unwrap();
        std::fs::rename(path, self.directory.path().join(file)).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.directory.path().join(file)).unwrap();
    }

    /// Waits until the services are as `wanted` says.
    pub(crate) async fn until(&self, wanted: impl FnMut(&Arc<Vec<ServiceStatus>>) -> bool) {
        self.plugins.changes().wait_for(wanted).await.unwrap();
    }

    pub(crate) async fn until_serving(&self, name: &str, digest: &str) {
        self.until(|services| {
            services
                .iter()
                .any(|service| &*service.name == name && service.digest.as_deref() == Some(digest))
        })
        .await;
    }

    pub(crate) async fn until_error(&self, name: &str, error: &str) {
        self.until(|services| {
            services.iter().any(|service| {
                &*service.name == name
                    && service
                        .error
                        .as_deref()
                        .is_some_and(|text| text.contains(error))
            })
        })
        .await;
    }

    fn registered(&self, name: &str) -> bool {
        let target = Target::Service(name.into());
        self.pipeline.registry().get(&target).is_some()
    }

    fn said(&self, text: &str) -> usize {
        let said = self.said.lock().unwrap();
        said.iter().filter(|line| line.contains(text)).count()
    }
}

#[tokio::test]
async fn what_lies_there_is_served_and_the_host_is_ready_once_all_was_tried() {
    let served = Served::new(&[
        ("b.wasm", "v1"),
        ("a.wasm", "v1"),
        ("c.wasm", "broken"),
        ("README", "x"),
    ]);
    served.plugins.until_ready().await;
    let states: Vec<_> = served
        .plugins
        .services()
        .iter()
        .map(|service| format!("{} {}", service.name, service.doing.as_str()))
        .collect();
    assert_eq!(states, ["a serving", "b serving", "c failed"]);
    assert!(served.registered("a") && !served.registered("c"));
    assert!(served.routes.find("h", "/a/").is_some() && served.routes.find("h", "/c/").is_none());
    assert_eq!(
        served.said("c: not loaded, nothing serves under this name: it is broken"),
        1
    );
    assert_eq!(served.said("README is ignored"), 1);
    assert_eq!(served.said("a: compiling"), 1);
    assert_eq!(served.said("a: serving /a/... (v1)"), 1);
}

#[tokio::test]
async fn an_empty_directory_is_ready_too() {
    let served = Served::new(&[]);
    served.plugins.until_ready().await;
    assert!(served.plugins.services().is_empty());
}

#[tokio::test]
async fn a_file_that_comes_is_served_and_one_that_changes_is_swapped() {
    let served = Served::new(&[]);
    served.plugins.until_ready().await;
    served.write("a.wasm", "v1");
    served.until_serving("a", "v1").await;
    let before = served.routes.find("h", "/a/").unwrap().registered.clone();
    served.write("a.wasm", "v2");
    served.until_serving("a", "v2").await;
    let now = served.routes.find("h", "/a/").unwrap().registered.clone();
    assert!(!Arc::ptr_eq(&before, &now));
    // The manifest is half of the version: a change of it alone is a new one.
    served.write("a.toml", "/elsewhere");
    served
        .until(|services| {
            services
                .iter()
                .any(|service| service.routes == ["/elsewhere"])
        })
        .await;
    assert!(served.routes.find("h", "/a/").is_none());
}

#[tokio::test]
async fn a_version_that_fails_leaves_the_one_before_serving() {
    let served = Served::new(&[("a.wasm", "v1")]);
    served.until_serving("a", "v1").await;
    for (text, error) in [
        ("broken", "it is broken"),
        ("half", "the component is not whole"),
        ("panic", "the loader panicked"),
        ("greedy", "it asks for more"),
    ] {
        served.write("a.wasm", text);
        served.until_error("a", error).await;
        let found = served.routes.find("h", "/a/").unwrap();
        assert_eq!(&*found.service, "a");
        assert_eq!(
            served.plugins.services()[0].digest.as_deref(),
            Some("v1"),
            "{text}"
        );
    }
    assert_eq!(
        served.said("the version before serves on: the component is not whole"),
        1
    );
    served.write("a.wasm", "v2");
    served.until_serving("a", "v2").await;
    assert_eq!(served.plugins.services()[0].error, None);
}

#[tokio::test]
async fn a_version_that_cannot_be_kept_is_not_served() {
    let served = Served::new(&[("a.wasm", "v1")]);
    served.until_serving("a", "v1").await;
    served.kept.1.store(true, SeqCst);
    served.write("a.wasm", "v2");
    served.until_error("a", "the disk is full").await;
    assert_eq!(served.plugins.services()[0].digest.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_removed_file_removes_its_service() {
    let served = Served::new(&[("a.wasm", "v1"), ("a.toml", "/x")]);
    served.until_serving("a", "v1").await;
    served.remove("a.wasm");
    served.until(|services| services.is_empty()).await;
    // The loader's thread takes it out; the next load is behind that.
    served.write("b.wasm", "v1");
    served.until_serving("b", "v1").await;
    assert!(!served.registered("a") && served.routes.find("h", "/x").is_none());
    assert_eq!(*served.texts.removed.lock().unwrap(), ["a"]);
}

#[tokio::test]
async fn two_that_want_one_route_are_both_named_and_the_second_comes_when_the_first_goes() {
    let served = Served::new(&[
        ("a.wasm", "v1"),
        ("a.toml", "/x"),
        ("b.wasm", "v1"),
        ("b.toml", "/x"),
    ]);
    let error = "the route /x of `b` is already claimed by `a`";
    served.until_error("b", error).await;
    assert_eq!(&*served.routes.find("h", "/x").unwrap().service, "a");
    served.remove("a.wasm");
    served.until_serving("b", "v1").await;
    assert_eq!(&*served.routes.find("h", "/x").unwrap().service, "b");
}

#[tokio::test]
async fn a_rollback_serves_the_version_before_until_the_files_change() {
    let served = Served::new(&[("a.wasm", "v1")]);
    served.until_serving("a", "v1").await;
    let error = served.plugins.roll_back("a").await.unwrap_err();
    assert_eq!(error, "there is no version before");
    served.write("a.wasm", "v2");
    served.until_serving("a", "v2").await;
    assert_eq!(&*served.plugins.roll_back("a").await.unwrap(), "v1");
    served.until_serving("a", "v1").await;
    served.write("a.wasm", "v3");
    served.until_serving("a", "v3").await;
    let error = served.plugins.roll_back("nobody").await.unwrap_err();
    assert!(error.contains("no service `nobody`"), "{error}");
}

#[tokio::test]
async fn a_changed_policy_is_taken_and_what_it_stopped_is_tried_again() {
    let beside = tempfile::tempdir().unwrap();
    let policy = beside.path().join("holdfast.toml");
    std::fs::write(&policy, "one").unwrap();
    let served = Served::with_policy(&[("a.wasm", "greedy")], Some(policy.clone()));
    served.until_error("a", "it asks for more").await;
    std::fs::write(&policy, "another").unwrap();
    served.until_serving("a", "greedy").await;
    assert_eq!(served.said("policy: the new settings hold"), 1);
}
