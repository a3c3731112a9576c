//! The low-priority lane: its services share it evenly, its guests end when they are dropped, and nobody loses a turn.

use super::Lines;
use holdfast_call::Level;
use holdfast_wasm::lane::Lane;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::sync::oneshot;

fn lane(turns: usize) -> Arc<Lane> {
    Arc::new(Lane::with_turns(turns, Arc::new(Lines::default())).unwrap())
}

fn name(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// Lets the other threads of the lane go on until `ready`: what they do next is the signal.
fn until(ready: impl Fn() -> bool) {
    while !ready() {
        std::thread::yield_now();
    }
}

/// Tells when it is dropped.
struct Told(Option<oneshot::Sender<()>>);

impl Drop for Told {
    fn drop(&mut self) {
        let _heard = self.0.take().unwrap().send(());
    }
}

fn told() -> (Told, oneshot::Receiver<()>) {
    let (sender, receiver) = oneshot::channel();
    (Told(Some(sender)), receiver)
}

#[tokio::test]
async fn one_guest_of_a_service_is_not_starved_by_sixty_four_of_another() {
    const MANY: usize = 64;
    const POLLS: usize = 30;
    let lane = lane(1);
    let order = Arc::new(Mutex::new(String::new()));
    let over = Arc::new(AtomicBool::new(false));
    let (end, ended) = oneshot::channel();
    let mut end = Some(end);
    let mut tasks = Vec::new();
    // Every poll lasts until all others stand in the queue again, so the order is the queue's alone, not the scheduler's.
    let busy = |mark: char| {
        let (lane, order, over) = (Arc::downgrade(&lane), order.clone(), over.clone());
        move || {
            until(|| {
                let queued = lane.upgrade().map_or(MANY, |lane| lane.waiting());
                over.load(SeqCst) || queued == MANY
            });
            order.lock().unwrap().push(mark);
        }
    };
    for _ in 0..MANY {
        let (poll, over) = (busy('a'), over.clone());
        tasks.push(lane.run(
            name("spinner"),
            Box::pin(poll_fn(move |context| {
                poll();
                if over.load(SeqCst) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })),
        ));
    }
    let (poll, done) = (busy('b'), over.clone());
    let mut polls = 0;
    tasks.push(lane.run(
        name("bystander"),
        Box::pin(poll_fn(move |context| {
            poll();
            polls += 1;
            if polls == POLLS {
                done.store(true, SeqCst);
                end.take().unwrap().send(()).unwrap();
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })),
    ));
    ended.await.unwrap();
    let order = order.lock().unwrap().clone();
    let from_first = &order[order.find('b').unwrap()..];
    let alternating: String = from_first.chars().take(2 * POLLS - 1).collect();
    assert_eq!(alternating, "ba".repeat(POLLS - 1) + "b", "{order}");
}

#[tokio::test]
async fn no_more_guests_run_at_once_than_there_are_turns() {
    const TURNS: usize = 2;
    let lane = lane(TURNS);
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mut tasks, mut ends) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let (inside, most) = (inside.clone(), most.clone());
        let (guard, end) = told();
        ends.push(end);
        let mut polls = 0;
        tasks.push(lane.run(
            name(&format!("service-{}", number % 3)),
            Box::pin(poll_fn(move |context| {
                let _guard = &guard;
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::yield_now();
                inside.fetch_sub(1, SeqCst);
                polls += 1;
                if polls == 10 {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })),
        ));
    }
    for end in ends {
        end.await.unwrap();
    }
    assert!((1..=TURNS).contains(&most.load(SeqCst)));
    assert_eq!(inside.load(SeqCst), 0);
}

#[tokio::test]
async fn dropping_the_task_ends_a_spinning_guest_and_frees_its_turn() {
    let lane = lane(1);
    let (guard, ended) = told();
    let (started, start) = oneshot::channel();
    let mut started = Some(started);
    let spinner = lane.run(
        name("spinner"),
        Box::pin(poll_fn(move |context| {
            let _guard = &guard;
            if let Some(started) = started.take() {
                started.send(()).unwrap();
            }
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })),
    );
    start.await.unwrap();
    drop(spinner);
    ended.await.unwrap();
    let (sender, receiver) = oneshot::channel();
    let _next = lane.run(
        name("next"),
        Box::pin(async move { sender.send(()).unwrap() }),
    );
    receiver.await.unwrap();
}

#[tokio::test]
async fn one_who_is_dropped_while_waiting_leaves_the_queue() {
    let lane = lane(1);
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let _gate = lane.run(
        name("gate"),
        Box::pin(async move { until(|| gate.load(SeqCst)) }),
    );
    let (guard, gone) = told();
    let waiting = lane.run(
        name("other"),
        Box::pin(async move {
            let _guard = guard;
            unreachable!("it was dropped before its turn came");
        }),
    );
    until(|| lane.waiting() == 1);
    drop(waiting);
    gone.await.unwrap();
    until(|| lane.waiting() == 0);
    let (sender, receiver) = oneshot::channel();
    let _last = lane.run(
        name("last"),
        Box::pin(async move { sender.send(()).unwrap() }),
    );
    open.store(true, SeqCst);
    receiver.await.unwrap();
}

#[tokio::test]
async fn no_turn_is_lost_when_many_come_and_go() {
    let lane = lane(2);
    for round in 0..20 {
        let mut tasks: Vec<_> = (0..50)
            .map(|number| {
                lane.run(
                    name(&format!("service-{}", number % 4)),
                    Box::pin(async {
                        loop {
                            tokio::task::yield_now().await;
                        }
                    }),
                )
            })
            .collect();
        // Some are dropped while they wait, some while they run, some in between.
        while tasks.len() > round {
            drop(tasks.swap_remove(tasks.len() / 2));
        }
    }
    let (sender, receiver) = oneshot::channel();
    let _last = lane.run(
        name("last"),
        Box::pin(async move { sender.send(()).unwrap() }),
    );
    receiver.await.unwrap();
}

#[tokio::test]
async fn a_guest_that_panics_gives_its_turn_back() {
    let lane = lane(1);
    let (guard, ended) = told();
    let _panics = lane.run(
        name("panics"),
        Box::pin(async move {
            let _guard = guard;
            panic!("as the test wants it");
        }),
    );
    ended.await.unwrap();
    let (sender, receiver) = oneshot::channel();
    let _next = lane.run(
        name("next"),
        Box::pin(async move { sender.send(()).unwrap() }),
    );
    receiver.await.unwrap();
}

#[tokio::test]
async fn timers_go_on_while_every_turn_is_taken_by_a_spin() {
    let lane = lane(1);
    let (sender, receiver) = oneshot::channel();
    let _spinner = lane.run(
        name("spinner"),
        Box::pin(async move {
            let rang = Arc::new(AtomicBool::new(false));
            let bell = rang.clone();
            let (armed, ready) = oneshot::channel();
            tokio::spawn(async move {
                let timer = tokio::time::sleep(std::time::Duration::from_millis(1));
                armed.send(()).unwrap();
                timer.await;
                bell.store(true, SeqCst);
            });
            // What a spinning guest has just woken may stand behind it until it lets go, so the spin begins when the other runs.
            ready.await.unwrap();
            tokio::task::yield_now().await;
            until(|| rang.load(SeqCst));
            sender.send(()).unwrap();
        }),
    );
    receiver.await.unwrap();
}

#[tokio::test]
async fn its_threads_have_a_low_priority() {
    let log = Arc::new(Lines::default());
    let lane = Lane::with_turns(1, log.clone()).unwrap();
    let (sender, receiver) = oneshot::channel();
    let _task = lane.run(
        name("asks"),
        Box::pin(async move {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            sender.send(stat).unwrap();
        }),
    );
    let stat = receiver.await.unwrap();
    // The niceness is the nineteenth field, the seventeenth after the name in parentheses.
    let niceness = stat.rsplit(')').next().unwrap().split_whitespace().nth(16);
    assert_eq!(niceness, Some("10"), "{stat}");
    assert!(log.at(Level::Warn).is_empty());
}

#[tokio::test]
async fn dropping_the_lane_ends_its_guests_and_does_not_wait_for_them() {
    let lane = lane(1);
    let (guard, gone) = told();
    let _task = lane.run(
        name("sleeps"),
        Box::pin(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        }),
    );
    drop(lane);
    gone.await.unwrap();
}
