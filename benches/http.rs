//! Reading request heads and writing responses.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

mod common;

use std::hint::black_box;

use common::{NEGOTIATE, POST, UPGRADE, long_head, read_dripped, read_whole};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tickhub::protocol::http::{Limits, ReplyTo, RequestReader, Response, Version};

fn reading(c: &mut Criterion) {
    let limits = Limits::default();
    let mut group = c.benchmark_group("http/read");
    let long = long_head();
    for (name, text) in
        [("browser upgrade", UPGRADE), ("negotiate", NEGOTIATE), ("post", POST), ("long", &long)]
    {
        let mut bytes = text.as_bytes().to_vec();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| read_whole(black_box(&mut bytes), &limits)));
        for step in [1, 8] {
            group.bench_function(format!("{name}, {step} bytes a time"), |b| {
                b.iter(|| read_dripped(black_box(&mut bytes), step, &limits));
            });
        }
    }
    let mut bytes = POST.repeat(8).into_bytes();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("eight posts at once", |b| {
        b.iter(|| {
            let mut reader = RequestReader::default();
            let mut input = &mut bytes[..];
            while let Some(request) = reader.read(&mut input, &limits).expect("it is valid") {
                black_box(request.body());
            }
        });
    });
    group.finish();
}

fn writing(c: &mut Criterion) {
    let reply_to = ReplyTo { head_only: false, version: Version::Http11, keep_alive: true };
    c.bench_function("http/write/response of 300 bytes", |b| {
        b.iter_batched_ref(
            || Vec::with_capacity(1024),
            |out| {
                let response = Response::new(200)
                    .content_type("application/json")
                    .header("Cache-Control", "no-store")
                    .body(&[b'x'; 300][..]);
                response.write(out, reply_to);
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, reading, writing);
criterion_main!(benches);
