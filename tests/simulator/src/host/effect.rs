//! The way from a host to an upstream, on which what is asked, and what is answered, is late or lost.

use super::Life;
use crate::stage::{Bell, Link, Owner};
use crate::upstream::Asked;
use std::cell::RefCell;
use std::rc::Rc;

/// How long a host waits for an answer, in milliseconds.
const PATIENCE_MS: u64 = 20_000;

/// What came of something that was asked of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// An answer.
    Answer(Vec<u8>),
    /// It says that it did nothing.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// For whom something is asked.
#[derive(Clone, Debug)]
pub(crate) enum For {
    /// A call with this key.
    Key([u8; 32]),
    /// An entry of a run.
    Run,
}

/// How it goes on its way.
struct Way {
    there_ms: u64,
    lost: Lost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Nothing,
    Question,
    Answer,
    Refused,
}

/// Asks an upstream for an effect, by a name if it has one.
pub(crate) async fn asks(
    link: &Link,
    life: &Life,
    (name, what): (Option<[u8; 16]>, String),
    whose: For,
) -> Came {
    let way = way(link);
    let (bell, answer): (Rc<Bell>, Rc<RefCell<Option<Came>>>) = Default::default();
    let (rings, answers) = (bell.clone(), answer.clone());
    if way.lost != Lost::Question {
        let label = format!("{} asks the upstream", life.name);
        link.shared
            .spawn(Owner::Outside, &label, move |link| async move {
                link.rest(way.there_ms).await;
                let came = match way.lost {
                    Lost::Refused => Came::Refused,
                    _ => Came::Answer(happens(&link, name, &what, &whose)),
                };
                if way.lost != Lost::Answer {
                    *answers.borrow_mut() = Some(came);
                    rings.ring();
                }
            });
    }
    link.rest_or(Some(PATIENCE_MS), Some((bell, 0))).await;
    let came = answer.borrow_mut().take();
    came.unwrap_or(Came::Unknown)
}

fn way(link: &Link) -> Way {
    let dice = &link.shared.dice;
    let (draw, storm) = (dice.below(100), link.shared.storm.get());
    let lost = match draw {
        0..=3 if storm => Lost::Question,
        4..=7 if storm => Lost::Answer,
        8..=11 if storm => Lost::Refused,
        _ => Lost::Nothing,
    };
    let there_ms = match dice.below(100) {
        0..=3 if storm => dice.between(10_000, 60_000),
        _ => dice.between(5, 800),
    };
    Way { there_ms, lost }
}

/// It takes effect.
fn happens(link: &Link, name: Option<[u8; 16]>, what: &str, whose: &For) -> Vec<u8> {
    let shared = &link.shared;
    let (result, effects, asked) = shared.upstream.asked(name, what);
    shared.say(&format!("upstream: {what} ({asked:?}), {effects} by now"));
    if asked == Asked::SomethingElse {
        let how = format!("the name of {what} was used before");
        shared.truth.broken("runs: a name is one effect's", how);
    }
    match whose {
        For::Key(key) => shared.truth.took_effect(key, effects),
        For::Run if effects > 1 => {
            let how = format!("{what} took effect {effects} times");
            shared.truth.broken("runs: each effect is had once", how);
        }
        For::Run => {}
    }
    result
}
