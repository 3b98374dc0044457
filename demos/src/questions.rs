//! Methods of the lab that ask clients, and a request that does.

use std::time::Duration;

use tickhub::http::Response;
use tickhub::{Call, Clients, Exchange, HubError, Methods, Value};

use crate::lab::Lab;

pub(crate) fn offer(m: &mut Methods<Lab>) {
    m.on_async("AskCaller", ask_caller)
        .on_async("AskNumber", ask_number)
        .on_async("AskMany", ask_many)
        .on_async("AskWithin", ask_within);
}

/// Asks the caller for anything.
async fn ask_caller(call: Call<Lab>, method: String, argument: Value) -> Result<Value, HubError> {
    call.ask_caller(&method, (argument,)).await
}

/// Asks one connection for a number.
async fn ask_number(call: Call<Lab>, id: String, method: String) -> Result<i32, HubError> {
    call.ask(id, &method, ()).await
}

/// Asks several connections at once, each for a number; the answers are in the order of the ids.
async fn ask_many(call: Call<Lab>, ids: Vec<String>, method: String) -> Result<Vec<i32>, HubError> {
    let ask = |(index, id)| call.ask(id, &method, (index,));
    let answers: Vec<_> = ids.into_iter().enumerate().map(ask).collect();
    let mut numbers = Vec::new();
    for answer in answers {
        numbers.push(answer.await?);
    }
    Ok(numbers)
}

/// Asks the caller and does not wait long.
async fn ask_within(call: Call<Lab>, method: String, ms: u64) -> Result<String, HubError> {
    let time = call.sleep(Duration::from_millis(ms));
    call.ask_caller(&method, ()).until(time).await
}

/// `/lab/ask?id=ID&method=NAME`: asks a connection for a number.
pub(crate) async fn answer(exchange: Exchange) -> Response<'static> {
    let of = |name| exchange.request().query(name).unwrap_or_default().into_owned();
    let (id, method) = (of("id"), of("method"));
    let ask = move |_: &mut Lab, clients: &mut Clients<'_>| clients.ask::<i32>(id, &method, ());
    let said = match exchange.hub(ask).await.await {
        Ok(number) => number.to_string(),
        Err(error) => error.message().to_owned(),
    };
    Response::new(200).content_type("text/plain").body(said.into_bytes())
}
