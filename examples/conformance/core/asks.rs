//! Questions to clients.

use std::time::Duration;

use tickhub::{Call, HubError, Methods};

use super::{Transcript, World, note};

type Answered = Result<String, HubError>;

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    m.on_async("Ask", ask)
        .on_async("AskInt", ask_int)
        .on_async("AskCaught", ask_caught)
        .on_async("AskIntCaught", ask_int_caught)
        .on_async("AskFor", ask_for)
        .on_async("AskNoted", ask_noted)
        .on_async("AskTwo", ask_two);
}

/// What a hub says of an answer.
fn got<T: ToString>(answer: Option<T>) -> String {
    format!("got {}", answer.map_or_else(|| "null".to_owned(), |answer| answer.to_string()))
}

/// The error as a text.
fn caught(answered: Answered) -> String {
    answered.unwrap_or_else(|error| error.to_string())
}

async fn ask<W: World>(call: Call<Transcript<W>>, s: Option<String>) -> Answered {
    Ok(got(call.ask_caller::<Option<String>>("ask", (s,)).await?))
}

async fn ask_int<W: World>(call: Call<Transcript<W>>) -> Answered {
    Ok(got(Some(call.ask_caller::<i32>("askInt", ()).await?)))
}

async fn ask_caught<W: World>(call: Call<Transcript<W>>, id: String, s: Option<String>) -> String {
    caught(call.ask::<Option<String>>(id, "ask", (s,)).await.map(got))
}

async fn ask_int_caught<W: World>(call: Call<Transcript<W>>) -> String {
    caught(ask_int(call).await)
}

async fn ask_noted<W: World>(call: Call<Transcript<W>>, id: String) -> String {
    let answered = caught(call.ask::<Option<String>>(id, "ask", ("noted",)).await.map(got));
    note(&call, answered.clone()).await;
    answered
}

async fn ask_for<W: World>(call: Call<Transcript<W>>, ms: u64) -> String {
    let answer = call.ask_caller::<Option<String>>("ask", ("quick",));
    let answered = call.within(Duration::from_millis(ms), answer).await;
    // As .NET words a question that was given up.
    let given_up = |_| Err(HubError::new("Invocation canceled by the server."));
    caught(answered.unwrap_or_else(given_up).map(got))
}

async fn ask_two<W: World>(call: Call<Transcript<W>>) -> Answered {
    let one = call.ask_caller::<String>("ask", ("one",));
    let two = call.ask_caller::<String>("ask", ("two",));
    Ok(format!("{}+{}", one.await?, two.await?))
}
