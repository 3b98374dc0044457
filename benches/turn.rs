//! Whole turns of an engine: bytes of clients in, one batch a socket out, and the answers of the
//! driver. Figures are per call.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

mod common;

use std::hint::black_box;

use common::stage::{Lobby, echo, rig};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tickhub::sim::Rig;

fn echoes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn/echo");
    for (name, sockets, calls) in [
        ("one call", 1, 1),
        ("eight calls in one read", 1, 8),
        ("100 sockets, one call each", 100, 1),
        ("100 sockets, eight calls each", 100, 8),
        ("10 000 sockets, one call each", 10_000, 1),
    ] {
        let mut rig = rig(sockets);
        let bytes = echo(calls);
        let mut turn = || {
            for socket in 0..sockets {
                rig.feed(socket, black_box(&bytes));
            }
            rig.settle()
        };
        assert_eq!(turn(), sockets as usize, "one batch for each socket");
        group.throughput(Throughput::Elements(u64::from(sockets) * calls as u64));
        group.bench_function(name, |bencher| bencher.iter(&mut turn));
    }
    group.finish();
}

fn idle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn/idle");
    for connections in [0, 10_000] {
        let mut rig = rig(connections);
        group.bench_function(format!("{connections} connections"), |bencher| {
            bencher.iter(|| rig.turn());
        });
    }
    group.finish();
}

/// From the accepted socket to the answered handshake, three turns each.
fn connecting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn/connect");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1 000 connections", |bencher| {
        bencher.iter_batched(
            || Rig::new(Lobby::default()),
            |mut rig| {
                rig.connect(1000);
                rig
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, echoes, idle, connecting);
criterion_main!(benches);
