//! A key is found nowhere: not in an answer, not in a log, not in a metric, not in an error, not in the host's process, not on the disk.
//!
//! 1. The naive snippet: call an upstream that wants a key.
//! 2. The missing rule: everything that is written anywhere may hold what was in a request or an answer.
//! 3. The tax: a filter in each place that writes, and somebody who remembers the next one.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the key is put in below all that writes, and looked for, in every form, in all that comes back.
//! 6. The checklist is below: one key for each place that a key can go to, each of them sent, refused, exchanged, echoed and asked about,
//!    and then one search through everything.

use super::two;
use crate::harness::{Host, Upstream, encoded, keep_private, request};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The keys. Each has what JSON, a URL and base64 write in different ways.
/// What tells them apart has letters that no address and no id has, or now and then one of those would be taken for it.
const KEYS: [(&str, &str); 5] = [
    ("header", "Canary/one+\"kq7f3a9c\"?1"),
    ("basic", "Canary/two+\"kq8e2b0d\"?2"),
    ("query", "Canary/three+\"kq9d1c1e\"?3"),
    ("path", "Canary/four+\"kqac0d2f\"?4"),
    ("lent", "Canary/five+\"kqbb4e30\"?5"),
];

/// An upstream that says what it was told to, piece by piece.
struct Parrot {
    address: SocketAddr,
    pieces: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Parrot {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pieces: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let told = pieces.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Ok(Some(_)) = request(&mut BufReader::new(stream.try_clone().unwrap())) else {
                    continue;
                };
                for piece in told.lock().unwrap().iter() {
                    // Whoever has seen enough goes away.
                    let _ = stream.write_all(piece).and_then(|()| stream.flush());
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        });
        Self { address, pieces }
    }

    /// From now on answers with this header, and this body in two pieces, parted at `part`.
    fn says(&self, header: &str, body: &str, part: usize) {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\nx-said: {header}\r\n\r\n");
        let (first, second) = body.as_bytes().split_at(part);
        *self.pieces.lock().unwrap() = vec![head.into_bytes(), first.to_vec(), second.to_vec()];
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// Base64 by the book, to compare with: no code is shared with the host.
fn base64(bytes: &[u8], last: [char; 2]) -> String {
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(last);
    let letters: Vec<char> = letters.collect();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let sixes = bits.as_bytes().chunks(6);
    sixes
        .map(|six| {
            let six = format!("{:0<6}", std::str::from_utf8(six).unwrap());
            letters[usize::from_str_radix(&six, 2).unwrap()]
        })
        .collect()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Every form in which a key may show up.
fn forms(key: &str) -> Vec<String> {
    let mut forms = vec![
        key.to_owned(),
        key.replace('"', "\\\""),
        percent(key),
        percent(key).to_lowercase(),
    ];
    for last in [['+', '/'], ['-', '_']] {
        for before in ["", "x", "me"] {
            forms.push(base64(format!("{before}{key}").as_bytes(), last));
        }
    }
    forms
}

/// The part of each key that every way of writing but base64 leaves as it is, and what base64 makes of it.
fn needles() -> Vec<String> {
    let mut needles = Vec::new();
    for (_, key) in KEYS {
        let core = key.split('"').nth(1).unwrap();
        needles.push(core.to_owned());
        for last in [['+', '/'], ['-', '_']] {
            for before in ["", "x", "me"] {
                let text = base64(format!("{before}{key}").as_bytes(), last);
                // The letters at the ends are of what stands beside it too.
                needles.push(text[4..text.len() - 4].to_lowercase());
            }
        }
    }
    needles
}

/// What was swept, by where it was found.
struct Swept(Vec<(String, String)>);

impl Swept {
    fn add(&mut self, place: &str, text: impl AsRef<[u8]>) {
        let text = String::from_utf8_lossy(text.as_ref()).to_lowercase();
        self.0.push((place.to_owned(), text));
    }

    fn file(&mut self, path: &Path) {
        self.add(&path.display().to_string(), fs::read(path).unwrap());
    }

    fn folder(&mut self, path: &Path) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.folder(&path);
            } else if path
                .extension()
                .is_none_or(|end| end != "secret" && end != "sock")
            {
                self.file(&path);
            }
        }
    }

    fn is_clean(&self) {
        for needle in needles() {
            for (place, text) in &self.0 {
                let at = text.find(&needle);
                let near = at.map(|at| {
                    text[at.saturating_sub(80)..]
                        .chars()
                        .take(240)
                        .collect::<String>()
                });
                assert_eq!(near, None, "{needle} in {place}");
            }
        }
    }
}

struct World {
    host: Host,
    /// One upstream for each place, and the one that talks.
    upstreams: Vec<(&'static str, Upstream)>,
    parrot: Parrot,
}

fn world() -> World {
    let parrot = Parrot::start();
    let places = [
        (
            "header",
            "header = \"x-key\"\nenv = \"HOLDFAST_TEST_HEADER\"",
        ),
        ("basic", "user = \"me\""),
        ("query", "query = \"key\""),
        ("path", ""),
    ];
    let names = "upstreams = [\"header\", \"basic\", \"query\", \"path\", \"parrot\"]\nsecrets = [\"lent\"]";
    let mut setup = two(names)
        .environment("HOLDFAST_TEST_HEADER", KEYS[0].1)
        .policy(&format!("[services.two]\n{names}"));
    let folder = setup.dir.path().to_owned();
    let mut upstreams = Vec::new();
    for (name, credential) in places {
        let upstream = Upstream::start();
        let file = folder.join(format!("{name}.secret"));
        keep_private(&file, KEYS.iter().find(|(of, _)| *of == name).unwrap().1);
        let url = upstream.url(if name == "path" { "/bot{secret}" } else { "" });
        let source = if name == "header" {
            String::new()
        } else {
            format!("file = \"{}\"", file.display())
        };
        setup = setup.policy(&format!(
            "[upstreams.{name}]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n\
             [upstreams.{name}.credential]\n{credential}\n{source}"
        ));
        upstreams.push((name, upstream));
    }
    let lent = folder.join("lent.secret");
    keep_private(&lent, KEYS[4].1);
    let (url, header) = (parrot.url(), folder.join("header.secret"));
    let setup = setup.policy(&format!(
        "[secrets.lent]\nuses = [\"sign\", \"verify\"]\nfile = \"{}\"\n\
         [upstreams.parrot]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\nattempts = 1\nbreaker = false\n\
         [upstreams.parrot.credential]\nheader = \"x-key\"\nfile = \"{}\"",
        lent.display(),
        url.trim_end_matches('/'),
        header.display()
    ));
    World {
        host: setup.start(),
        upstreams,
        parrot,
    }
}

impl World {
    /// Asks, and sweeps what came.
    fn ask(&self, path: &str, swept: &mut Swept) -> String {
        let answer = self.host.get(path);
        swept.add(path, answer.text());
        swept.add(path, format!("{:?}", answer.headers));
        answer.call().to_owned()
    }

    fn fetch(&self, url: &str, swept: &mut Swept) -> String {
        self.ask(&format!("/two/fetch?url={}", encoded(url)), swept)
    }

    /// Whatever the host writes, and whatever can be asked of it.
    fn sweep(&self, calls: &[String], swept: &mut Swept) {
        let host = &self.host;
        swept.add("metrics", host.metrics());
        swept.add("standard error", host.stderr());
        for words in [vec!["ls"], vec!["ls", "--json"]] {
            let said = host.command(&words);
            swept.add(&format!("{words:?}"), said.out + &said.err);
        }
        for words in [
            vec!["policy"],
            vec!["policy", "two"],
            vec!["doctor"],
            vec!["doctor", "--json"],
        ] {
            let said = host.offline(&words);
            swept.add(&format!("{words:?}"), said.out + &said.err);
        }
        for call in calls {
            for words in [
                vec!["explain", call.as_str()],
                vec!["explain", call.as_str(), "--json"],
            ] {
                let said = host.command(&words);
                assert_eq!(said.code, Some(0), "{}", said.err);
                swept.add(&format!("{words:?}"), said.out + &said.err);
            }
        }
        let process = Path::new("/proc").join(host.pid().as_raw_nonzero().to_string());
        for file in ["environ", "cmdline", "comm", "limits", "maps"] {
            swept.file(&process.join(file));
        }
        for thread in fs::read_dir(process.join("task")).unwrap() {
            swept.file(&thread.unwrap().path().join("environ"));
        }
        swept.folder(host.dir());
    }
}

#[test]
fn whatever_happens_a_key_is_found_nowhere() {
    let world = world();
    let mut swept = Swept(Vec::new());
    let mut calls = Vec::new();
    for (name, upstream) in &world.upstreams {
        for path in [
            "/ok?a=1",
            "/echo",
            "/status/401",
            "/status/500",
            "/garbage",
            "/reset",
            "/redirect?/x",
        ] {
            calls.push(world.fetch(&upstream.url(path), &mut swept));
        }
        let sent = upstream.seen();
        let key = &KEYS
            .iter()
            .find(|(of, _)| of == name)
            .unwrap()
            .1
            .to_lowercase();
        let found = sent.iter().any(|seen| {
            let head = seen.head.replace("%22", "\"").replace("%2b", "+");
            let head = head.replace("%2f", "/").replace("%3f", "?");
            head.contains(key) || head.contains("authorization: basic")
        });
        assert!(found, "{name} was sent: {sent:?}");
    }
    for path in [
        "sign?name=lent",
        "verify?name=lent&code=00",
        "sign?name=lent&algorithm=x",
    ] {
        calls.push(world.ask(&format!("/two/{path}&message=m"), &mut swept));
    }
    // A key that goes bad, and one that is exchanged: what the host says of it.
    let folder = world.host.dir();
    keep_private(&folder.join("basic.secret"), &format!("{}\u{7}", KEYS[1].1));
    world.host.said("characters that a header cannot");
    keep_private(&folder.join("basic.secret"), KEYS[1].1);
    keep_private(&folder.join("lent.secret"), "short");
    world.host.hang_up();
    world.host.said("shorter than");
    keep_private(&folder.join("lent.secret"), KEYS[4].1);
    world.sweep(&calls, &mut swept);
    assert!(swept.0.len() > 120, "{} places", swept.0.len());
    swept.is_clean();
}

#[test]
fn no_answer_brings_it_back_in_whatever_form_or_pieces() {
    let world = world();
    let url = world.parrot.url();
    let mut cases = 0;
    for form in forms(KEYS[0].1) {
        let body = format!("before {form} after");
        let middle = body.len() / 2;
        for part in [0, 8, middle, body.len() - 7] {
            world.parrot.says("nothing", &body, part);
            cut(&world, &url, &format!("body {form} parted at {part}"));
            cases += 1;
        }
        world.parrot.says(&format!("v={form};"), "nothing", 0);
        cut(&world, &url, &format!("header {form}"));
        cases += 1;
    }
    assert!(cases >= 50, "{cases}");
    world.parrot.says("nothing", "nothing of it", 3);
    let answer = world.host.get(&format!("/two/fetch?url={}", encoded(&url)));
    assert!(answer.text().contains("nothing of it"), "{}", answer.text());
}

fn cut(world: &World, url: &str, case: &str) {
    let answer = world.host.get(&format!("/two/fetch?url={}", encoded(url)));
    let line = world.host.children(answer.call(), 1)[0].clone();
    assert_eq!(
        line["code"],
        "secret-echoed",
        "{case}: {line} {}",
        answer.text()
    );
    let mut swept = Swept(Vec::new());
    swept.add(case, answer.text());
    swept.add(case, line.to_string());
    swept.is_clean();
}
