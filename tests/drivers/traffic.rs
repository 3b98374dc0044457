//! Bytes in both directions: points 3, 4, 6 and 7 of the contract.

use std::time::{Duration, Instant};

use tickhub::io::Op;

use crate::rig::{Ground, Heard, MORE_THAN_A_WINDOW, Read, Rig, pattern, send};

pub(crate) fn echoes_of_many_sizes(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    let (mut received, mut answered) = (0, 0);
    for size in [1, 2, 63, 64, 65, 1000, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20] {
        let bytes = pattern(size, size);
        rig.feed(&mut end, &bytes);
        received += size;
        rig.until("all of it is received", |rig| rig.received(key).len() >= received);
        let got = rig.received(key).split_off(received - size);
        assert!(got == bytes, "{size} bytes arrive unchanged");
        rig.send(key, &got);
        assert!(rig.read(&mut end, size) == bytes, "{size} bytes come back unchanged");
        answered += 1;
        rig.until("the batch comes back", |rig| rig.sent(key).len() == answered);
    }
    assert!(rig.sent(key).iter().all(Result::is_ok));
}

pub(crate) fn a_slow_reader_gets_everything(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    let bytes = pattern(MORE_THAN_A_WINDOW, 1);
    rig.send(key, &bytes);
    rig.idle(Duration::from_millis(30));
    assert!(rig.sent(key).is_empty(), "a blocked send does not come back");
    // A little at first, so that the driver has to go on many times.
    let mut got = Vec::new();
    for _ in 0..200 {
        got.append(&mut rig.read(&mut end, 10_000));
    }
    got.append(&mut rig.read(&mut end, bytes.len() - got.len()));
    assert!(got == bytes);
    rig.until("the batch comes back", |rig| rig.sent(key) == [Ok(())]);
}

pub(crate) fn two_hundred_sockets_at_once(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let mut ends: Vec<_> =
        (0..200).map(|_| rig.ground.connect(rig.addr()).expect("somebody listens")).collect();
    for (index, end) in ends.iter_mut().enumerate() {
        assert_eq!(end.write(&pattern(100, index)), 100);
    }
    let addrs: Vec<_> = ends.iter().map(|end| end.addr()).collect();
    rig.until("all are accepted", |rig| addrs.iter().all(|addr| rig.key_of(*addr).is_some()));
    let keys: Vec<_> = addrs.iter().filter_map(|addr| rig.key_of(*addr)).collect();
    for (index, key) in keys.iter().enumerate() {
        rig.until("each is heard", |rig| rig.received(*key).len() == 100);
        assert_eq!(rig.received(*key), pattern(100, index));
    }
    rig.submit_all(keys.iter().map(|key| send(*key, &pattern(50, key_seed(*key)))).collect());
    for (end, key) in ends.iter_mut().zip(&keys) {
        assert_eq!(rig.read(end, 50), pattern(50, key_seed(*key)));
    }
    rig.submit_all(keys.iter().map(|key| Op::Close { socket: *key, reset: false }).collect());
    rig.until("all are closed", |rig| keys.iter().all(|key| rig.is_closed(*key)));
}

fn key_seed(key: tickhub::base::SocketKey) -> usize {
    use tickhub::base::Keyed as _;
    key.slot() as usize
}

pub(crate) fn many_sends_in_one_submit(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    // More than one system call of io_uring carries.
    let mut pairs = rig.pairs(300);
    for round in 0..20 {
        let bytes = pattern(100, round);
        rig.submit_all(pairs.iter().map(|(_, key)| send(*key, &bytes)).collect());
        rig.until("every batch comes back", |rig| {
            let sent = |heard: &&Heard| matches!(heard, Heard::Sent(_, Ok(())));
            rig.heard.iter().filter(sent).count() == (round + 1) * pairs.len()
        });
    }
    let all: Vec<u8> = (0..20).flat_map(|round| pattern(100, round)).collect();
    for (end, _) in &mut pairs {
        assert!(rig.read(end, all.len()) == all);
    }
}

pub(crate) fn order_holds_within_a_socket(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    let mut expected = Vec::new();
    for number in 0..500_usize {
        let bytes = pattern(1 + number % 97, number);
        rig.send(key, &bytes);
        expected.extend(bytes);
        rig.until("the batch comes back", |rig| rig.sent(key).len() == number + 1);
    }
    assert!(rig.read(&mut end, expected.len()) == expected);
    rig.feed(&mut end, &expected);
    rig.until("all of it is received", |rig| rig.received(key).len() == expected.len());
    assert!(rig.received(key) == expected);
}

pub(crate) fn an_empty_batch_comes_back(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (_end, key) = rig.pair();
    rig.send(key, b"");
    rig.until("the batch comes back", |rig| rig.sent(key) == [Ok(())]);
}

pub(crate) fn pause_and_resume_lose_nothing(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    rig.submit(Op::Pause { socket: key });
    rig.idle(Duration::from_millis(20));
    let bytes = pattern(20_000, 3);
    rig.feed(&mut end, &bytes);
    end.shutdown();
    rig.idle(Duration::from_millis(50));
    assert!(rig.received(key).is_empty(), "a paused socket is not read");
    assert!(!rig.is_finished(key));
    rig.send(key, b"still here");
    assert_eq!(rig.read(&mut end, 10), b"still here");
    rig.submit(Op::Resume { socket: key });
    rig.until("reading goes on to the end", |rig| rig.is_finished(key));
    assert!(rig.received(key) == bytes);
}

pub(crate) fn pausing_back_and_forth_loses_nothing(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    let bytes = pattern(300_000, 4);
    for (index, chunk) in bytes.chunks(3000).enumerate() {
        rig.feed(&mut end, chunk);
        // Also twice in a row, and undone before the driver could do anything.
        rig.submit_all(vec![Op::Pause { socket: key }, Op::Pause { socket: key }]);
        if index % 3 == 0 {
            rig.reap(Some(Duration::ZERO));
        }
        rig.submit(Op::Resume { socket: key });
        if index % 2 == 0 {
            rig.submit_all(vec![Op::Pause { socket: key }, Op::Resume { socket: key }]);
        }
    }
    rig.until("all of it is received", |rig| rig.received(key).len() == bytes.len());
    assert!(rig.received(key) == bytes);
}

pub(crate) fn more_than_the_receive_buffers_hold(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let mut pairs = rig.pairs(300);
    // Without a reap in between: 4.7 MiB wait, and the ring of buffers holds 1 MiB.
    for (index, (end, _)) in pairs.iter_mut().enumerate() {
        assert_eq!(end.write(&pattern(16_000, index)), 16_000);
    }
    for (index, (_, key)) in pairs.iter().enumerate() {
        rig.until("each is heard", |rig| rig.received(*key).len() >= 16_000);
        assert!(rig.received(*key) == pattern(16_000, index));
    }
}

pub(crate) fn a_flood_starves_nobody(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut flood, _) = rig.pair();
    let (mut quiet, key) = rig.pair();
    let water = vec![0; 1 << 20];
    for round in 0..20 {
        flood.write(&water);
        assert_eq!(quiet.write(b"drop"), 4);
        let mut reaps = 0;
        rig.until("the quiet one is heard", |rig| {
            flood.write(&water);
            reaps += 1;
            rig.received(key).len() == (round + 1) * 4
        });
        assert!(reaps <= 4, "the quiet one waited for {reaps} reaps");
        rig.heard.retain(|heard| !matches!(heard, Heard::Received(k, _) if *k != key));
    }
}

pub(crate) fn what_is_left_makes_the_next_reap_return(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let mut pairs = rig.pairs(64);
    let mut total = 0;
    for (end, _) in &mut pairs {
        while let count @ 1.. = end.write(&vec![7; 1 << 20]) {
            total += count;
        }
    }
    let (begin, mut got) = (Instant::now(), 0);
    while got < total {
        rig.reap(None);
        for heard in rig.heard.drain(..) {
            if let Heard::Received(_, bytes) = heard {
                got += bytes.len();
            }
        }
        assert!(begin.elapsed() < crate::rig::PATIENCE);
    }
    assert_eq!(got, total);
}

pub(crate) fn lent_bytes_may_be_written(ground: impl Ground) {
    // The rig reads the slack and overwrites what it is lent; here with bytes at the very end of
    // the largest receive, and after buffers were used again.
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    let bytes = pattern(2 << 20, 5);
    let mut written = 0;
    rig.until("all of it is received", |rig| {
        written += end.write(&bytes[written..]);
        rig.received(key).len() == bytes.len()
    });
    assert!(rig.received(key) == bytes, "nobody writes to what another is lent");
    let mut nothing = Vec::new();
    assert_eq!(end.read(1, &mut nothing), Read::Nothing);
}
