//! Hints between hosts on one server: that there is something to be taken, so that whoever takes it need not wait until he looks again.
//!
//! A hint is never more than that: it may be lost, and he looks again all the same. Therefore it is told behind the unit that it is about, on
//! a connection of its own: a commit that notifies waits for all others that do.

use super::server::Server;
use crate::db::Bells;
use std::future::poll_fn;
use std::time::Duration;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls};

const LISTEN: &str = "LISTEN holdfast";
/// How long hints are gathered: a busy host tells others so often and no oftener.
const GATHER: Duration = Duration::from_millis(20);
/// How long is waited before a connection that broke is made again.
const AGAIN: Duration = Duration::from_secs(5);
/// What is told of: messages, and executions.
const QUEUE: char = 'q';
const RUNS: char = 'r';

/// Tells other hosts whenever one of these rings, and rings it when they tell; for ever. `own` is the name of this host's life.
pub(in crate::db) async fn follow(server: &Server, own: &str, bells: &Bells) {
    loop {
        // What goes wrong here costs a second of somebody's time at most, and says nothing that the next unit does not.
        let _ = until_it_breaks(server, own, bells).await;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn until_it_breaks(server: &Server, own: &str, bells: &Bells) -> Result<(), Error> {
    let (client, mut connection) = server.config().connect(NoTls).await?;
    let hears = async {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(told) = message? {
                heard(told.payload(), own, bells);
            }
        }
        Ok(())
    };
    let tells = async {
        client.batch_execute(LISTEN).await?;
        tell(&client, own, bells).await
    };
    tokio::select! {
        broken = hears => broken,
        broken = tells => broken,
    }
}

fn heard(told: &str, own: &str, bells: &Bells) {
    let Some((what, from)) = told.split_once(' ') else {
        return;
    };
    if from == own {
        return;
    }
    for (letter, bell) in [(QUEUE, &bells.queue), (RUNS, &bells.runs)] {
        if what.contains(letter) {
            bell.heard();
        }
    }
}

async fn tell(client: &Client, own: &str, bells: &Bells) -> Result<(), Error> {
    let (mut queue, mut runs) = (bells.queue.own(), bells.runs.own());
    loop {
        // A bell lives as long as its host.
        let first = tokio::select! {
            Ok(()) = queue.changed() => QUEUE,
            Ok(()) = runs.changed() => RUNS,
            else => return Ok(()),
        };
        tokio::time::sleep(GATHER).await;
        let mut what = String::new();
        for (letter, bell) in [(QUEUE, &mut queue), (RUNS, &mut runs)] {
            let more = bell.has_changed().unwrap_or(false);
            bell.mark_unchanged();
            what.extend((more || letter == first).then_some(letter));
        }
        client
            .batch_execute(&format!("NOTIFY holdfast, '{what} {own}'"))
            .await?;
    }
}
