//! The names of `/etc/hosts`. Read here and not by the library, which passes over names that a system takes: those with an underscore.

use std::collections::HashMap;
use std::net::IpAddr;

/// The names of the file and their addresses.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    /// Reads the file's text. A line that says nothing is passed over, as the system does.
    pub(super) fn read(text: &str) -> Self {
        let mut hosts: HashMap<_, Vec<_>> = HashMap::new();
        for line in text.lines() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            for name in words {
                hosts.entry(key(name)).or_default().push(address);
            }
        }
        for addresses in hosts.values_mut() {
            // The same order as an answer has: on a machine with one kind of address only, it is nearly always IPv4.
            addresses.sort_by_key(IpAddr::is_ipv6);
        }
        Self(hosts)
    }

    /// The addresses of `host`; none if the file does not have it.
    pub(super) fn find(&self, host: &str) -> Vec<IpAddr> {
        self.0.get(&key(host)).cloned().unwrap_or_default()
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_every_address_that_a_line_gives_it() {
        let hosts = Hosts::read(
            "# ours\n::7 api\n192.0.2.7\tAPI.example api # and more: other\n\nnonsense api\n192.0.2.9\n192.0.2.8 my_db",
        );
        let found = |name| {
            let found = hosts.find(name);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found("api"), ["192.0.2.7", "::7"]);
        assert_eq!(found("Api.Example."), ["192.0.2.7"]);
        assert_eq!(found("my_db"), ["192.0.2.8"]);
        assert_eq!(found("other"), [""; 0]);
    }
}
