//! How sockets end and move: points 1, 4 and 5 of the contract.

use std::io::ErrorKind;
use std::time::Duration;

use tickhub::base::{Keyed as _, SocketKey};
use tickhub::io::Op;

use crate::rig::{Ground, Heard, MORE_THAN_A_WINDOW, Read, Rig, pattern, send};

pub(crate) fn a_half_closed_client_is_answered(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    rig.feed(&mut end, b"question");
    end.shutdown();
    rig.until("the end is told", |rig| rig.is_finished(key));
    assert_eq!(rig.received(key), b"question");
    rig.send(key, &pattern(100_000, 0));
    assert!(rig.read(&mut end, 100_000) == pattern(100_000, 0));
    rig.close(key);
    assert_eq!(rig.read_to_end(&mut end), (vec![], Read::End));
}

pub(crate) fn a_reset_is_a_loss(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (end, key) = rig.pair();
    end.reset();
    rig.until("the loss is told", |rig| rig.is_lost(key));
    rig.idle(Duration::from_millis(20));
    assert!(!rig.is_finished(key), "a reset is no FIN");
    rig.send(key, b"too late");
    rig.until("the batch comes back", |rig| rig.sent(key).len() == 1);
    assert!(rig.sent(key)[0].is_err());
    rig.close(key);
}

/// A pair whose send is stuck because nobody reads.
fn blocked<G: Ground>(rig: &mut Rig<G>) -> (Box<dyn crate::rig::End>, SocketKey) {
    let (end, key) = rig.pair();
    rig.send(key, &pattern(MORE_THAN_A_WINDOW, 0));
    rig.idle(Duration::from_millis(20));
    assert!(rig.sent(key).is_empty(), "the send is blocked");
    (end, key)
}

pub(crate) fn a_blocked_send_comes_back_before_closed(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    for reset in [false, true] {
        let (_end, key) = blocked(&mut rig);
        rig.submit(Op::Close { socket: key, reset });
        rig.until("a close is answered", |rig| rig.is_closed(key));
        // The rig checks that it came before.
        assert_eq!(rig.sent(key), [Err(ErrorKind::ConnectionAborted)]);
    }
}

pub(crate) fn a_blocked_send_comes_back_when_the_client_resets(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (end, key) = blocked(&mut rig);
    end.reset();
    rig.until("the loss is told", |rig| rig.is_lost(key) && rig.sent(key).len() == 1);
    assert!(rig.sent(key)[0].is_err());
    rig.close(key);
}

pub(crate) fn close_is_seen_as_an_end(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    rig.send(key, b"goodbye");
    rig.until("the batch comes back", |rig| rig.sent(key) == [Ok(())]);
    rig.close(key);
    assert_eq!(rig.read_to_end(&mut end), (b"goodbye".to_vec(), Read::End));
}

pub(crate) fn close_with_reset_is_seen_as_a_reset(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    rig.submit(Op::Close { socket: key, reset: true });
    rig.until("a close is answered", |rig| rig.is_closed(key));
    assert_eq!(rig.read_to_end(&mut end).1, Read::Broken);
}

pub(crate) fn after_shutdown_the_client_is_read(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    rig.submit_all(vec![send(key, b"refused"), Op::Shutdown { socket: key }]);
    assert_eq!(rig.read_to_end(&mut end), (b"refused".to_vec(), Read::End));
    rig.feed(&mut end, b"late");
    rig.until("late bytes are read", |rig| rig.received(key) == b"late");
    drop(end);
    rig.until("the end is told", |rig| rig.is_finished(key));
    rig.close(key);
}

pub(crate) fn shutdown_waits_for_the_batch(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = blocked(&mut rig);
    rig.submit(Op::Shutdown { socket: key });
    rig.idle(Duration::from_millis(20));
    let (bytes, last) = rig.read_to_end(&mut end);
    assert!(bytes == pattern(MORE_THAN_A_WINDOW, 0), "all of the batch comes before the end");
    assert_eq!((last, rig.sent(key)), (Read::End, vec![Ok(())]));
}

pub(crate) fn a_send_too_late_comes_back(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    rig.submit_all(vec![Op::Shutdown { socket: key }, send(key, b"after the end")]);
    rig.until("the batch comes back", |rig| rig.sent(key) == [Err(ErrorKind::BrokenPipe)]);
    assert_eq!(rig.read_to_end(&mut end), (vec![], Read::End));
    assert!(!rig.is_lost(key), "that is our own doing and no loss");
    rig.close(key);
}

pub(crate) fn stale_keys_do_nothing(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (_gone, stale) = rig.pair();
    rig.close(stale);
    let (mut end, key) = rig.pair();
    assert_eq!(stale.slot(), key.slot(), "the slot was taken again");
    rig.submit_all(vec![
        send(stale, b"wrong"),
        Op::Pause { socket: stale },
        Op::Shutdown { socket: stale },
        Op::Detach { socket: stale },
        Op::Close { socket: stale, reset: true },
    ]);
    // The rig panics if anything is told of the stale key.
    rig.idle(Duration::from_millis(30));
    rig.feed(&mut end, b"ping");
    rig.until("the new tenant is heard", |rig| rig.received(key) == b"ping");
    rig.send(key, b"pong");
    assert_eq!(rig.read(&mut end, 4), b"pong");
    rig.close(key);
    rig.submit_all(vec![Op::Close { socket: key, reset: false }, Op::Resume { socket: key }]);
    rig.idle(Duration::from_millis(20));
}

pub(crate) fn nothing_is_told_between_close_and_closed(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    for _ in 0..20 {
        let (mut end, key) = rig.pair();
        end.write(&pattern(10_000, 1));
        end.shutdown();
        let (other, lost) = rig.pair();
        other.reset();
        // So that io_uring has completions in its queue; the rig panics if they are told.
        rig.driver.flush().expect("a driver flushes");
        rig.submit_all(vec![
            Op::Close { socket: key, reset: false },
            Op::Close { socket: lost, reset: false },
        ]);
        rig.until("both are closed", |rig| rig.is_closed(key) && rig.is_closed(lost));
    }
}

pub(crate) fn detached_and_adopted(ground: impl Ground) {
    let mut home = Rig::new(ground);
    let (mut end, key) = home.pair();
    home.feed(&mut end, b"before ");
    home.until("it is heard", |rig| rig.received(key) == b"before ");
    assert_eq!(end.write(b"between "), 8);
    let descriptor = home.detached(key);
    let early = home.received(key)[7..].to_vec();
    assert_eq!(end.write(b"behind "), 7);
    let addr = end.addr();

    let mut away = home.beside();
    away.submit(Op::Adopt { descriptor, peer: addr });
    away.until("it is announced", |rig| rig.key_of(addr).is_some());
    let key = away.key_of(addr).expect("it was just found");
    away.feed(&mut end, b"beyond");
    let expected = b"between behind beyond";
    away.until("nothing is lost", |rig| early.len() + rig.received(key).len() == expected.len());
    assert_eq!([early, away.received(key)].concat(), expected);
    away.send(key, &pattern(200_000, 2));
    assert!(away.read(&mut end, 200_000) == pattern(200_000, 2));

    // And back again.
    let descriptor = away.detached(key);
    drop(away);
    home.submit(Op::Adopt { descriptor, peer: addr });
    home.heard.clear();
    home.until("it is announced", |rig| rig.key_of(addr).is_some());
    let key = home.key_of(addr).expect("it was just found");
    home.feed(&mut end, b"home");
    home.until("it is heard", |rig| rig.received(key) == b"home");
    home.close(key);
    assert_eq!(home.read_to_end(&mut end), (vec![], Read::End));
}

pub(crate) fn detaching_takes_the_batch_out(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (_end, key) = blocked(&mut rig);
    drop(rig.detached(key));
    assert_eq!(rig.sent(key), [Err(ErrorKind::ConnectionAborted)]);
}

pub(crate) fn detaching_a_lost_socket_closes_it(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (end, key) = rig.pair();
    end.reset();
    rig.until("the loss is told", |rig| rig.is_lost(key));
    rig.submit(Op::Detach { socket: key });
    rig.until("it is closed instead", |rig| rig.is_closed(key));
}

pub(crate) fn dropping_a_descriptor_ends_the_connection(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    drop(rig.detached(key));
    assert_eq!(rig.read_to_end(&mut end), (vec![], Read::End));
}

pub(crate) fn adopted_sockets_come_first_and_in_order(ground: impl Ground) {
    let mut home = Rig::new(ground);
    let pairs = home.pairs(20);
    let ops: Vec<_> = pairs
        .iter()
        .map(|(end, key)| Op::Adopt { descriptor: home.detached(*key), peer: end.addr() })
        .collect();
    let newcomer = home.ground.connect(home.addr()).expect("somebody listens");
    home.heard.clear();
    home.submit_all(ops);
    home.until("all are announced", |rig| rig.key_of(newcomer.addr()).is_some());
    let mut announced = Vec::new();
    for heard in &home.heard {
        if let Heard::Accepted(_, peer) = heard {
            announced.push(*peer);
        }
    }
    let mut expected: Vec<_> = pairs.iter().map(|(end, _)| end.addr()).collect();
    expected.push(newcomer.addr());
    assert_eq!(announced, expected);
}

pub(crate) fn stop_accepting_refuses_newcomers_only(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let (mut end, key) = rig.pair();
    let addr = rig.addr();
    rig.submit_all(vec![Op::StopAccepting, Op::StopAccepting]);
    rig.idle(Duration::from_millis(20));
    assert!(rig.ground.connect(addr).is_err(), "newcomers are refused");
    assert_eq!(rig.driver.local_addrs(), [addr]);
    rig.feed(&mut end, b"ping");
    rig.until("the old one is heard", |rig| rig.received(key) == b"ping");
    rig.send(key, b"pong");
    assert_eq!(rig.read(&mut end, 4), b"pong");
}

pub(crate) fn dropping_a_driver_with_everything_in_flight(ground: impl Ground) {
    let mut rig = Rig::new(ground);
    let mut pairs = rig.pairs(20);
    for (end, key) in &mut pairs {
        end.write(&pattern(30_000, 0));
        rig.submit(send(*key, &pattern(MORE_THAN_A_WINDOW / 8, 0)));
    }
    rig.driver.flush().expect("a driver flushes");
    let _unaccepted = rig.ground.connect(rig.addr());
    rig.driver = rig.ground.driver(1);
    for (mut end, _) in pairs {
        assert!(matches!(rig.read_to_end(&mut end).1, Read::End | Read::Broken));
    }
}
