//! The replay can fail: recordings in which one thing was changed do not pass.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::program::Program;
use super::replay::play;
use super::session::Session;

/// A change, the scenario that it is made to, the step where it must be noticed, and a word of the
/// complaint.
struct Tampering {
    name: &'static str,
    scenario: &'static str,
    change: fn(&mut Vec<Value>),
    noticed: (usize, &'static str),
}

/// Steps are counted from 1, as in complaints.
const ALL: &[Tampering] = &[
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

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |tampering: &'static Tampering| {
        Trial::test(format!("tampering::{}", tampering.name), move || check(tampering))
    };
    ALL.iter().map(trial).collect()
}

fn check(tampering: &Tampering) -> Result<(), Failed> {
    let mut scenario = super::scenarios()
        .into_iter()
        .find(|scenario| scenario["name"] == tampering.scenario)
        .ok_or("the scenario is there")?;
    let steps = scenario["steps"].as_array_mut().ok_or("it has steps")?;
    let (step, complaint) = tampering.noticed;
    (tampering.change)(steps);
    steps.truncate(step);
    let server = Program::start("epoll")?;
    let failures = play(&scenario, Session::new("epoll", server.address));
    let at = format!("step {step} ");
    let noticed = failures.iter().any(|found| found.starts_with(&at) && found.contains(complaint));
    if noticed { Ok(()) } else { Err(format!("not noticed: {failures:#?}").into()) }
}
