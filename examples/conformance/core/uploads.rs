//! Streams from the client.

use std::time::Duration;

use tickhub::{Call, HubError, Methods, StreamWriter, Upload};

use super::{Transcript, World, note};

type Words = Upload<Option<String>>;
type Joined = Result<String, HubError>;

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    m.on_async("Collect", collect)
        .on_async("Sum", sum)
        .on_async("CollectBetween", collect_between)
        .on_async("CollectTwo", collect_two)
        .on_async("CollectCaught", collect_caught)
        .on_async("TakeOne", take_one)
        .on_async("Ignore", ignore)
        .on_async("WaitThenCollect", wait_then_collect);
}

/// Reads to the end, or to an error.
async fn read(words: &mut Words, all: &mut Vec<String>) -> Result<(), HubError> {
    while let Some(word) = words.next().await? {
        all.push(word.unwrap_or_else(|| "null".to_owned()));
    }
    Ok(())
}

async fn join(mut words: Words) -> Joined {
    let mut all = Vec::new();
    read(&mut words, &mut all).await?;
    Ok(all.join(","))
}

async fn collect<W: World>(_: Call<Transcript<W>>, words: Words) -> Joined {
    join(words).await
}

async fn sum<W: World>(_: Call<Transcript<W>>, mut numbers: Upload<i32>) -> Result<i32, HubError> {
    let mut sum = 0_i32;
    while let Some(number) = numbers.next().await? {
        sum = sum.wrapping_add(number);
    }
    Ok(sum)
}

async fn collect_between<W: World>(
    _: Call<Transcript<W>>,
    before: Option<String>,
    words: Words,
    after: Option<String>,
) -> Joined {
    let joined = join(words).await?;
    Ok(before.unwrap_or_default() + &joined + &after.unwrap_or_default())
}

async fn collect_two<W: World>(_: Call<Transcript<W>>, a: Words, b: Words) -> Joined {
    let a = join(a).await?;
    Ok(format!("{a};{}", join(b).await?))
}

async fn collect_caught<W: World>(call: Call<Transcript<W>>, mut words: Words) -> String {
    let mut all = Vec::new();
    if let Err(error) = read(&mut words, &mut all).await {
        all.push(error.to_string());
    }
    let joined = all.join(",");
    note(&call, joined.clone()).await;
    joined
}

async fn take_one<W: World>(_: Call<Transcript<W>>, mut words: Words) -> Joined {
    Ok(match words.next().await? {
        Some(first) => first.unwrap_or_default(),
        None => "empty".to_owned(),
    })
}

async fn ignore<W: World>(call: Call<Transcript<W>>, _words: Words, ms: u64) -> &'static str {
    call.sleep(Duration::from_millis(ms)).await;
    "ignored"
}

async fn wait_then_collect<W: World>(call: Call<Transcript<W>>, words: Words, ms: u64) -> Joined {
    call.sleep(Duration::from_millis(ms)).await;
    join(words).await
}

/// Sends back what comes, in upper case.
pub(super) async fn upper_case(
    mut writer: StreamWriter<String>,
    mut words: Upload<String>,
) -> Result<(), HubError> {
    while let Some(word) = words.next().await? {
        writer.send(word.to_uppercase()).await;
    }
    Ok(())
}
