//! service-name: the functions of `wit/service-name.wit`, and nothing else.

use exports::local::service_name::greetings::{Greeting, Guest, Problem};

wit_bindgen::generate!({ world: "service", path: "wit" });

struct Service;

impl Guest for Service {
    fn greet(name: String) -> Result<Greeting, Problem> {
        let whom = name.trim();
        if whom.is_empty() {
            return Err(Problem::NoName);
        }
        Ok(Greeting {
            text: format!("Hello, {whom}"),
            whom: whom.to_owned(),
        })
    }
}

export!(Service);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_name_is_greeted() {
        let greeting = Service::greet(" Ann ".to_owned()).unwrap();
        assert_eq!(greeting.text, "Hello, Ann");
        assert!(Service::greet("  ".to_owned()).is_err());
    }
}
