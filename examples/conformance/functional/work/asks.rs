//! Questions to clients.

use std::time::Duration;

use tickhub::{Call, HubError, Methods};

use super::values::Pair;
use super::{Kind, Work};

type Result<T> = std::result::Result<T, HubError>;

pub(super) fn offer<K: Kind>(m: &mut Methods<Work<K>>) {
    m.on_async("AskCaller", ask_caller)
        .on_async("AskNumber", ask_number)
        .on_async("AskPair", ask_pair)
        .on_async("AskMany", ask_many)
        .on_async("AskWithin", ask_within);
}

async fn ask_caller<K: Kind>(
    call: Call<Work<K>>,
    method: String,
    argument: Option<String>,
) -> Result<Option<String>> {
    call.ask_caller(&method, (argument,)).await
}

async fn ask_number<K: Kind>(call: Call<Work<K>>, id: String, method: String) -> Result<i32> {
    call.ask(id, &method, ()).await
}

async fn ask_pair<K: Kind>(call: Call<Work<K>>, method: String, pair: Pair) -> Result<Pair> {
    call.ask_caller(&method, (pair,)).await
}

async fn ask_many<K: Kind>(
    call: Call<Work<K>>,
    ids: Vec<String>,
    method: String,
) -> Result<Vec<i32>> {
    let ask = |(place, id)| call.ask::<i32>(id, &method, (place,));
    // All are asked before the first answer is waited for.
    let answers: Vec<_> = ids.into_iter().enumerate().map(ask).collect();
    let mut numbers = Vec::new();
    for answer in answers {
        numbers.push(answer.await?);
    }
    Ok(numbers)
}

async fn ask_within<K: Kind>(call: Call<Work<K>>, method: String, ms: u64) -> Result<String> {
    let answer = call.ask_caller::<Option<String>>(&method, ());
    match call.within(Duration::from_millis(ms), answer).await {
        Ok(answer) => Ok(answer?.unwrap_or_default()),
        Err(_) => Ok("no answer in time".to_owned()),
    }
}
