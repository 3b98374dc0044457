//! The replay can fail: recordings in which one thing was changed do not pass.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::program::Program;
use super::session::{Protocol, Session, play};
use super::steps::text;
use super::{classic_events, core_events};

/// A change, the scenario that it is made to, the step where it must be noticed, and a word of the
/// complaint.
struct Tampering {
    name: &'static str,
    scenario: &'static str,
    change: fn(&mut Vec<Value>),
    noticed: (usize, &'static str),
}

/// Steps are counted from 1, as in complaints.
const CORE: &[Tampering] = &[
    Tampering {
        name: "status",
        scenario: "msgpack-framing",
        change: |steps| steps[0]["response"]["status"] = json!(201),
        noticed: (1, "status: expected Some(201), got Some(200)"),
    },
    Tampering {
        name: "header",
        scenario: "sse-framing",
        change: |steps| steps[1]["response"]["headers"]["Cache-Control"] = json!("no-store"),
        noticed: (2, "header cache-control: expected"),
    },
    Tampering {
        name: "surplus_header",
        scenario: "sse-framing",
        change: |steps| {
            let headers = steps[1]["response"]["headers"].as_object_mut();
            headers.expect("there are some").remove("Cache-Control");
        },
        noticed: (2, "header cache-control: expected none"),
    },
    Tampering {
        name: "member",
        scenario: "ids-and-tokens",
        change: |steps| {
            let body = steps[0]["response"]["body"].as_str().expect("a body");
            steps[0]["response"]["body"] = json!(body.replacen('{', "{\"more\":1,", 1));
        },
        noticed: (1, "body: member more is missing"),
    },
    Tampering {
        name: "byte",
        scenario: "msgpack-types",
        change: |steps| steps[5]["frames"][0]["hex"] = json!("07 95 03 80 a1 30 03 c0"),
        noticed: (6, "record 0: expected 07 95 03 80 a1 30 03 c0"),
    },
    Tampering {
        name: "kind_of_message",
        scenario: "msgpack-types",
        change: |steps| steps[5]["frames"][0]["opcode"] = json!("text"),
        noticed: (6, "as text, got"),
    },
    Tampering {
        name: "surplus_record",
        scenario: "msgpack-types",
        change: |steps| steps[5]["frames"] = json!([]),
        noticed: (6, "surplus"),
    },
    Tampering {
        name: "missing_record",
        scenario: "msgpack-types",
        change: |steps| {
            let frame = steps[5]["frames"][0].clone();
            steps[5]["frames"].as_array_mut().expect("an array").push(frame);
        },
        noticed: (6, "missing"),
    },
    Tampering {
        name: "missing_end",
        scenario: "msgpack-types",
        change: |steps| steps[5]["ended"] = json!("close 1000"),
        noticed: (6, "expected it close 1000, got open"),
    },
    Tampering {
        name: "surplus_end",
        scenario: "handshake-timeout",
        change: |steps| {
            let read = steps.iter_mut().find(|step| step["ended"].is_string());
            read.expect("something ends")["ended"] = Value::Null;
        },
        noticed: (9, "expected it open, got close 1000"),
    },
    Tampering {
        name: "answer_too_early",
        scenario: "long-poll-cycle",
        change: |steps| {
            let place = steps.iter().position(|step| step["do"] == "finish").expect("it is there");
            let pending = json!({"do": "pending", "stream": steps[place]["stream"], "ms": 1500});
            steps[place] = pending;
        },
        noticed: (8, "expected no answer yet, but it has come"),
    },
];

const CLASSIC: &[Tampering] = &[
    Tampering {
        name: "status",
        scenario: "protocol-errors",
        change: |steps| steps[0]["response"]["status"] = json!(201),
        noticed: (1, "status: expected Some(201), got Some(200)"),
    },
    Tampering {
        name: "header",
        scenario: "abort",
        change: |steps| {
            steps[0]["response"]["headers"]["X-Content-Type-Options"] = json!("sniff");
        },
        noticed: (1, "header x-content-type-options: expected"),
    },
    Tampering {
        name: "key_of_a_body",
        scenario: "abort",
        change: |steps| replace(&mut steps[0]["response"]["body"], "{", "{\"More\":1,"),
        noticed: (1, "body: member More is missing"),
    },
    Tampering {
        name: "number",
        scenario: "abort",
        change: |steps| replace(&mut steps[0]["response"]["body"], "110.0", "110.001"),
        noticed: (1, "body.ConnectionTimeout: expected"),
    },
    Tampering {
        name: "key_of_an_envelope",
        scenario: "groups",
        change: |steps| replace(&mut steps[2]["frames"][1]["raw"], "\"S\":1,", ""),
        noticed: (3, "surplus [\"S\", 1]"),
    },
    Tampering {
        name: "surplus_message",
        scenario: "groups",
        change: |steps| steps[4]["frames"] = json!([]),
        noticed: (5, "surplus [\"message\""),
    },
    Tampering {
        name: "missing_message",
        scenario: "groups",
        change: |steps| {
            let frame = steps[4]["frames"][0].clone();
            steps[4]["frames"].as_array_mut().expect("an array").push(frame);
        },
        noticed: (5, "missing [\"message\""),
    },
    Tampering {
        name: "order_of_messages",
        scenario: "burst-order",
        change: |steps| {
            let frames = &mut steps[6]["frames"];
            replace(&mut frames[0]["raw"], "\"0\"", "\"1\"");
        },
        noticed: (7, "record 0"),
    },
    Tampering {
        name: "bare_result",
        scenario: "progress-websockets",
        change: |steps| {
            let frames = steps[6]["frames"].as_array_mut().expect("an array");
            frames.retain(|frame| !text(frame, "text").starts_with("{\"R\""));
        },
        noticed: (7, "results: surplus"),
    },
    Tampering {
        name: "missing_end",
        scenario: "groups",
        change: |steps| steps[4]["ended"] = json!("clean"),
        noticed: (5, "expected it clean, got open"),
    },
    Tampering {
        name: "surplus_end",
        scenario: "abort",
        change: |steps| {
            let read = steps.iter_mut().find(|step| step["ended"].is_string());
            read.expect("something ends")["ended"] = Value::Null;
        },
        noticed: (7, "expected it open, got clean"),
    },
    Tampering {
        name: "signs_of_life",
        scenario: "keep-alive-off",
        change: |steps| steps[5]["compare"]["keepalive"] = json!({"min": 1}),
        noticed: (6, "signs of life, got 0"),
    },
    Tampering {
        name: "delay",
        scenario: "lifecycle-long-polling",
        change: |steps| replace(&mut steps[4]["frames"][0]["raw"], "\"L\":100", "\"L\":101"),
        noticed: (5, "delays, record 0"),
    },
    Tampering {
        name: "frame",
        scenario: "forever-frame-document",
        change: |steps| steps[3]["calls"][0][1] = json!("13"),
        noticed: (4, "calls[0][1]: expected"),
    },
    Tampering {
        name: "script",
        scenario: "hub-script",
        change: |steps| steps[0]["response"]["facts"]["methods"][1] = json!("First"),
        noticed: (1, "facts.methods[1]: expected"),
    },
];

/// Changes what a text says.
fn replace(value: &mut Value, from: &str, to: &str) {
    let before = value.as_str().expect("a text");
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after, "something is changed");
    *value = json!(after);
}

pub(crate) fn trials() -> Vec<Trial> {
    let core = CORE.iter().map(trial::<core_events::Reader>);
    core.chain(CLASSIC.iter().map(trial::<classic_events::Reader>)).collect()
}

fn trial<P: Protocol>(tampering: &'static Tampering) -> Trial {
    let name = format!("tampering::{}::{}", P::HOST, tampering.name);
    Trial::test(name, move || check::<P>(tampering))
}

fn check<P: Protocol>(tampering: &Tampering) -> Result<(), Failed> {
    let mut scenario = super::scenarios(P::HOST)
        .into_iter()
        .find(|scenario| scenario["name"] == tampering.scenario)
        .ok_or("the scenario is there")?;
    let steps = scenario["steps"].as_array_mut().ok_or("it has steps")?;
    let (step, complaint) = tampering.noticed;
    (tampering.change)(steps);
    steps.truncate(step);
    let server = Program::start(P::HOST, "epoll")?;
    let failures = play(&scenario, Session::<P>::new("epoll", server.address));
    let at = format!("step {step} ");
    let noticed = failures.iter().any(|found| found.starts_with(&at) && found.contains(complaint));
    if noticed { Ok(()) } else { Err(format!("not noticed: {failures:#?}").into()) }
}
