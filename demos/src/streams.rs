//! Methods of the lab with streams, in both directions.

use std::time::Duration;

use tickhub::{Call, Context, HubError, Methods, StreamWriter, Upload, iter};

use crate::lab::{Journal, Lab, note};

pub(crate) fn offer(m: &mut Methods<Lab>) {
    m.stream("Count", |_: &mut Lab, _: &mut Context<Lab>, n: u32| iter(0..n))
        .stream("Blocks", |_: &mut Lab, _: &mut Context<Lab>, count: u32, bytes: usize| {
            iter((0..count).map(move |_| "x".repeat(bytes)))
        })
        .stream("CountThenFail", |_: &mut Lab, _: &mut Context<Lab>, n: u32, text: String| {
            iter((0..n).map(Ok).chain([Err(HubError::new(text))]))
        })
        .stream_async("SlowCount", slow_count)
        .stream_async("Endless", endless)
        .stream_async("Shout", shout)
        .on_async("Sum", sum)
        .on_async("Collect", collect)
        .on_async("SlowCollect", slow_collect);
}

async fn slow_count(call: Call<Lab>, mut writer: StreamWriter<u32>, n: u32, ms: u64) {
    for number in 0..n {
        call.sleep(Duration::from_millis(ms)).await;
        writer.send(number).await;
    }
}

/// Counts until it is cancelled, or its connection has ended; the journal says so.
async fn endless(call: Call<Lab>, mut writer: StreamWriter<u32>, ms: u64) {
    struct Ended(Journal, String);
    impl Drop for Ended {
        fn drop(&mut self) {
            note(&self.0, &self.1, "stream ended");
        }
    }
    let journal = call.hub(|hub, _| hub.journal.clone()).await;
    let id = call.connection_id().to_string();
    note(&journal, &id, "stream begun");
    let _ended = Ended(journal, id);
    for number in 0.. {
        writer.send(number).await;
        call.sleep(Duration::from_millis(ms)).await;
    }
}

async fn shout(
    _: Call<Lab>,
    mut writer: StreamWriter<String>,
    mut words: Upload<String>,
) -> Result<(), HubError> {
    while let Some(word) = words.next().await? {
        writer.send(word.to_uppercase()).await;
    }
    Ok(())
}

async fn sum(_: Call<Lab>, mut numbers: Upload<i64>) -> Result<i64, HubError> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await? {
        sum += number;
    }
    Ok(sum)
}

/// An upload that fails is told to the journal, too: its caller may be gone.
async fn collect(call: Call<Lab>, mut words: Upload<String>) -> Result<Vec<String>, HubError> {
    let mut collected = Vec::new();
    loop {
        match words.next().await {
            Ok(Some(word)) => collected.push(word),
            Ok(None) => return Ok(collected),
            Err(error) => {
                let entry = format!("upload failed: {}", error.message());
                let id = call.connection_id().to_string();
                call.post(move |hub, _| note(&hub.journal, &id, &entry));
                return Err(error);
            }
        }
    }
}

async fn slow_collect(
    call: Call<Lab>,
    mut words: Upload<String>,
    ms: u64,
) -> Result<usize, HubError> {
    let mut count = 0;
    while words.next().await?.is_some() {
        call.sleep(Duration::from_millis(ms)).await;
        count += 1;
    }
    Ok(count)
}
