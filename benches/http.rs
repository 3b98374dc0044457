//! Reading request heads and writing responses.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tickhub::protocol::http::{Limits, ReplyTo, RequestReader, Response, Version};

/// What a browser sends to open a WebSocket.
const BROWSER: &str = "GET /hub?id=8zr0TFGvPzqSV1oMSmzTnQ HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/128.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://chat.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

const NEGOTIATE: &str = "POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    User-Agent: Microsoft SignalR/8.0 (8.0.7; Linux; NodeJS; 20.1.0)\r\n\
    X-Requested-With: XMLHttpRequest\r\n\
    Content-Type: text/plain;charset=UTF-8\r\n\
    Content-Length: 0\r\n\r\n";

const POST: &str = "POST /hub?id=8zr0TFGvPzqSV1oMSmzTnQ HTTP/1.1\r\nHost: chat.example.com\r\n\
    Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 12\r\n\r\n{\"type\":6}\x1e\n";

/// A long head, in which the cost of the bytes outweighs that of the calls.
fn long() -> String {
    let filler = format!("X-Filler: {}\r\n", "v".repeat(400)).repeat(20);
    format!("{}\r\n{filler}\r\n", BROWSER.trim_end())
}

fn read_whole(bytes: &mut [u8], limits: &Limits) {
    let mut reader = RequestReader::default();
    let mut input = bytes;
    let request = reader.read(&mut input, limits).expect("it is valid").expect("it is whole");
    black_box(request.keep_alive());
}

fn read_dripped(bytes: &mut [u8], step: usize, limits: &Limits) {
    let mut reader = RequestReader::default();
    let mut complete = false;
    for mut piece in bytes.chunks_mut(step) {
        complete = reader.read(&mut piece, limits).expect("it is valid").is_some();
    }
    assert!(black_box(complete));
}

fn reading(c: &mut Criterion) {
    let limits = Limits::default();
    let mut group = c.benchmark_group("http/read");
    let long = long();
    for (name, text) in
        [("browser upgrade", BROWSER), ("negotiate", NEGOTIATE), ("post", POST), ("long", &long)]
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
