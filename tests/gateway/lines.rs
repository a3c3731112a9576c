//! How long a connection is held for a peer of whom nothing, or little, is heard. Time passes only where these tests let it.

use holdfast_call::{BoxFuture, Clock, Moment, WallTime};
use holdfast_server::entry::line::{Line, Spans};
use holdfast_server::entry::wire::Wire;
use http::Version;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const SPAN: Duration = Duration::from_secs(30);
const SPANS: Spans = Spans {
    head: SPAN,
    idle: SPAN,
    write: SPAN,
};
const SECOND: Duration = Duration::from_secs(1);

/// A clock that moves only when told.
struct Told(watch::Sender<Moment>);

impl Told {
    fn advance(&self, span: Duration) {
        self.0.send_modify(|now| *now = now.after(span));
    }
}

impl Clock for Told {
    fn now(&self) -> Moment {
        *self.0.borrow()
    }
    fn wall(&self) -> WallTime {
        WallTime(0)
    }
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            now.wait_for(|now| *now >= moment).await.unwrap();
        })
    }
}

/// A line, its clock, and the other end of it.
async fn line() -> (Arc<Line>, Arc<Told>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap());
    let (peer, taken) = tokio::join!(peer, listener.accept());
    let clock = Arc::new(Told(watch::Sender::new(Moment::START)));
    let line = Line::new(taken.unwrap().0, clock.clone(), SPANS);
    line.stream().writable().await.unwrap();
    (line, clock, peer.unwrap())
}

/// After how many seconds `work` is ready, if `each` happens at every one of them.
async fn ready_after(
    clock: &Told,
    work: impl Future<Output = ()>,
    mut each: impl FnMut(u32),
) -> u32 {
    let mut work = pin!(work);
    for second in 0..3_600 {
        each(second);
        if poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_ready())).await {
            return second;
        }
        clock.advance(SECOND);
    }
    panic!("it is never ready");
}

#[tokio::test]
async fn a_line_on_which_nothing_happens_rests() {
    let (line, clock, _peer) = line().await;
    assert_eq!(ready_after(&clock, line.rested(), |_| {}).await, 30);
}

#[tokio::test]
async fn a_line_rests_only_once_what_is_under_way_has_ended() {
    let (line, clock, _peer) = line().await;
    let answer = line.busy(Version::HTTP_11);
    let mut upload = Some(answer.also());
    drop(answer);
    let each = |second| {
        if second == 40 {
            upload = None;
        }
    };
    assert_eq!(ready_after(&clock, line.rested(), each).await, 70);
}

#[tokio::test]
async fn what_begins_in_the_last_moment_is_waited_for() {
    let (line, clock, _peer) = line().await;
    let mut busy = Some(line.busy(Version::HTTP_2));
    let each = |second| {
        if second == 3 {
            busy = None;
        }
    };
    assert_eq!(ready_after(&clock, line.free(SECOND), each).await, 3);
}

#[tokio::test]
async fn bytes_alone_keep_a_line_for_five_minutes() {
    let (line, clock, _peer) = line().await;
    drop(line.busy(Version::HTTP_2));
    let each = |second| {
        if second % 20 == 0 {
            line.taken();
        }
    };
    assert_eq!(ready_after(&clock, line.rested(), each).await, 300);
}

/// Writes until the wire takes no more at once.
async fn filled(wire: &mut Wire) -> io::Result<usize> {
    let chunk = vec![0; 64 * 1024];
    let mut written = 0;
    loop {
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut *wire).poll_write(cx, &chunk))).await {
            Poll::Ready(bytes) => written += bytes?,
            Poll::Pending => return Ok(written),
        }
    }
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_reset() {
    let (line, clock, mut peer) = line().await;
    let mut wire = Wire::new(line.clone());
    let mut tries = 0..100;
    let error = loop {
        // The system moves its own bounds at first, so there may be room once more.
        match filled(&mut wire).await {
            Ok(_) => clock.advance(SPAN),
            Err(error) => break error,
        }
        tries.next().expect("it is never given up");
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop((wire, line));
    let end = peer.read_to_end(&mut Vec::new()).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_peer_that_takes_its_bytes_slowly_is_not() {
    let (line, clock, mut peer) = line().await;
    let mut wire = Wire::new(line.clone());
    filled(&mut wire).await.unwrap();
    for _ in 0..5 {
        // Far less than the system waits for before it tells of room.
        let mut some = vec![0; 256 * 1024];
        peer.read_exact(&mut some).await.unwrap();
        clock.advance(SPAN);
        assert!(filled(&mut wire).await.unwrap() > 0);
    }
}
