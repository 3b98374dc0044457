//! What liars do with the tokens of classic SignalR.

use super::classic::{CLASSIC, HUB};
use crate::base::Rng;
use crate::protocol::http::write_request;
use crate::protocol::url::percent_encode;

/// How many lies there are.
pub(super) const LIES: u64 = 8;

/// The request that brings a token.
pub(super) fn negotiation() -> Vec<u8> {
    let mut out = Vec::new();
    let target = format!("{CLASSIC}/negotiate?clientProtocol=2.1&{HUBS}");
    write_request(&mut out, "GET", &target, "sim", &[], b"");
    out
}

/// What is written to each socket with a token, and whether it is never read. `other` is the token
/// of somebody who was here before.
pub(super) fn scripts(lie: u64, token: &str, other: &str, rng: &mut Rng) -> Vec<(Vec<u8>, bool)> {
    let request = |method: &str, word: &str, over: &str, more: &str, body: &str| {
        let token = percent_encode(token);
        let target = format!(
            "{CLASSIC}/{word}?transport={over}&clientProtocol=2.1&connectionToken={token}&{HUBS}{more}"
        );
        let mut out = Vec::new();
        write_request(&mut out, method, &target, "sim", &[], body.as_bytes());
        out
    };
    let receive = |word: &str, over: &str| request("GET", word, over, "&frameId=1", "");
    let events = |word: &str| receive(word, "serverSentEvents");
    let poll = |word: &str| receive(word, "longPolling");
    let start = || receive("start", "longPolling");
    let abort = || request("POST", "abort", "longPolling", "", "");
    let call = |method: &str, arguments: &str| {
        let call = format!(r#"{{"H":"{HUB}","M":"{method}","A":[{arguments}],"I":1}}"#);
        let body = format!("data={}", percent_encode(&call));
        request("POST", "send", "serverSentEvents", "", &body)
    };
    let join = || call("Join", "\"room1\"");
    let large = || call("Large", "100000");
    let heard = |script: Vec<u8>| (script, false);
    match lie {
        // Polls, or a stream, with closed ears.
        0 => vec![
            ([poll("connect"), poll("poll").repeat(20)].concat(), true),
            heard([start(), join(), large().repeat(4)].concat()),
        ],
        1 => vec![
            (receive("connect", "foreverFrame"), true),
            heard([start(), join(), call("Burst", "\"room1\",200").repeat(3)].concat()),
        ],
        // Many transports at a time: the newest wins.
        2 => vec![
            heard(events("connect")),
            heard(poll("connect")),
            heard([events("reconnect"), poll("poll"), events("reconnect")].concat()),
            heard([start(), join()].concat()),
        ],
        // The tokens of others, and what is none.
        3 => {
            let mut foreign = Vec::new();
            for proof in [other, "garbage", "%00", &"x".repeat(3000)] {
                let more = format!("&groupsToken={}", percent_encode(proof));
                foreign.extend(request("GET", "poll", "longPolling", &more, ""));
                let target = format!(
                    "{CLASSIC}/poll?transport=longPolling&connectionToken={}&{HUBS}",
                    percent_encode(proof)
                );
                write_request(&mut foreign, "POST", &target, "sim", &[], b"messageId=d-0-0");
            }
            vec![heard(foreign), heard([join(), poll("poll")].concat())]
        }
        // Cursors from nowhere.
        4 => {
            let cursors = ["d-00000000-0", "d-FFFFFFFF-FFFFFFFFFFFFFFFF", "s-0,1A", "d-", "\u{e9}"];
            let asked = cursors.map(|cursor| {
                let more = format!("&messageId={}", percent_encode(cursor));
                request("GET", "reconnect", "longPolling", &more, "")
            });
            vec![heard(asked.concat()), heard([join(), abort()].concat())]
        }
        // Half a request, behind whole ones.
        5 => {
            let mut cut = call("Slow", "1,5000");
            cut.truncate(cut.len() - 1 - rng.below(60) as usize);
            vec![heard(events("connect")), heard([start(), call("Slow", "1,3000"), cut].concat())]
        }
        // Aborted again and again, by pipelines.
        6 => vec![
            heard([poll("connect"), abort(), poll("reconnect"), abort(), join()].concat()),
            heard([abort(), events("reconnect"), b"more".to_vec()].concat()),
        ],
        // Calls of nobody who listens, and what are no calls.
        _ => {
            let wrong = request("POST", "send", "longPolling", "", "data=%7B%22H%22");
            vec![heard(
                [call("Slow", "1,4000").repeat(20), wrong, join(), call("AbortMe", "")].concat(),
            )]
        }
    }
}

const HUBS: &str = "connectionData=%5B%7B%22name%22:%22simhub%22%7D%5D";
