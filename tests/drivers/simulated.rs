//! What only the simulator can do: bad networks, on demand and twice the same.

use std::net::SocketAddr;
use std::time::Duration;

use tickhub::base::{Moment, SocketKey};
use tickhub::io::sim::{Dials, OneIn, Read, SimNet, SimPeer};
use tickhub::io::{Completion, Driver, Op};

use crate::rig::{Ground as _, Heard, Rig, Sim, pattern, send};

fn rig(seed: u64, dials: Dials) -> Rig<Sim> {
    Rig::new(Sim(SimNet::new(seed, dials)))
}

fn harmless() -> Dials {
    Dials {
        split_receive: OneIn(2),
        late_receive: OneIn(3),
        short_send: OneIn(2),
        late_send: OneIn(3),
        zero_window: OneIn(50),
        zero_window_max: Duration::from_millis(50),
        accept_failure: OneIn(4),
        late_wake: OneIn(3),
        shuffle: true,
        ..Dials::default()
    }
}

#[test]
fn a_slow_network_loses_nothing() {
    for seed in 0..20 {
        let mut rig = rig(seed, harmless());
        let net = rig.ground.0.clone();
        let ends: Vec<_> =
            (0..5).map(|_| rig.ground.connect(rig.addr()).expect("somebody listens")).collect();
        let mut now = Moment::START;
        let mut run = |rig: &mut Rig<Sim>, is_done: &mut dyn FnMut(&mut Rig<Sim>) -> bool| {
            for _ in 0..100_000 {
                now = now + Duration::from_millis(10);
                net.set_now(now);
                rig.reap(None);
                if is_done(rig) {
                    return;
                }
            }
            panic!("in vain, seed {seed}");
        };
        run(&mut rig, &mut |rig| ends.iter().all(|end| rig.key_of(end.addr()).is_some()));
        for (index, mut end) in ends.into_iter().enumerate() {
            let key = rig.key_of(end.addr()).expect("it was accepted");
            let bytes = pattern(200_000, index);
            let mut written = 0;
            run(&mut rig, &mut |rig| {
                written += end.write(&bytes[written..]);
                rig.received(key).len() == bytes.len()
            });
            assert!(rig.received(key) == bytes);
            rig.send(key, &bytes);
            let mut got = Vec::new();
            run(&mut rig, &mut |_| {
                end.read(1 << 16, &mut got);
                got.len() == bytes.len()
            });
            assert!(got == bytes);
        }
    }
}

/// A run with all dials on, as text.
fn story(seed: u64) -> String {
    let dials = Dials { reset: OneIn(200), finish: OneIn(200), vanish: OneIn(300), ..harmless() };
    let mut rig = rig(seed, dials);
    let net = rig.ground.0.clone();
    let addr = rig.addr();
    let peers: Vec<SimPeer> = (0..20).map(|_| net.connect(addr).expect("a listener")).collect();
    let mut now = Moment::START;
    let mut read = Vec::new();
    let mut answered = 0;
    for step in 0..600 {
        now = now + Duration::from_millis(200);
        net.set_now(now);
        for peer in &peers {
            peer.write(&pattern(100, step));
            peer.read(150, &mut read);
        }
        rig.reap(None);
        // Answers what was received, and closes what ended.
        let mut ops = Vec::new();
        let mut busy: Vec<SocketKey> = Vec::new();
        for heard in &rig.heard[answered..] {
            match heard {
                Heard::Received(key, bytes) if !busy.contains(key) && rig.is_idle(*key) => {
                    busy.push(*key);
                    ops.push(send(*key, bytes));
                }
                Heard::Lost(key) | Heard::Finished(key) => {
                    ops.push(Op::Close { socket: *key, reset: false });
                }
                _ => {}
            }
        }
        answered = rig.heard.len();
        rig.submit_all(ops);
    }
    format!("{:?} {read:?}", rig.heard)
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..5 {
        let told = story(seed);
        assert!(told == story(seed), "seed {seed}");
        assert!(told.contains("Lost") && told.contains("Finished"), "the dials do something");
    }
    assert!(story(1) != story(2));
}

fn one_pair(rig: &mut Rig<Sim>) -> (SimPeer, SocketKey) {
    let peer = rig.ground.0.connect(rig.addr()).expect("somebody listens");
    rig.reap(None);
    let key = rig.key_of(peer.addr()).expect("it was accepted");
    (peer, key)
}

fn at(seconds: u64) -> Moment {
    Moment::START + Duration::from_secs(seconds)
}

#[test]
fn a_vanished_client_is_lost_after_the_user_timeout() {
    let mut rig = rig(1, Dials::default());
    let (peer, key) = one_pair(&mut rig);
    peer.vanish();
    rig.send(key, b"anybody there?");
    rig.reap(None);
    assert_eq!(rig.sent(key), [Ok(())], "the window takes it");
    rig.ground.0.set_now(at(29));
    rig.reap(None);
    assert!(!rig.is_lost(key));
    rig.ground.0.set_now(at(31));
    rig.reap(None);
    assert!(rig.is_lost(key));
    let mut bytes = Vec::new();
    assert_eq!(peer.read(10, &mut bytes), Read::Nothing);
}

#[test]
fn a_shut_window_holds_a_send_up() {
    let mut rig = rig(1, Dials::default());
    let (peer, key) = one_pair(&mut rig);
    peer.shut_window(at(10));
    rig.send(key, b"slowly");
    rig.ground.0.set_now(at(9));
    rig.reap(None);
    assert_eq!((rig.sent(key).len(), peer.unread()), (0, 0));
    rig.ground.0.set_now(at(10));
    rig.reap(None);
    assert_eq!((rig.sent(key), peer.unread()), (vec![Ok(())], 6));
}

#[test]
fn accepting_goes_on_after_a_pause() {
    let mut rig = rig(1, Dials { accept_failure: OneIn(1), ..Dials::default() });
    let peer = rig.ground.0.connect(rig.addr()).expect("somebody listens");
    rig.reap(None);
    assert!(matches!(rig.heard[..], [Heard::AcceptFailed]));
    rig.ground.0.set_dials(Dials::default());
    rig.reap(None);
    assert_eq!(rig.key_of(peer.addr()), None, "the pause lasts");
    rig.ground.0.set_now(at(1));
    rig.reap(None);
    assert!(rig.key_of(peer.addr()).is_some());
}

#[test]
fn nothing_of_a_connection_remains() {
    let net = SimNet::new(1, Dials::default());
    let addr: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let mut driver = net.driver(&[addr]);
    let peer = net.connect(driver.local_addrs()[0]).expect("somebody listens");
    let mut key = None;
    let mut reap = |driver: &mut dyn Driver| {
        driver
            .reap(None, &mut |completion| {
                if let Completion::Accepted { socket, .. } = completion {
                    key = Some(socket);
                }
            })
            .expect("the simulator never fails");
        key
    };
    let key = reap(&mut driver).expect("it was accepted");
    let mut ops = vec![Op::Close { socket: key, reset: false }];
    driver.submit(&mut ops).expect("the simulator never fails");
    assert_eq!(net.wires(), 1);
    peer.close();
    assert_eq!(net.wires(), 0);
}
