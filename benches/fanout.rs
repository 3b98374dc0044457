//! Broadcasts through a whole engine: encode once, queue for everybody, flush, and the answers of
//! the driver. Figures are per recipient.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

mod common;

use std::hint::black_box;

use common::stage::{To, classic_rig, rig, say, text_of};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn fan_out(criterion: &mut Criterion) {
    for connections in [100, 1_000, 10_000] {
        let mut rig = rig(connections);
        for (name, bytes, broadcasts) in [
            ("100 B to all", 100, &[To::All][..]),
            ("1 KiB to all", 1024, &[To::All]),
            ("100 B to a group of every third", 100, &[To::Third]),
            ("three of 100 B to all, in one turn", 100, &[To::All; 3]),
            ("100 B to all and 100 B to the group, in one turn", 100, &[To::All, To::Third]),
        ] {
            let text = text_of(bytes);
            let mut broadcast = || {
                for to in broadcasts {
                    say(&mut rig, *to, black_box(&text));
                }
                rig.settle()
            };
            let recipients = broadcast();
            let expected = match broadcasts {
                [To::Third] => connections.div_ceil(3),
                _ => connections,
            };
            assert_eq!(recipients, expected as usize, "one send to each");
            let mut group = criterion.benchmark_group("fanout");
            group.throughput(Throughput::Elements(recipients as u64));
            group.bench_function(BenchmarkId::new(name, connections), |bencher| {
                bencher.iter(&mut broadcast);
            });
            group.finish();
        }
    }
}

/// The same message to classic clients and to others, in one run.
fn generations(criterion: &mut Criterion) {
    let text = text_of(100);
    let mut group = criterion.benchmark_group("fanout of 100 B to 10 000");
    group.throughput(Throughput::Elements(10_000));
    for (name, mut rig) in [("core", rig(10_000)), ("classic", classic_rig(10_000))] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                say(&mut rig, To::All, black_box(&text));
                rig.settle()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fan_out, generations);
criterion_main!(benches);
