//! The files of the system, and a nameserver of one answer.

use super::*;
use crate::http::guard::{Check, check};
use std::net::{IpAddr, Ipv4Addr};
use tokio::net::UdpSocket;

/// A nameserver that answers every question for an A record with 192.0.2.1 for 30 seconds, and any other with nothing; and the names that
/// it was asked for.
async fn nameserver() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let names = Arc::new(Mutex::new(Vec::new()));
    let asked = names.clone();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let (name, kind, end) = read(&question[..length]);
            let mut answer = question[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(kind == 1), 0, 0, 0, 0]);
            if kind == 1 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 1]);
            }
            asked.lock().unwrap().push(name);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (address, names)
}

/// The name and the type of a question, and where it ends.
fn read(question: &[u8]) -> (String, u8, usize) {
    let (mut name, mut at) = (String::new(), 12);
    while question[at] > 0 {
        let end = at + 1 + usize::from(question[at]);
        name.push_str(str::from_utf8(&question[at + 1..end]).unwrap());
        name.push('.');
        at = end;
    }
    (name, question[at + 2], at + 5)
}

struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("holdfast-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    fn asking(&self, servers: Vec<SocketAddr>) -> Arc<NameServers> {
        NameServers::of_files(servers, &self.0.join("resolv.conf"), &self.0.join("hosts"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn first(resolver: &NameServers, host: &str) -> IpAddr {
    resolver.resolve(host).await.unwrap().addresses[0]
}

#[tokio::test]
async fn a_nameserver_of_the_policy_is_asked_for_the_name_as_it_stands() {
    let (server, names) = nameserver().await;
    let files = Files::new("policy");
    files.write("resolv.conf", "search example.org\nnameserver 192.0.2.53");
    let found = files.asking(vec![server]).resolve("api").await.unwrap();
    assert_eq!(found.addresses, [IpAddr::from([192, 0, 2, 1])]);
    assert_eq!(found.ttl, Duration::from_secs(30));
    let names = names.lock().unwrap();
    assert!(names.iter().all(|name| name == "api."), "{names:?}");
}

#[tokio::test]
async fn the_file_of_names_goes_first_and_is_read_again_when_it_changes() {
    let (server, names) = nameserver().await;
    let files = Files::new("hosts");
    let resolver = files.asking(vec![server]);
    assert_eq!(first(&resolver, "api").await, IpAddr::from([192, 0, 2, 1]));
    let before = names.lock().unwrap().len();
    files.write("hosts", "192.0.2.7 api.example api # ours\n::7 api\n");
    let found = resolver.resolve("API").await.unwrap();
    assert_eq!(found.addresses[0], IpAddr::from([192, 0, 2, 7]));
    assert_eq!((found.addresses.len(), found.ttl), (2, HOSTS_TTL));
    assert_eq!(names.lock().unwrap().len(), before);
}

#[test]
fn the_search_list_of_the_system_is_kept_and_stands_for_the_machines_own_domain() {
    let files = Files::new("search");
    files.write(
        "resolv.conf",
        "search a.example b.example\noptions ndots:5 timeout:7\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n",
    );
    let (config, options) = files.asking(vec![]).of_system().unwrap();
    let search: Vec<_> = config.search.iter().map(ToString::to_string).collect();
    assert_eq!(search, ["a.example", "b.example"]);
    assert_eq!((config.domain, options.ndots), (None, 5));
    assert_eq!(config.name_servers.len(), 2);
}

#[test]
fn a_system_that_names_no_nameserver_has_one_of_its_own() {
    let files = Files::new("none");
    for text in [None, Some("# nothing\n")] {
        if let Some(text) = text {
            files.write("resolv.conf", text);
        }
        let (config, _) = files.asking(vec![]).of_system().unwrap();
        assert_eq!(config.name_servers[0].ip, IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}

#[tokio::test]
async fn whom_the_policy_asks_can_change() {
    let (one, asked) = nameserver().await;
    let (other, names) = nameserver().await;
    let files = Files::new("change");
    let resolver = files.asking(vec![one]);
    first(&resolver, "api").await;
    let before = asked.lock().unwrap().len();
    resolver.ask(vec![other]);
    first(&resolver, "api").await;
    assert_eq!(asked.lock().unwrap().len(), before);
    assert!(!names.lock().unwrap().is_empty());
}

#[tokio::test]
async fn localhost_needs_no_nameserver_and_the_guard_sees_loopback() {
    let files = Files::new("localhost");
    let nobody = SocketAddr::from(([192, 0, 2, 53], 53));
    let resolver = files.asking(vec![nobody]);
    for host in ["localhost", "sub.localhost"] {
        let found = resolver.resolve(host).await.unwrap();
        assert!(!found.addresses.is_empty());
        for address in found.addresses {
            let checked = check(address, &[]);
            assert!(matches!(checked, Check::Refused(_)), "{host}: {address}");
        }
    }
}

#[tokio::test]
async fn any_spelling_but_that_of_an_address_is_a_name_and_leads_where_a_nameserver_says() {
    let (server, _) = nameserver().await;
    let files = Files::new("spellings");
    let resolver = files.asking(vec![server]);
    for host in [
        "my_db",
        "_my.db",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
    ] {
        assert_eq!(first(&resolver, host).await, IpAddr::from([192, 0, 2, 1]));
    }
}
