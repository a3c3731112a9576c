//! Units of work on their way to the database, and what came of them on the way back.

use super::{Late, World};
use crate::dice::Dice;
use crate::host::CutOff;
use crate::look::rows;
use crate::stage::{Apply, Asked, Kept, Owner, Wants};
use holdfast_store::db::DbError;

/// How a unit goes on its way.
enum Way {
    /// It arrives, and its answer comes back.
    Through,
    /// It does not arrive.
    Nowhere,
    /// It arrives, and nobody hears what came of it.
    Unheard,
    /// It arrives after so many milliseconds, when nobody waits for it any more.
    Late(u64),
}

impl World {
    /// It is an actor's turn.
    pub(super) async fn acts(&mut self, number: usize) {
        let Some(actor) = self.actors.get(number) else {
            return;
        };
        let (owner, desk) = (actor.owner, actor.desk.clone());
        let wants = desk.wants.borrow_mut().take();
        if let Some(Wants::Unit(asked)) = wants {
            let name = format!("{}: {}", actor.name, asked.name);
            self.carries(owner, &name, asked).await;
        }
        desk.goes_on.set(true);
        self.polls(number);
    }

    async fn carries(&mut self, owner: Owner, name: &str, asked: Asked) {
        match self.way(owner) {
            Way::Through => {
                let said = self.applies(name, asked.apply).await;
                self.shared.say(&format!("{name} -> {said}"));
            }
            Way::Nowhere => {
                (asked.refuse)(unreachable(&self.shared.dice));
                self.shared.say(&format!("{name} does not arrive"));
            }
            Way::Unheard => {
                let said = self.applies(name, asked.apply).await;
                (asked.refuse)(unheard());
                self.shared
                    .say(&format!("{name} -> {said}, and nobody hears it"));
            }
            Way::Late(after) => {
                (asked.refuse)(unheard());
                self.shared.say(&format!("{name} is late by {after} ms"));
                let due = self.shared.now() + i64::try_from(after).unwrap_or(0);
                let asked = Asked {
                    name: name.to_owned(),
                    ..asked
                };
                self.late.push(Late { due, asked });
            }
        }
    }

    fn way(&mut self, owner: Owner) -> Way {
        let Owner::Host(host) = owner else {
            return Way::Through;
        };
        if !self.shared.storm.get() {
            return Way::Through;
        }
        let now = self.shared.now();
        let cut_off = self.shared.life(host).map(|life| life.cut_off.get());
        let dice = &self.shared.dice;
        let draw = match cut_off.filter(|(_, until)| *until > now) {
            Some((CutOff::Leaky, _)) => dice.below(100),
            Some((CutOff::Whole, _)) if dice.happens(900) => 0,
            Some((CutOff::Whole, _)) => 99,
            None => dice.below(2_800),
        };
        let way = match (draw, cut_off) {
            (0..=34, _) => Way::Nowhere,
            (35..=64, _) => Way::Unheard,
            (65..=99, Some((CutOff::Whole, until))) if until > now => {
                Way::Late((until - now).unsigned_abs() + dice.below(20_000))
            }
            (65..=99, _) => Way::Late(match dice.below(3) {
                0 => dice.between(100, 3_000),
                1 => dice.between(3_000, 30_000),
                _ => dice.between(30_000, 90_000),
            }),
            _ => return Way::Through,
        };
        self.faults.astray += 1;
        way
    }

    /// What was on its way for long arrives.
    pub(super) async fn arrives_late(&mut self, number: usize) {
        let late = self.late.swap_remove(number);
        let name = late.asked.name;
        let said = self.applies(&name, late.asked.apply).await;
        self.shared.say(&format!("{name}, late -> {said}"));
    }

    /// The database does it.
    async fn applies(&mut self, name: &str, apply: Apply) -> String {
        self.units += 1;
        let said = apply(self.power.database.clone()).await;
        let Some(armed) = &mut self.armed else {
            return said.text;
        };
        if self.power.disk.is_dead() {
            armed.last = Some(said.kept);
            return said.text;
        }
        let Ok(there) = rows(&self.power.database).await else {
            armed.last = Some(said.kept);
            return said.text;
        };
        if said.kept == Kept::No && there != armed.rows {
            let how = format!("{name} has failed, and is kept: {}", said.text);
            self.shared.truth.broken("what fails is not kept", how);
        }
        armed.rows = there;
        said.text
    }
}

fn unheard() -> DbError {
    DbError::Ambiguous("its answer was lost".to_owned())
}

/// It did not arrive: sometimes that is known.
fn unreachable(dice: &Dice) -> DbError {
    match dice.happens(500) {
        true => DbError::Unreachable("nobody is there".to_owned()),
        false => unheard(),
    }
}
