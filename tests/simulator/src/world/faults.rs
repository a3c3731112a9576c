//! What goes wrong, and how often.

use super::World;
use crate::clients;
use crate::disk::Trouble;
use crate::host::CutOff;
use crate::look::rows;
use crate::stage::Kept;
use holdfast_store::db::DbError;
use std::fmt;

/// How often what went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Hosts that died.
    pub deaths: u64,
    /// Hosts that reached nobody for some time.
    pub partitions: u64,
    /// Units of work that did not arrive, were not answered, or were late.
    pub astray: u64,
    /// Hosts that did nothing for some time.
    pub stalls: u64,
    /// Cuts of the power.
    pub power_cuts: u64,
    /// Syncs that failed, and disks without room.
    pub disk: u64,
    /// Jumps of the clock.
    pub jumps: u64,
}

impl Faults {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        let hosts = self.deaths + self.partitions + self.astray + self.stalls;
        hosts + self.power_cuts + self.disk + self.jumps
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self {
            deaths: self.deaths + others.deaths,
            partitions: self.partitions + others.partitions,
            astray: self.astray + others.astray,
            stalls: self.stalls + others.stalls,
            power_cuts: self.power_cuts + others.power_cuts,
            disk: self.disk + others.disk,
            jumps: self.jumps + others.jumps,
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults: {} power cuts, {} deaths of hosts, {} partitions, {} units of work astray, {} stalls, {} jumps of the clock, \
             {} failures of the disk",
            self.all(),
            self.power_cuts,
            self.deaths,
            self.partitions,
            self.astray,
            self.stalls,
            self.jumps,
            self.disk
        )
    }
}

/// The power is about to be cut.
pub(super) struct Armed {
    /// What was there after the last unit of work that came to something.
    pub(super) rows: Vec<String>,
    /// What the unit came to during which it was cut, if it was during one.
    pub(super) last: Option<Kept>,
}

impl World {
    /// Something may go wrong, or somebody come.
    pub(super) async fn meets_faults(&mut self) -> Result<(), DbError> {
        let draw = self.shared.dice.below(1_000);
        match draw {
            0..=89 => clients::comes(&self.shared, &self.waiting),
            90..=95 => self.meets_death(),
            96..=105 => self.meets_partition(),
            106..=111 => self.meets_stall(),
            112..=121 => self.meets_jump(),
            122..=133 => self.power.checkpoint(),
            134..=139 => return self.meets_power_cut().await,
            140..=145 => self.meets_trouble(),
            _ => {}
        }
        // A checkpoint may have met a trouble of the disk.
        match self.power.disk.is_dead() {
            true => self.loses_power().await,
            false => Ok(()),
        }
    }

    fn host(&self) -> usize {
        usize::try_from(self.shared.dice.below(2)).unwrap_or(0)
    }

    fn meets_death(&mut self) {
        let host = self.host();
        if self.shared.life(host).is_none() {
            return;
        }
        let back = match self.shared.dice.below(3) {
            0 => self.shared.dice.between(0, 2_000),
            _ => self.shared.dice.between(2_000, 90_000),
        };
        self.shared
            .say(&format!("host {host} dies, and is back after {back} ms"));
        self.faults.deaths += 1;
        self.dies(host, back);
    }

    fn meets_partition(&mut self) {
        let (host, span) = (self.host(), self.shared.dice.between(2_000, 90_000));
        let how = match self.shared.dice.happens(600) {
            true => CutOff::Whole,
            false => CutOff::Leaky,
        };
        if let Some(life) = self.shared.life(host) {
            let until = self.shared.now() + i64::try_from(span).unwrap_or(0);
            life.cut_off.set((how, until));
            self.shared
                .say(&format!("host {host} is cut off for {span} ms: {how:?}"));
            self.faults.partitions += 1;
        }
    }

    fn meets_stall(&mut self) {
        let (host, span) = (self.host(), self.shared.dice.between(5_000, 90_000));
        if let Some(life) = self.shared.life(host) {
            let until = self.shared.now() + i64::try_from(span).unwrap_or(0);
            life.stalled_until.set(until);
            self.shared
                .say(&format!("host {host} does nothing for {span} ms"));
            self.faults.stalls += 1;
        }
    }

    fn meets_jump(&mut self) {
        let dice = &self.shared.dice;
        let jump = match dice.below(10) {
            0..=1 => -i64::try_from(dice.below(3_000)).unwrap_or(0),
            2..=8 => i64::try_from(dice.below(90_000)).unwrap_or(0),
            _ => i64::try_from(dice.below(3 * 3_600_000)).unwrap_or(0),
        };
        self.shared.say(&format!("the clock jumps by {jump} ms"));
        self.faults.jumps += 1;
        self.passes_time(jump);
    }

    fn meets_trouble(&mut self) {
        if self.armed.is_some() {
            return;
        }
        let dice = &self.shared.dice;
        let trouble = match dice.happens(500) {
            true => Trouble::SyncFails,
            false => Trouble::Full(u32::try_from(dice.between(1, 12)).unwrap_or(1)),
        };
        let changes = u32::try_from(dice.below(12)).unwrap_or(0);
        self.shared
            .say(&format!("after {changes} changes of the disk: {trouble:?}"));
        self.faults.disk += 1;
        self.power.disk.after(changes, trouble);
    }

    async fn meets_power_cut(&mut self) -> Result<(), DbError> {
        if self.armed.is_some() {
            return Ok(());
        }
        let Ok(rows) = rows(&self.power.database).await else {
            return Ok(());
        };
        self.armed = Some(Armed { rows, last: None });
        if self.shared.dice.happens(200) {
            return self.loses_power().await;
        }
        let changes = u32::try_from(self.shared.dice.below(60)).unwrap_or(0);
        self.shared.say(&format!(
            "after {changes} changes of the disk the power is cut"
        ));
        self.power.disk.after(changes, Trouble::PowerCut);
        Ok(())
    }

    /// The power is cut, and comes back: what was answered is there.
    pub(super) async fn loses_power(&mut self) -> Result<(), DbError> {
        self.faults.power_cuts += 1;
        self.syncs += self.power.disk.syncs();
        self.shared.say("the power is cut");
        let dice = self.shared.dice.split();
        self.power.cut(dice).await?;
        if let Some(armed) = self.armed.take() {
            let there = rows(&self.power.database).await?;
            let same = there == armed.rows;
            // The unit that was cut is kept or not; one that failed is not.
            if !same && matches!(armed.last, None | Some(Kept::No)) {
                let lost: Vec<_> = armed
                    .rows
                    .iter()
                    .filter(|row| !there.contains(row))
                    .take(3)
                    .collect();
                let how = format!("gone is {lost:?}");
                self.shared
                    .truth
                    .broken("what was answered is there after a power cut", how);
            }
        }
        for host in 0..2 {
            if self.shared.dice.happens(700) {
                let back = self.shared.dice.between(0, 30_000);
                self.shared
                    .say(&format!("host {host} goes down with it, for {back} ms"));
                self.dies(host, back);
            }
        }
        let lost = self.shared.dice.happens(500);
        if lost {
            self.late.clear();
        }
        self.looks_after().await
    }

    async fn looks_after(&mut self) -> Result<(), DbError> {
        let seen = crate::look::look(&self.power.database).await?;
        self.shared.truth.look(&seen);
        Ok(())
    }

    /// From now on nothing goes wrong, and nobody comes.
    pub(super) async fn calms_down(&mut self) -> Result<(), DbError> {
        self.shared.storm.set(false);
        self.shared.truth.raise_budgets();
        if self.armed.is_some() {
            self.loses_power().await?;
        }
        self.power.disk.heals();
        let now = self.shared.now();
        for (at, _) in &mut self.returns {
            *at = now;
        }
        for host in 0..2 {
            if let Some(life) = self.shared.life(host) {
                life.stalled_until.set(now);
            }
        }
        self.shared.say("it calms down");
        Ok(())
    }
}
