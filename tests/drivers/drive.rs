//! Waiting and not waiting, wakers, doors and the pollable descriptor: points 2 and 7.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use tickhub::io::Op;

use crate::rig::{Ground, Heard, PATIENCE, Rig, pattern, send};

const SOON: Duration = Duration::from_secs(5);

pub(crate) fn a_waker_ends_a_wait<G: Ground>(ground: G) {
    let mut rig = Rig::new(ground);
    let waker = rig.driver.waker();
    let rung = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let rung = Arc::clone(&rung);
        move || {
            std::thread::sleep(Duration::from_millis(30));
            rung.store(true, Ordering::SeqCst);
            waker.wake();
        }
    });
    let begin = Instant::now();
    rig.reap(Some(PATIENCE));
    assert!(begin.elapsed() < SOON, "the waker ends the wait");
    if G::IS_REAL {
        assert!(rung.load(Ordering::SeqCst), "nothing else ends it");
    }
    thread.join().expect("the thread only wakes");
}

pub(crate) fn a_waker_rung_before_the_wait(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let waker = rig.driver.waker();
    waker.wake();
    waker.clone().wake();
    let begin = Instant::now();
    rig.reap(Some(PATIENCE));
    assert!(begin.elapsed() < SOON, "a ring is not forgotten");
}

pub(crate) fn a_waker_wakes_again_and_again(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let waker = rig.driver.waker();
    for _ in 0..500 {
        waker.wake();
        waker.wake();
        let begin = Instant::now();
        rig.reap(Some(PATIENCE));
        assert!(begin.elapsed() < SOON, "every ring counts");
    }
    // And while another thread rings as fast as it can, none is lost at the end.
    let thread = std::thread::spawn({
        let waker = waker.clone();
        move || (0..20_000).for_each(|_| waker.wake())
    });
    while !thread.is_finished() {
        rig.reap(Some(Duration::from_millis(1)));
    }
    rig.reap(Some(Duration::ZERO));
    waker.wake();
    let begin = Instant::now();
    rig.reap(Some(PATIENCE));
    assert!(begin.elapsed() < SOON);
}

pub(crate) fn a_zero_wait_never_blocks(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (_end, _key) = rig.pair();
    let begin = Instant::now();
    for _ in 0..1000 {
        rig.reap(Some(Duration::ZERO));
    }
    assert!(begin.elapsed() < SOON);
}

pub(crate) fn a_wait_ends_in_time<G: Ground>(ground: G) {
    let mut rig = Rig::new(ground);
    let begin = Instant::now();
    rig.reap(Some(Duration::from_millis(60)));
    let waited = begin.elapsed();
    assert!(waited < SOON);
    assert!(!G::IS_REAL || waited >= Duration::from_millis(59), "only {waited:?}");
}

/// Whether a foreign epoll finds the descriptor readable within `wait`.
fn is_readable(descriptor: RawFd, wait: Duration) -> bool {
    let mut poll = Poll::new().expect("an epoll");
    let source = &mut SourceFd(&descriptor);
    poll.registry().register(source, Token(0), Interest::READABLE).expect("it can be polled");
    let mut events = Events::with_capacity(1);
    let end = Instant::now() + wait;
    // The kernel interrupts whoever has just closed a ring, so a foreign loop must bear that.
    while let Err(error) = poll.poll(&mut events, Some(end - Instant::now().min(end))) {
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    !events.is_empty()
}

/// Turns with zero wait until the descriptor is quiet, as a foreign loop would.
fn settle<G: Ground>(rig: &mut Rig<G>, pollable: RawFd) {
    let end = Instant::now() + PATIENCE;
    while is_readable(pollable, Duration::from_millis(20)) {
        rig.reap(Some(Duration::ZERO));
        assert!(Instant::now() < end, "the descriptor never becomes quiet");
    }
}

pub(crate) fn pollable_tells_of_everything<G: Ground>(ground: G) {
    let mut rig = Rig::new(ground);
    let Some(pollable) = rig.driver.pollable() else {
        assert!(!G::IS_REAL, "a real driver is pollable");
        return;
    };
    assert_eq!(rig.driver.pollable(), Some(pollable));
    settle(&mut rig, pollable);

    let mut end = rig.ground.connect(rig.addr()).expect("somebody listens");
    assert!(is_readable(pollable, SOON), "a newcomer");
    settle(&mut rig, pollable);
    let key = rig.key_of(end.addr()).expect("it was accepted by zero waits");

    for round in 1..=50 {
        assert_eq!(end.write(b"data"), 4);
        assert!(is_readable(pollable, SOON), "bytes, round {round}");
        settle(&mut rig, pollable);
        assert_eq!(rig.received(key).len(), 4 * round);
    }

    let waker = rig.driver.waker();
    for _ in 0..3 {
        waker.wake();
        assert!(is_readable(pollable, SOON), "a ring");
        settle(&mut rig, pollable);
    }

    rig.submit(send(key, b"answer"));
    assert!(is_readable(pollable, SOON), "a batch that is back");
    settle(&mut rig, pollable);
    assert_eq!(rig.sent(key), [Ok(())]);
    assert_eq!(rig.read(&mut end, 6), b"answer");
    settle(&mut rig, pollable);

    rig.submit(Op::Pause { socket: key });
    settle(&mut rig, pollable);
    end.write(b"kept");
    rig.submit(Op::Resume { socket: key });
    assert!(is_readable(pollable, SOON), "bytes after a pause");
    settle(&mut rig, pollable);
    assert!(rig.received(key).ends_with(b"kept"));

    // More than one reap may take: the rest keeps it readable.
    let bytes = pattern(3 << 20, 0);
    let (mut written, before) = (0, rig.received(key).len());
    let limit = Instant::now() + PATIENCE;
    while rig.received(key).len() < before + bytes.len() {
        written += end.write(&bytes[written..]);
        assert!(is_readable(pollable, SOON), "what is left");
        rig.reap(Some(Duration::ZERO));
        assert!(Instant::now() < limit);
    }

    settle(&mut rig, pollable);
    rig.submit(Op::Close { socket: key, reset: false });
    assert!(is_readable(pollable, SOON), "the end of a socket");
    settle(&mut rig, pollable);
    assert!(rig.is_closed(key));
}

pub(crate) fn pollable_is_quiet_when_nothing_is_there<G: Ground>(ground: G) {
    let mut rig = Rig::new(ground);
    // What happened before somebody asked counts too.
    let (mut end, key) = rig.pair();
    end.write(b"early");
    let Some(pollable) = rig.driver.pollable() else { return };
    assert!(is_readable(pollable, SOON));
    settle(&mut rig, pollable);
    assert_eq!(rig.received(key), b"early");
    for _ in 0..5 {
        assert!(!is_readable(pollable, Duration::from_millis(20)), "nothing is there");
        rig.reap(Some(Duration::ZERO));
    }
}

pub(crate) fn flush_sends<G: Ground>(ground: G) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    rig.submit(send(key, b"now"));
    rig.driver.flush().expect("a driver flushes");
    if G::IS_REAL {
        let (limit, mut got) = (Instant::now() + PATIENCE, Vec::new());
        while got.len() < 3 {
            end.read(3, &mut got);
            assert!(Instant::now() < limit, "it is sent without a reap");
        }
    }
    rig.until("the batch comes back", |rig| rig.sent(key) == [Ok(())]);
}

pub(crate) fn two_drivers_in_one_thread(ground: impl Ground) {
    let mut one = Rig::new(ground);
    let (mut end, key) = one.pair();
    let mut two = one.beside();
    two.reap(Some(Duration::ZERO));
    end.write(b"one");
    two.idle(Duration::from_millis(10));
    drop(two);
    one.until("each hears its own", |rig| rig.received(key) == b"one");
}

pub(crate) fn newcomers_come_from_every_door(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    rig.driver = rig.ground.driver(3);
    let addrs = rig.driver.local_addrs();
    assert_eq!(addrs.len(), 3);
    let ends: Vec<_> =
        addrs.iter().map(|addr| rig.ground.connect(*addr).expect("somebody listens")).collect();
    rig.until("all are accepted", |rig| ends.iter().all(|end| rig.key_of(end.addr()).is_some()));
}

/// The real drivers run this in a process of their own, whose descriptors run out.
pub(crate) fn failing_accepts_do_not_spin<G: Ground>(ground: G) {
    const IN_CHILD: &str = "TICKHUB_TEST_FEW_DESCRIPTORS";
    if G::IS_REAL && std::env::var_os(IN_CHILD).is_none() {
        let test = format!("{}::failing_accepts_do_not_spin", G::NAME);
        let output = std::process::Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", &test, "--test-threads=1", "--nocapture"])
            .env(IN_CHILD, "1")
            .output()
            .expect("a test can run itself");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    }
    if G::IS_REAL {
        // Before the driver opens: io_uring notes the limit when it begins to accept.
        set_descriptors_max(100);
    }
    let mut rig = Rig::new(ground);
    let (mut old, old_key) = rig.pair();
    rig.ground.set_accept_failing(true);
    let connect = |_| rig.ground.connect(rig.addr()).expect("somebody listens");
    let ends: Vec<_> = (0..6).map(connect).collect();
    let mut hogs = Vec::new();
    while G::IS_REAL
        && let Ok(hog) = File::open("/dev/null")
    {
        hogs.push(hog);
    }
    let failures = |rig: &Rig<G>| {
        rig.heard.iter().filter(|heard| matches!(heard, Heard::AcceptFailed)).count()
    };
    rig.until("the failure is told", |rig| failures(rig) > 0);
    let (begin, mut reaps) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_millis(450) {
        rig.reap(Some(Duration::from_millis(50)));
        reaps += 1;
    }
    assert_eq!(failures(&rig), 1, "one failure is told once");
    assert!(reaps < 60 || !G::IS_REAL, "{reaps} reaps: that is spinning");
    old.write(b"alive");
    rig.until("live clients are served", |rig| rig.received(old_key) == b"alive");

    if G::IS_REAL {
        drop(hogs);
        let begin = Instant::now();
        rig.until("accepting goes on", |rig| {
            ends.iter().all(|end| rig.key_of(end.addr()).is_some())
        });
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
}

fn set_descriptors_max(max: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives both calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = max.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}
