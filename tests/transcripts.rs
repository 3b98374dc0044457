//! Plays the recorded conversations with the original servers (`transcripts/core`,
//! `transcripts/classic`) against the conformance program, on each driver, over real sockets.
//!
//! Each scenario on each driver is a test. Those that may run beside others share a server;
//! those that must be alone get one for themselves.

#[path = "transcripts/answers.rs"]
mod answers;
#[path = "transcripts/classic_events.rs"]
mod classic_events;
#[path = "transcripts/classic_replay.rs"]
mod classic_replay;
#[path = "transcripts/core_events.rs"]
mod core_events;
#[path = "transcripts/core_replay.rs"]
mod core_replay;
#[path = "transcripts/http.rs"]
mod http;
#[path = "transcripts/json.rs"]
mod json;
#[path = "transcripts/msgpack.rs"]
mod msgpack;
#[path = "transcripts/polls.rs"]
mod polls;
#[path = "transcripts/program.rs"]
mod program;
#[path = "transcripts/rows.rs"]
mod rows;
#[path = "transcripts/scripts.rs"]
mod scripts;
#[path = "transcripts/session.rs"]
mod session;
#[path = "transcripts/steps.rs"]
mod steps;
#[path = "transcripts/tampering.rs"]
mod tampering;
#[path = "transcripts/text.rs"]
mod text;
#[path = "transcripts/websocket.rs"]
mod websocket;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

use program::Program;
use session::{Protocol, Session};

/// Scenarios that do not pass yet, and why. One that passes must leave the list.
const NOT_YET: &[(&str, &str)] = &[];

const DRIVERS: [&str; 2] = ["epoll", "uring"];

/// Scenarios wait much and compute little, so many of them run at a time.
const SCENARIOS_AT_A_TIME: usize = 16;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SCENARIOS_AT_A_TIME);
    let mut trials = Vec::new();
    for driver in DRIVERS {
        trials.extend(trials_of::<core_events::Reader>(driver));
        trials.extend(trials_of::<classic_events::Reader>(driver));
    }
    trials.extend(tampering::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials_of<P: Protocol>(driver: &'static str) -> Vec<Trial> {
    let shared = Arc::<OnceLock<Result<Program, String>>>::default();
    let trial = |scenario: Value| {
        let name = format!("{driver}::{}::{}", P::HOST, steps::text(&scenario, "name"));
        let server = shared.clone();
        Trial::test(name, move || check::<P>(&scenario, driver, &server))
    };
    scenarios(P::HOST).into_iter().map(trial).collect()
}

/// All recordings of one server.
fn scenarios(host: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(host);
    let entries = std::fs::read_dir(&folder).expect("the recordings are there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    assert!(paths.len() > 50, "the recordings were found");
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a recording can be read");
        serde_json::from_str(&text).expect("a recording is JSON")
    };
    paths.iter().map(read).collect()
}

fn check<P: Protocol>(
    scenario: &Value,
    driver: &'static str,
    shared: &OnceLock<Result<Program, String>>,
) -> Result<(), Failed> {
    let name = steps::text(scenario, "name");
    let own;
    let server = if !P::SHARES_SERVER || scenario["alone"] == true {
        own = Program::start(P::HOST, driver);
        &own
    } else {
        shared.get_or_init(|| Program::start(P::HOST, driver))
    };
    let address = server.as_ref().map_err(|error| Failed::from(error.clone()))?.address;
    let mut failures = Vec::new();
    for _ in 0..scenario["attempts"].as_u64().unwrap_or(1) {
        failures = session::play(scenario, Session::<P>::new(driver, address));
        if failures.is_empty() {
            break;
        }
    }
    let not_yet = NOT_YET.iter().find(|(listed, _)| *listed == name);
    match (failures.is_empty(), not_yet) {
        (true, None) | (false, Some(_)) => Ok(()),
        (true, Some((_, reason))) => {
            Err(format!("{name} passes, so it must leave the list ({reason})").into())
        }
        (false, None) => Err(failures.join("\n").into()),
    }
}
