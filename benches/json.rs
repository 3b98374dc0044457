//! The JSON hub protocol: reading an envelope, binding arguments, writing messages.
//!
//! Two questions are asked of other parsers here. Is our own scan of the envelope worth having?
//! And from which size on is simd-json faster than `serde_json` for typed arguments?

mod common;

use std::hint::black_box;

use common::{CALL, Player, bind_call, call_with, players};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::value::RawValue;
use tickhub::protocol::hub_protocol::{HubMessage, HubProtocolKind};

/// The same call as others would read it.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading them is what is measured")]
struct Envelope<'a> {
    #[serde(rename = "type")]
    message_type: i32,
    #[serde(rename = "invocationId")]
    invocation_id: Option<&'a str>,
    target: Option<&'a str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let text = format!("\"{}\"", "a text that is somewhat longer ".repeat(530));
    let inputs = [
        ("92 B", CALL.to_owned()),
        ("1 KiB", call_with(&players(1024))),
        ("16 KiB", call_with(&players(16 * 1024))),
        ("16 KiB of text", call_with(&text)),
    ];
    for (name, input) in &inputs {
        group.throughput(Throughput::Bytes(input.len() as u64));
        let mut record = input.clone().into_bytes();
        group.bench_function(BenchmarkId::new("own scan", name), |bencher| {
            bencher.iter(|| match HubProtocolKind::Json.read(black_box(&mut record)) {
                Ok(HubMessage::Invocation(call)) => call.arguments.count(),
                _ => 0,
            });
        });
        group.bench_function(BenchmarkId::new("serde_json raw", name), |bencher| {
            bencher.iter(|| {
                let envelope: Envelope<'_> = serde_json::from_str(black_box(input)).expect("valid");
                envelope.arguments.map(|raw| raw.get().len())
            });
        });
        let mut buffers = simd_json::Buffers::new(input.len());
        let mut scratch = Vec::new();
        group.bench_function(BenchmarkId::new("simd-json tape", name), |bencher| {
            bencher.iter(|| {
                // It writes to its input.
                scratch.clear();
                scratch.extend_from_slice(black_box(input).as_bytes());
                let tape = simd_json::to_tape_with_buffers(&mut scratch, &mut buffers);
                tape.expect("valid").0.len()
            });
        });
    }
    let mut record = CALL.to_owned().into_bytes();
    group.throughput(Throughput::Bytes(CALL.len() as u64));
    group.bench_function("92 B with two borrowed texts", |bencher| {
        bencher.iter(|| bind_call(black_box(&mut record)));
    });
    group.finish();
}

/// Both parsers get a fresh copy: simd-json destroys what it reads.
fn bind<T: for<'de> Deserialize<'de>>(
    criterion: &mut Criterion,
    group: &str,
    inputs: impl Iterator<Item = String>,
) {
    let mut group = criterion.benchmark_group(group);
    for input in inputs {
        let size = input.len();
        group.throughput(Throughput::Bytes(size as u64));
        let mut scratch = Vec::new();
        group.bench_function(BenchmarkId::new("serde_json", size), |bencher| {
            bencher.iter(|| {
                scratch.clear();
                scratch.extend_from_slice(black_box(input.as_bytes()));
                serde_json::from_slice::<T>(&scratch).expect("valid")
            });
        });
        let mut scratch = Vec::new();
        group.bench_function(BenchmarkId::new("simd-json", size), |bencher| {
            bencher.iter(|| {
                scratch.clear();
                scratch.extend_from_slice(black_box(input.as_bytes()));
                simd_json::serde::from_slice::<T>(&mut scratch).expect("valid")
            });
        });
        let mut buffers = simd_json::Buffers::new(size);
        let mut scratch = Vec::new();
        group.bench_function(BenchmarkId::new("simd-json with buffers", size), |bencher| {
            bencher.iter(|| {
                scratch.clear();
                scratch.extend_from_slice(black_box(input.as_bytes()));
                simd_json::serde::from_slice_with_buffers::<T>(&mut scratch, &mut buffers)
                    .expect("valid")
            });
        });
    }
    group.finish();
}

fn arguments(criterion: &mut Criterion) {
    let sizes = [20, 256, 1024, 4096, 16 * 1024];
    bind::<Vec<Player>>(criterion, "bind players", sizes.into_iter().map(players));
    let texts = sizes.into_iter().map(|size| {
        let words = vec!["some words in a chat message"; size / 32 + 1];
        serde_json::to_string(&words).expect("texts are written")
    });
    bind::<Vec<String>>(criterion, "bind texts", texts);
    let values = sizes.into_iter().map(players);
    bind::<serde_json::Value>(criterion, "bind anything", values);
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    let mut out = Vec::with_capacity(64 * 1024);
    group.bench_function("invocation of two texts", |bencher| {
        bencher.iter(|| {
            out.clear();
            let arguments = (black_box("ann"), black_box("a text of usual length"));
            HubProtocolKind::Json
                .write_invocation(&mut out, None, "message", &arguments)
                .expect("texts are written");
            out.len()
        });
    });
    group.bench_function("completion with a number", |bencher| {
        bencher.iter(|| {
            out.clear();
            HubProtocolKind::Json
                .write_result(&mut out, black_box("42"), &black_box(7_u64))
                .expect("numbers are written");
            out.len()
        });
    });
    let players: Vec<Player> = serde_json::from_str(&players(16 * 1024)).expect("valid");
    group.bench_function("invocation of 16 KiB", |bencher| {
        bencher.iter(|| {
            out.clear();
            HubProtocolKind::Json
                .write_invocation(&mut out, None, "state", &(black_box(&players),))
                .expect("players are written");
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, read, arguments, write);
criterion_main!(benches);
