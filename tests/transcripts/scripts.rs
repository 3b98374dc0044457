//! What a server sends for pages, run in a page that does not exist.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::json::Json;
use super::session::Stuck;

/// What the opening part of a forever-frame document calls in its parent window.
pub(crate) fn frame_calls(html: &str, parent: &str) -> Result<Json, Stuck> {
    evaluate(&json!({"html": html, "parent": parent}))
}

/// What the script of the hubs defines for one of them.
pub(crate) fn script_facts(script: &str, hub: &str) -> Result<Json, Stuck> {
    evaluate(&json!({"script": script, "hub": hub}))
}

fn evaluate(what: &Value) -> Result<Json, Stuck> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/evaluate.js");
    let run = || {
        let mut node = Command::new("node");
        node.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut node = node.spawn()?;
        let mut input = node.stdin.take().expect("it is piped");
        input.write_all(what.to_string().as_bytes())?;
        drop(input);
        node.wait_with_output()
    };
    let output = run().map_err(|error| format!("node: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Json::parse(&text).ok_or_else(|| format!("node said no JSON: {text:?}"))
}
