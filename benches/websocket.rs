//! Decoding and encoding WebSocket frames, and unmasking by itself.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

mod common;

use std::hint::black_box;

use common::{call_record, decode, frames};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tickhub::protocol::websocket::{
    Decoder, Limits, OpCode, Role, unmask, write_frame, write_header,
};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn decoding(c: &mut Criterion) {
    let call = call_record();
    let limits = Limits { message_bytes_max: Some(1 << 20), ..Limits::default() };
    let mut group = c.benchmark_group("websocket/decode");
    let long = "x".repeat(16 * 1024).into_bytes();
    let accents = "é".repeat(8 * 1024).into_bytes();
    for (name, bytes) in [
        ("one call", frames(OpCode::Text, &call, 1)),
        ("eight calls", frames(OpCode::Text, &call, 8)),
        ("one call, binary", frames(OpCode::Binary, &call, 1)),
        ("16 KiB of ASCII", frames(OpCode::Text, &long, 1)),
        ("16 KiB of accents", frames(OpCode::Text, &accents, 1)),
        ("16 KiB, binary", frames(OpCode::Binary, &long, 1)),
    ] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            let mut decoder = Decoder::new(Role::Server);
            b.iter_batched_ref(
                || bytes.clone(),
                |bytes| decode(&mut decoder, bytes, &limits),
                BatchSize::SmallInput,
            );
        });
    }
    let bytes = frames(OpCode::Text, &call, 8);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("eight calls, byte by byte", |b| {
        let mut decoder = Decoder::new(Role::Server);
        b.iter_batched_ref(
            || bytes.clone(),
            |bytes| {
                bytes.chunks_mut(1).map(|byte| decode(&mut decoder, byte, &limits)).sum::<usize>()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn unmasking(c: &mut Criterion) {
    let mut group = c.benchmark_group("websocket/unmask");
    for size in [16, 80, 1024, 16 * 1024] {
        let mut bytes = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{size} bytes"), |b| {
            b.iter(|| unmask(black_box(&mut bytes), black_box(MASK)));
        });
    }
    group.finish();
}

fn encoding(c: &mut Criterion) {
    let call = call_record();
    let mut group = c.benchmark_group("websocket/encode");
    let mut out = Vec::with_capacity(32 * 1024);
    group.bench_function("header", |b| {
        b.iter(|| {
            out.clear();
            write_header(&mut out, OpCode::Text, true, black_box(call.len()));
            black_box(out.len())
        });
    });
    let long = vec![b'x'; 16 * 1024];
    for (name, payload) in [("one call", &call[..]), ("16 KiB", &long[..])] {
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                write_frame(&mut out, OpCode::Text, black_box(payload));
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decoding, unmasking, encoding);
criterion_main!(benches);
