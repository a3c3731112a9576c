//! Every limit of a service, with what passes it and the code that it is then told.

use crate::harness::{Chaos, Guest, Host, Setup, Upstream, encoded};

/// One of them: so many callers who ask so often for the same, as the service whose limit it is has it.
pub(super) struct Attack {
    pub(super) service: &'static str,
    pub(super) callers: usize,
    /// How often each of them asks.
    times: usize,
    method: &'static str,
    /// What is asked for; `NTH` stands for a number that is never the same.
    path: String,
    /// What the limit promises.
    pub(super) code: &'static str,
    /// What whoever meets it may be told besides.
    pub(super) also: &'static [&'static str],
}

impl Attack {
    /// What one of its callers does. Each attack has an address of its own, and of two callers each has his.
    pub(super) fn run(&self, host: &Host, nth: usize, caller: usize) {
        let address = format!("192.0.{}.{}", nth, caller % 2);
        for time in 0..self.times {
            let number = caller * self.times + time;
            let path = self.path.replace("NTH", &number.to_string());
            let ask = host.ask(self.method, &path);
            // How it is answered is seen in the log, with what was done for it.
            ask.header("x-forwarded-for", &address).send();
        }
    }
}

/// The services that pass their limits, each of them one.
pub(super) fn services(mut setup: Setup, paid: &Chaos) -> Setup {
    for (name, manifest) in [
        ("cpu", "[limits]\ncpu = \"100ms\""),
        ("metered", "fuel = true\n[limits]\nfuel = 10000000"),
        ("memory", "[limits]\nmemory = \"16MiB\""),
        ("resources", "[limits]\nresources = 200"),
        ("stack", ""),
        ("body", "[limits]\nresponse_bytes = \"1MiB\""),
        ("heads", "[limits]\nheader_bytes = \"16KiB\""),
        (
            "carried",
            "[limits]\nhostcall_bytes = \"64KiB\"\nheader_bytes = \"128KiB\"",
        ),
        ("random", "[limits]\nrandom_bytes = \"64KiB\""),
        ("late", "[limits]\ndeadline = \"500ms\""),
        ("narrow", "[limits]\nplaces = 2\ndeadline = \"500ms\""),
        ("calls", "upstreams = [\"api\"]\n[limits]\ncalls = 3"),
        ("crowds", "upstreams = [\"slow\"]"),
        (
            "holds",
            "upstreams = [\"api\"]\n[effects]\nirreversible = [\"POST /fetch\"]",
        ),
        ("rated", ""),
    ] {
        setup = setup.service(name, Guest::Case("wasi02"), manifest);
    }
    let pays = format!(
        "upstreams = [\"paid\"]\n[config]\nupstream = \"{}\"\n[limits]\nplaces = 300",
        paid.url("")
    );
    setup
        .service(
            "table",
            Guest::Text("grow-table"),
            "[limits]\ntable_elements = 1000",
        )
        .service("kv", Guest::Case("kv"), "kv = [\"default\"]")
        .service("leases", Guest::Case("kv"), "kv = [\"default\"]")
        .service("pays", Guest::Service("proxy"), &pays)
}

/// All of them.
pub(super) fn attacks(chaos: &Chaos, slow: &Upstream) -> Vec<Attack> {
    let of = |service, path: &str, code| Attack {
        service,
        callers: 3,
        times: 3,
        method: "GET",
        path: format!("/{service}{path}"),
        code,
        also: &[],
    };
    let (api, hangs) = (encoded(&chaos.url("/api")), encoded(&slow.url("/slow")));
    let mut all = vec![
        of("cpu", "/loop", "cpu-exhausted"),
        of("metered", "/spin?n=100000000", "cpu-exhausted"),
        of("memory", "/grow", "memory-exhausted"),
        of("resources", "/handles?n=1000", "memory-exhausted"),
        of("table", "/", "memory-exhausted"),
        of("stack", "/recurse", "service-fault"),
        of("body", "/flood-body?bytes=3000000", "bad-response"),
        of("heads", "/flood-headers?n=100&bytes=1024", "service-fault"),
        of(
            "carried",
            "/flood-headers?n=1&bytes=100000",
            "memory-exhausted",
        ),
        of("random", "/random?bytes=100000", "service-fault"),
        of("late", "/never", "deadline-exceeded"),
        of(
            "calls",
            &format!("/fetch-many?n=6&url={api}"),
            "calls-exhausted",
        ),
    ];
    all.extend(crowds(&api, &hangs));
    all.push(Attack {
        callers: 1,
        times: 6,
        // The one who came before may not have let go yet.
        ..of("leases", "/lease-many?count=17", "capability-denied")
    });
    all.push(Attack {
        times: 10,
        ..of("kv", "/set?key=NTH&value=v", "capability-denied")
    });
    all
}

/// What takes many at once to be passed.
fn crowds(api: &str, hangs: &str) -> Vec<Attack> {
    let of = |service, callers, times, path: String, code| Attack {
        service,
        callers,
        times,
        method: "GET",
        path: format!("/{service}{path}"),
        code,
        also: &[],
    };
    vec![
        of("narrow", 12, 3, "/never".to_owned(), "overloaded"),
        of("crowds", 12, 2, format!("/fetch?url={hangs}"), "overloaded"),
        of("rated", 4, 20, "/ok".to_owned(), "rate-limited"),
        of("pays", 128, 1, "/pay".to_owned(), "budget-exhausted"),
        of("pays-beside", 128, 1, "/pay".to_owned(), "budget-exhausted"),
        Attack {
            method: "POST",
            also: &["approval-required"],
            ..of(
                "holds",
                8,
                10,
                format!("/fetch?method=POST&body=NTH&url={api}"),
                "rate-limited",
            )
        },
    ]
}
