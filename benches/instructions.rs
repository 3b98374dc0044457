//! Instructions of the hot paths, counted by callgrind: exact enough for a verdict on a busy
//! machine. Needs valgrind and `gungraun-runner` (README.md beside this file).
//!
//! Each count is of one pass after a warm-up, so that buffers have their size. It says nothing
//! about caches and kernels; the criterion benches and the load generator do.

#![allow(missing_docs, reason = "gungraun's macros write undocumented items")]

mod common;

use std::hint::black_box;

use common::stage::{self, To, say, text_of};
use common::{UPGRADE, bind_call, call_record, decode, frames, read_dripped, read_whole};
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use tickhub::protocol::http::Limits as HttpLimits;
use tickhub::protocol::hub_protocol::HubProtocolKind;
use tickhub::protocol::websocket::{Decoder, Limits, OpCode, Role, write_header};
use tickhub::sim::Rig;

/// Fails the run beyond so many instructions: about a fifth more than when it was set.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

fn upgrade() -> Vec<u8> {
    let mut bytes = UPGRADE.as_bytes().to_vec();
    read_whole(&mut bytes, &HttpLimits::default());
    bytes
}

#[library_benchmark(setup = upgrade, config = at_most(12_000))]
#[bench::whole()]
fn http_head(mut bytes: Vec<u8>) -> Vec<u8> {
    read_whole(black_box(&mut bytes), &HttpLimits::default());
    bytes
}

fn upgrade_in_steps(step: usize) -> (Vec<u8>, usize) {
    (upgrade(), step)
}

#[library_benchmark(setup = upgrade_in_steps)]
#[bench::by_1(args = (1), config = at_most(29_800))]
#[bench::by_8(args = (8), config = at_most(47_000))]
fn http_head_dripped((mut bytes, step): (Vec<u8>, usize)) -> Vec<u8> {
    read_dripped(black_box(&mut bytes), step, &HttpLimits::default());
    bytes
}

fn masked_call() -> (Decoder, Vec<u8>) {
    let bytes = frames(OpCode::Text, &call_record(), 1);
    let mut decoder = Decoder::new(Role::Server);
    assert!(decode(&mut decoder, &mut bytes.clone(), &Limits::default()) > 0);
    (decoder, bytes)
}

#[library_benchmark(setup = masked_call, config = at_most(900))]
#[bench::of_93_bytes()]
fn websocket_text((mut decoder, mut bytes): (Decoder, Vec<u8>)) -> (Decoder, Vec<u8>) {
    black_box(decode(&mut decoder, black_box(&mut bytes), &Limits::default()));
    (decoder, bytes)
}

fn record() -> Vec<u8> {
    let mut record = common::CALL.as_bytes().to_vec();
    assert!(bind_call(&mut record.clone()) > 0);
    record.shrink_to_fit();
    record
}

#[library_benchmark(setup = record, config = at_most(2_900))]
#[bench::of_two_texts()]
fn json_call(mut record: Vec<u8>) -> Vec<u8> {
    black_box(bind_call(black_box(&mut record)));
    record
}

fn scratch() -> Vec<u8> {
    Vec::with_capacity(1024)
}

#[library_benchmark(setup = scratch, config = at_most(300))]
#[bench::of_a_number()]
fn json_completion(mut out: Vec<u8>) -> Vec<u8> {
    HubProtocolKind::Json
        .write_result(&mut out, black_box("42"), &black_box(7_u64))
        .expect("numbers are written");
    out
}

#[library_benchmark(setup = scratch, config = at_most(720))]
#[bench::of_two_texts()]
fn json_invocation(mut out: Vec<u8>) -> Vec<u8> {
    let arguments = (black_box("ann"), black_box("a text of usual length"));
    HubProtocolKind::Json
        .write_invocation(&mut out, None, "message", &arguments)
        .expect("texts are written");
    out
}

#[library_benchmark(setup = scratch, config = at_most(90))]
#[bench::header()]
fn websocket_header(mut out: Vec<u8>) -> Vec<u8> {
    write_header(&mut out, OpCode::Text, true, black_box(93));
    out
}

/// Boxed, because an engine is large and its moves are not what is counted.
fn crowd(connections: u32) -> (Box<Rig>, String) {
    (Box::new(stage::rig(connections)), text_of(100))
}

#[library_benchmark(setup = crowd, config = at_most(600_000))]
#[bench::to_1000(1000)]
fn broadcast((mut rig, text): (Box<Rig>, String)) -> (Box<Rig>, String) {
    say(&mut rig, To::All, black_box(&text));
    black_box(rig.settle());
    (rig, text)
}

fn classic_crowd(connections: u32) -> (Box<Rig>, String) {
    (Box::new(stage::classic_rig(connections)), text_of(100))
}

#[library_benchmark(setup = classic_crowd)]
#[bench::to_1000(1000)]
fn classic_broadcast((mut rig, text): (Box<Rig>, String)) -> (Box<Rig>, String) {
    say(&mut rig, To::All, black_box(&text));
    black_box(rig.settle());
    (rig, text)
}

#[library_benchmark(setup = crowd, config = at_most(1_000_000))]
#[bench::to_1000(1000)]
fn three_broadcasts((mut rig, text): (Box<Rig>, String)) -> (Box<Rig>, String) {
    for _ in 0..3 {
        say(&mut rig, To::All, black_box(&text));
    }
    black_box(rig.settle());
    (rig, text)
}

fn caller(calls: usize) -> (Box<Rig>, Vec<u8>) {
    (Box::new(stage::rig(1)), stage::echo(calls))
}

#[library_benchmark(setup = caller)]
#[bench::of_one_call(args = (1), config = at_most(8_000))]
#[bench::of_eight_calls(args = (8), config = at_most(50_000))]
fn echo_turn((mut rig, bytes): (Box<Rig>, Vec<u8>)) -> (Box<Rig>, Vec<u8>) {
    rig.feed(0, black_box(&bytes));
    black_box(rig.settle());
    (rig, bytes)
}

#[library_benchmark(setup = caller, config = at_most(620))]
#[bench::with_nothing_to_do(1)]
fn idle_turn((mut rig, bytes): (Box<Rig>, Vec<u8>)) -> (Box<Rig>, Vec<u8>) {
    black_box(rig.turn());
    (rig, bytes)
}

library_benchmark_group!(
    name = codecs,
    benchmarks = [
        http_head,
        http_head_dripped,
        websocket_text,
        websocket_header,
        json_call,
        json_completion,
        json_invocation
    ]
);
library_benchmark_group!(
    name = turns,
    benchmarks = [idle_turn, echo_turn, broadcast, classic_broadcast, three_broadcasts]
);
main!(library_benchmark_groups = [codecs, turns]);
