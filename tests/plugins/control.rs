//! A whole host from outside: its pages, its socket, its end.

use super::serving::{Kept, Texts};
use crate::bed::{Bed, Silence};
use crate::gateway::client::ask;
use holdfast_call::Settings as LayerSettings;
use holdfast_rules::notices::Line;
use holdfast_server::backup::Backups;
use holdfast_server::cli::{call, ls};
use holdfast_server::control::client::Client;
use holdfast_server::control::words::{CallRequest, Request, Response};
use holdfast_server::drain::Drained;
use holdfast_server::entry::http::Gateway;
use holdfast_server::entry::peer::TrustedProxies;
use holdfast_server::executions::HostExecutions;
use holdfast_server::keys::CallerKeys;
use holdfast_server::ledger::HostLedger;
use holdfast_server::notices::Teller;
use holdfast_server::queues::{self, Queues};
use holdfast_server::runs::{self, Runs};
use holdfast_server::serve::{Host, LetsIn, Running, Settings, exposure, start};
use holdfast_server::settings::{Flags, ListenLimits, Policy};
use holdfast_store::audit::{AUDIT_BYTES_MIN, Setup as AuditSetup};
use holdfast_store::db::{Database, Place};
use holdfast_store::{Audit, HostKey};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A host on free ports that serves `hello`, with its data in `data`.
async fn host(data: &Path, plugins: &Path) -> Running {
    std::fs::write(plugins.join("hello.wasm"), "v1").unwrap();
    let bed = Bed::new(1).await;
    let texts = Arc::new(Texts {
        pipeline: bed.pipeline.clone(),
        generous: AtomicBool::new(false),
        removed: Default::default(),
    });
    let gateway = Gateway::new(
        bed.pipeline.clone(),
        bed.routes.clone(),
        TrustedProxies::default(),
        ListenLimits::default(),
        LayerSettings::default(),
    );
    let settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        limits: ListenLimits::default(),
        tls: None,
        admin: Some("127.0.0.1:0".parse().unwrap()),
        plugins: plugins.to_owned(),
        data: data.to_owned(),
        policy: None,
        lets_in: LetsIn::NoPolicy,
        drain: Duration::from_secs(60),
    };
    let host = parts(data, &bed, texts, gateway).await;
    start(settings, host).await.unwrap()
}

/// What the host is made of, which keeps what it must in `data`.
async fn parts(data: &Path, bed: &Bed, texts: Arc<Texts>, gateway: Gateway) -> Host {
    let database = Database::open(Place::File(data.join("holdfast.db"))).await;
    let database = database.unwrap();
    let key = HostKey::open(data, || [7; 32]).unwrap();
    let held = (Arc::default(), Duration::from_secs(24 * 3600));
    let told = (&Silence as _, &Silence as _);
    let executions = HostExecutions::begin(database.clone(), &key, held, told).await;
    let executions = executions.unwrap();
    let (holder, clock) = (executions.holder(), bed.pipeline.sources().clock.clone());
    let (held, silence) = (Arc::default(), Arc::new(Silence));
    let ledger = HostLedger::begin(database.clone(), holder, held, clock.clone(), silence).await;
    let policy = Policy::default_for_one_person().with_flags(Flags {
        data: Some(data.to_owned()),
        ..Flags::default()
    });
    let backups = Backups::new(&policy, executions.clone(), clock.clone());
    let line = Line::new(clock);
    let teller = Teller::new(line, bed.pipeline.clone(), Arc::new(Silence));
    let audit = AuditSetup {
        data: data.to_owned(),
        copy: None,
        budget_bytes: AUDIT_BYTES_MIN,
        keep_days: 400,
        clock: bed.pipeline.sources().clock.clone(),
        tell: Arc::new(|_| {}),
    };
    let queues = Queues::new(queues::Parts {
        pipeline: bed.pipeline.clone(),
        database: database.clone(),
        holder: executions.holder(),
        bell: Arc::default(),
        log: Arc::new(Silence),
        notices: Arc::new(Silence),
    });
    let runs = runs(bed, &database, &executions);
    Host {
        queues,
        runs,
        audit: Audit::open(audit, || [7; 32]).unwrap(),
        executions,
        backups,
        teller,
        notices: Arc::new(Silence),
        ledger: ledger.unwrap(),
        database: database.clone(),
        keys: CallerKeys::new(
            database,
            Arc::default(),
            bed.pipeline.sources().clone(),
            Arc::new(Silence),
        ),
        pipeline: bed.pipeline.clone(),
        routes: bed.routes.clone(),
        gateway: Arc::new(gateway),
        gate: bed.gate.clone(),
        log: Arc::new(Silence),
        service: texts,
        versions: Arc::new(Kept::default()),
        secrets: Arc::new(Vec::new),
        reload: Arc::new(|| Err("line 3 is wrong".to_owned())),
        metrics: Arc::new(|| "holdfast_calls_total 0\n".to_owned()),
        say: Arc::new(|_| {}),
        handed: Default::default(),
    }
}

/// What would go on with durable executions, if there were any.
fn runs(bed: &Bed, database: &Database, executions: &HostExecutions) -> Arc<Runs> {
    Runs::new(runs::Parts {
        pipeline: bed.pipeline.clone(),
        database: database.clone(),
        executions: executions.held().clone(),
        holder: executions.holder(),
        log: Arc::new(Silence),
        notices: Arc::new(Silence),
    })
}

async fn client<T: Send + 'static>(
    data: PathBuf,
    f: impl FnOnce(Client) -> T + Send + 'static,
) -> T {
    tokio::task::spawn_blocking(move || f(Client::connect(&data).unwrap()))
        .await
        .unwrap()
}

#[tokio::test]
async fn the_admin_pages_look_and_never_change() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = host(data.path(), plugins.path()).await;
    let admin = running.admin.unwrap();
    running.plugins.until_ready().await;
    for (head, status, part) in [
        ("GET /healthz", 200, "ok"),
        ("GET /readyz", 200, "ready"),
        ("GET /metrics", 200, "holdfast_calls_total 0"),
        ("GET /services", 200, "\"name\":\"hello\""),
        ("GET /services", 200, "\"state\":\"serving\""),
        ("GET /", 404, "/healthz"),
        ("POST /healthz", 405, "read-only"),
    ] {
        let text = ask(admin, &format!("{head} HTTP/1.1\nhost: a\n")).await;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head}: {text}"
        );
        assert!(text.contains(part), "{head}: {text}");
    }
}

#[tokio::test]
async fn the_socket_is_the_owner_s_alone() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _running = host(data.path(), plugins.path()).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.path()), 0o700);
    assert_eq!(mode(&data.path().join("control.sock")), 0o600);
}

#[tokio::test]
async fn the_owner_lists_calls_and_rolls_back() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = host(data.path(), plugins.path()).await;
    running.plugins.until_ready().await;
    client(data.path().to_owned(), |mut client| {
        let Response::Services(services) = client.ask(&Request::Ls).unwrap() else {
            panic!("services were asked for");
        };
        assert!(ls::table(&services).contains("/hello/..."));

        let error = client.ask(&Request::Reload).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the old settings hold on: line 3 is wrong"
        );
        let name = "hello".to_owned();
        let error = client.ask(&Request::Rollback { name }).unwrap_err();
        assert_eq!(error.to_string(), "there is no version before");

        for (name, code, part) in [
            ("hello", ExitCode::SUCCESS, "v1"),
            ("nobody", ExitCode::FAILURE, "no-such-service"),
        ] {
            let call = CallRequest {
                name: name.to_owned(),
                method: "POST".to_owned(),
                path: "/x?y".to_owned(),
                why: None,
                content_type: None,
                body_bytes: 3,
            };
            client.send(&Request::Call(call), b"abc").unwrap();
            let (mut head, mut body) = (Vec::new(), Vec::new());
            let ended = call::show(&mut client, &mut head, &mut body).unwrap();
            assert_eq!(format!("{ended:?}"), format!("{code:?}"));
            assert!(String::from_utf8(head).unwrap().contains("holdfast-call: "));
            assert!(String::from_utf8(body).unwrap().contains(part));
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_host_the_command_line_says_so() {
    let data = tempfile::tempdir().unwrap();
    let error = Client::connect(data.path()).err().unwrap();
    let text = format!("{error:#}");
    assert!(
        text.contains("no host answers on") && text.contains("holdfast serve"),
        "{text}"
    );
}

#[tokio::test]
async fn a_host_that_ends_takes_its_socket_along() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = host(data.path(), plugins.path()).await;
    let drained = running.end(std::future::pending()).await;
    assert_eq!(drained, Drained::Finished);
    assert!(!data.path().join("control.sock").exists());
}

#[tokio::test]
async fn a_dead_host_s_socket_is_replaced() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(std::os::unix::net::UnixListener::bind(data.path().join("control.sock")).unwrap());
    let _running = host(data.path(), plugins.path()).await;
    let text = client(data.path().to_owned(), |mut client| {
        client.ask(&Request::Ls)
    })
    .await;
    assert!(text.is_ok());
}

#[test]
fn strangers_are_let_in_by_the_policy_and_never_by_an_address() {
    let inside = "127.0.0.1:80".parse().unwrap();
    let mapped = "[::ffff:127.0.0.1]:80".parse().unwrap();
    let outside = "0.0.0.0:80".parse().unwrap();
    assert!(exposure(outside, LetsIn::Strangers).unwrap().is_none());
    assert!(exposure(inside, LetsIn::NoPolicy).unwrap().is_some());
    assert!(exposure(mapped, LetsIn::NoPolicy).unwrap().is_some());
    for lets_in in [LetsIn::NoPolicy, LetsIn::Nobody] {
        let error = exposure(outside, lets_in).unwrap_err().to_string();
        assert!(error.contains("anonymous = "), "{error}");
    }
}
