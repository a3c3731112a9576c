//! A typed service that calls another one, as a function.

use exports::test::asks::asks::{Everything, Guest, Problem};
use test::shapes::shapes;

wit_bindgen::generate!({ world: "test:asks/asker", path: ["../../../wit/faults.wit", "../typed/wit", "wit"], generate_all });

struct Asks;

impl Guest for Asks {
    fn echo(value: Everything) -> Everything {
        shapes::echo(&value)
    }

    fn add(a: u32, b: u32) -> u32 {
        shapes::add(a, b)
    }

    fn divide(a: u32, b: u32) -> Result<u32, Problem> {
        shapes::divide(a, b)
    }

    fn trap() -> u32 {
        shapes::trap()
    }

    fn spin() {
        shapes::spin();
    }

    fn often(times: u32) -> u32 {
        (0..times).fold(0, |sum, _| shapes::add(sum, 1))
    }

    fn draw(key: String) -> u64 {
        shapes::draw("a number", Some(&key))
    }
}

export!(Asks);
