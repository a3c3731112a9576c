//! A nameserver on loopback that says what it was last told to say, whatever the name, and remembers what it was asked.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// What it says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// The name has these addresses, for so many seconds.
    Leads(&'static [Ipv4Addr], u32),
    /// There is no such name, for so many seconds.
    Nowhere(u32),
    /// It cannot say.
    Fails,
    /// Nothing at all.
    Nothing,
}

#[derive(Debug)]
struct Shared {
    says: Says,
    asked: Vec<String>,
}

/// A running one. It lives as long as the test process, which is short.
pub(crate) struct Nameserver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Nameserver {
    /// On a free port of 127.0.0.1.
    pub(crate) fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Vec::new();
        let shared = Arc::new(Mutex::new(Shared { says, asked }));
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut packet = [0; 1024];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if let Some(answer) = answer(&packet[..length], &of_thread) {
                    // Who asked may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, shared }
    }

    /// What it says from now on.
    pub(crate) fn says(&self, says: Says) {
        self.shared.lock().unwrap().says = says;
    }

    /// The line of the policy that has it asked.
    pub(crate) fn line(&self) -> String {
        format!("nameservers = [\"{}\"]", self.address)
    }

    /// How often it was asked for the IPv4 addresses of `name`.
    pub(crate) fn asked(&self, name: &str) -> usize {
        let shared = self.shared.lock().unwrap();
        shared.asked.iter().filter(|asked| *asked == name).count()
    }
}

// === The wire (RFC 1035, section 4) ===

const A: u16 = 1;
const SOA: u16 = 6;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
/// Where the name of the question stands, as a pointer to it.
const THE_NAME: [u8; 2] = [0xc0, 12];

fn answer(question: &[u8], shared: &Mutex<Shared>) -> Option<Vec<u8>> {
    let (name, kind, end) = read(question)?;
    let mut shared = shared.lock().unwrap();
    if kind == A {
        shared.asked.push(name);
    }
    let (code, answers, authority) = match shared.says {
        Says::Leads(addresses, ttl) if kind == A => (0, leads(addresses, ttl), vec![]),
        // It has no IPv6 addresses.
        Says::Leads(_, ttl) => (0, vec![], vec![soa(ttl)]),
        Says::Nowhere(ttl) => (NO_SUCH_NAME, vec![], vec![soa(ttl)]),
        Says::Fails => (SERVER_FAILURE, vec![], vec![]),
        Says::Nothing => return None,
    };
    let count = |records: &Vec<_>| u8::try_from(records.len()).unwrap();
    // The same number and question; an answer, recursion asked for and had.
    let mut packet = question[..end].to_vec();
    let counts = [0, 1, 0, count(&answers), 0, count(&authority), 0, 0];
    packet[2..12].copy_from_slice(&[&[0x81, 0x80 | code], counts.as_slice()].concat());
    packet.extend(answers.into_iter().chain(authority).flatten());
    Some(packet)
}

/// The name and the type that are asked for, and where the question ends.
fn read(question: &[u8]) -> Option<(String, u16, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while let Some(length @ 1..) = question.get(at).copied() {
        let end = at + 1 + usize::from(length);
        labels.push(String::from_utf8_lossy(question.get(at + 1..end)?).into_owned());
        at = end;
    }
    let kind = question.get(at + 1..at + 3)?;
    let kind = u16::from_be_bytes(kind.try_into().ok()?);
    let end = at + 5;
    (question.len() >= end).then(|| (labels.join("."), kind, end))
}

fn leads(addresses: &[Ipv4Addr], ttl: u32) -> Vec<Vec<u8>> {
    let record = |address: &Ipv4Addr| record(A, ttl, &address.octets());
    addresses.iter().map(record).collect()
}

/// Who answers for a name that is not there, and how long that holds: its last number.
fn soa(ttl: u32) -> Vec<u8> {
    let numbers = [1, 1, 1, 1, ttl].map(u32::to_be_bytes).concat();
    record(SOA, ttl, &[&[0, 0], numbers.as_slice()].concat())
}

fn record(kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let (kind, class) = (kind.to_be_bytes(), 1_u16.to_be_bytes());
    [
        &THE_NAME,
        &kind,
        &class,
        &ttl.to_be_bytes()[..],
        &length,
        data,
    ]
    .concat()
}
