//! The assumption: two hosts that share a database are one. So: the same requests at both at once, while hosts are killed and paused and the
//! database ends their sessions. Each key is one execution, each budget one budget, and whoever was answered was served.

use crate::harness::postgres::{PASSWORD, Postgres};
use crate::harness::{Guest, Host, Setup, Upstream, encoded, keep_private, rest, scaled, until};
use rustix::process::{Signal, kill_process};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How many keys there are.
const KEYS: usize = 10;
/// How many clients ask at once.
const CLIENTS: usize = 16;
/// How long a client waits for a host that may be paused.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two hosts on one database.
struct Pair {
    hosts: [Host; 2],
    url: String,
    server: Postgres,
    _secrets: tempfile::TempDir,
}

impl Pair {
    fn start(upstream: &Upstream, policy: &str) -> Self {
        let server = Postgres::start();
        let url = server.create();
        let secrets = tempfile::tempdir().unwrap();
        let file = secrets.path().join("store.secret");
        keep_private(&file, PASSWORD);
        let store = format!(
            "[store]\nurl = \"{url}\"\npassword = {{ file = \"{}\" }}",
            file.display()
        );
        let host = || {
            Setup::new()
                .service("two", Guest::Case("wasi02"), "upstreams = [\"api\"]")
                .policy(policy)
                .policy(&store)
                .policy("[services.two]\nupstreams = [\"api\"]")
                .upstream("api", upstream)
                .start()
        };
        Self {
            hosts: [host(), host()],
            url,
            server,
            _secrets: secrets,
        }
    }

    /// Has the database end every session of both.
    fn end_sessions(&self) {
        let name = self.url.rsplit('/').next().unwrap();
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        self.server.sql("postgres", &end);
    }

    /// Does it once some requests are under way; what concerns the database, again and again until they are `over`.
    fn suffers(&self, harm: Harm, over: impl Fn() -> bool) {
        rest();
        match harm {
            Harm::Nothing => {}
            Harm::Sessions => {
                while !over() {
                    self.end_sessions();
                    rest();
                }
            }
            Harm::Kill(host) => kill_process(self.hosts[host].pid(), Signal::KILL).unwrap(),
            Harm::Pause(host) => {
                let pid = self.hosts[host].pid();
                kill_process(pid, Signal::STOP).unwrap();
                // Longer than a lease where there is time for it.
                std::thread::sleep(Duration::from_secs(scaled(1, 35) as u64));
                kill_process(pid, Signal::CONT).unwrap();
            }
        }
    }

    fn serves(&self) {
        for host in &self.hosts {
            until("the service to be there", || {
                (host.listed("two")?["state"] == "serving").then_some(())
            });
        }
    }
}

/// What came back, if anything did: the status, and the code of a fault.
fn asked(to: SocketAddr, path: &str, key: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {to}\r\nidempotency-key: {key}\r\n");
    write!(
        stream,
        "{head}content-length: 0\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    if text.contains("\nerror ") {
        // What the service says where its upstream was not reached.
        return Some((status, UNREACHED.to_owned()));
    }
    let code = text.split("\"code\":\"").nth(1);
    let code = code.and_then(|rest| rest.split('"').next());
    Some((status, code.unwrap_or_default().to_owned()))
}

/// In the place of a code: the service has answered that it did not reach its upstream.
const UNREACHED: &str = "unreached";

fn path(upstream: &Upstream, nth: usize) -> String {
    let url = encoded(&upstream.url(&format!("/ok?n={nth}")));
    format!("/two/fetch?method=POST&body=order&url={url}")
}

fn done(upstream: &Upstream, nth: usize) -> usize {
    let wanted = format!("post /ok?n={nth} ");
    let seen = upstream.seen();
    seen.iter()
        .filter(|seen| seen.head.starts_with(&wanted))
        .count()
}

/// Which harm is done to the hosts while clients ask.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Nothing,
    Sessions,
    Kill(usize),
    Pause(usize),
}

#[test]
fn a_key_is_one_execution_at_two_hosts_whatever_happens_to_them() {
    let upstream = Upstream::start();
    let mut pair = Pair::start(&upstream, "");
    pair.serves();
    let each = scaled(60, 1_000) / CLIENTS + 1;
    let harms = [
        Harm::Nothing,
        Harm::Sessions,
        Harm::Kill(0),
        Harm::Pause(1),
        Harm::Kill(1),
        Harm::Pause(0),
    ];
    for (round, harm) in harms.into_iter().cycle().take(scaled(6, 12)).enumerate() {
        let first = round * KEYS;
        let served = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (hosts, upstream) = (&pair.hosts, &upstream);
                    scope.spawn(move || {
                        let mut served = vec![0_usize; KEYS];
                        for nth in 0..each * KEYS {
                            let (key, host) = ((nth + client) % KEYS, (nth / KEYS + client) % 2);
                            let to = hosts[host].gateway;
                            let path = path(upstream, first + key);
                            match asked(to, &path, &format!("key-{}", first + key)) {
                                Some((200, code)) if code != UNREACHED => served[key] += 1,
                                // A host that sleeps while it asks finds its patience at an end, and so does the guest. That is an outcome.
                                Some((200, _)) if matches!(harm, Harm::Pause(_)) => {}
                                Some((409 | 503, _)) | None => {}
                                // A host that sleeps longer than the deadline wakes up behind it.
                                Some((504, _)) if matches!(harm, Harm::Pause(_)) => {}
                                other => panic!("{other:?} under {harm:?}"),
                            }
                        }
                        served
                    })
                })
                .collect();
            pair.suffers(harm, || clients.iter().all(|one| one.is_finished()));
            clients
                .into_iter()
                .map(|one| one.join().unwrap())
                .collect::<Vec<_>>()
        });
        if let Harm::Kill(host) = harm {
            pair.hosts[host].restart();
            pair.serves();
        }
        for key in 0..KEYS {
            let count = done(&upstream, first + key);
            assert!(
                count <= 1,
                "key {key} under {harm:?} was done {count} times"
            );
            if served.iter().any(|served| served[key] > 0) {
                assert_eq!(count, 1, "key {key} under {harm:?} was answered");
            }
        }
        if let Harm::Nothing = harm {
            assert!(served.iter().all(|served| served.iter().sum::<usize>() > 0));
        }
    }
    for host in &pair.hosts {
        let said = host.command(&["audit", "verify"]);
        assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    }
}

#[test]
fn a_budget_is_one_at_two_hosts_also_when_one_is_killed() {
    const PAID_MAX: usize = 10;
    for round in 0..scaled(2, 10) {
        let upstream = Upstream::start();
        let policy =
            "[budget]\nhost = \"1 USD / day\"\n[upstreams.api.price]\nrequest = \"0.10 USD\"";
        let mut pair = Pair::start(&upstream, policy);
        pair.serves();
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (hosts, upstream) = (&pair.hosts, &upstream);
                scope.spawn(move || {
                    for nth in 0..4 {
                        let to = hosts[(client + nth) % 2].gateway;
                        let key = format!("{client}-{nth}");
                        asked(to, &path(upstream, 0), &key);
                    }
                });
            }
            if round % 2 == 1 {
                let (pid, upstream) = (pair.hosts[0].pid(), &upstream);
                scope.spawn(move || {
                    until("some to be paid", || (done(upstream, 0) >= 3).then_some(()));
                    kill_process(pid, Signal::KILL).unwrap();
                });
            }
        });
        let paid = done(&upstream, 0);
        assert!(paid <= PAID_MAX, "{paid}");
        if round % 2 == 0 {
            assert_eq!(paid, PAID_MAX);
        } else {
            pair.hosts[0].restart();
            pair.serves();
        }
        // What is left is left for nobody.
        for host in &pair.hosts {
            let answer = asked(host.gateway, &path(&upstream, 1), "one more");
            assert!(done(&upstream, 1) == 0 || paid < PAID_MAX, "{answer:?}");
        }
    }
}
