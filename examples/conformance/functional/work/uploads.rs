//! Streams from the client.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tickhub::{Call, HubError, Methods, StreamWriter, Upload};

use super::{Kind, Page, Work};

type Result<T> = std::result::Result<T, HubError>;
type Words = Upload<Option<String>>;

pub(super) fn offer<K: Kind>(m: &mut Methods<Work<K>>) {
    m.on_async("Sum", sum)
        .on_async("Collect", collect)
        .on_async("CollectNumbers", collect_numbers)
        .on_async("CollectWith", collect_with)
        .on_async("CollectTwo", collect_two)
        .on_async("FirstOf", first_of)
        .on_async("SlowCount", slow_count)
        .on_async("UploadAndTell", upload_and_tell)
        .stream_async("Shout", shout);
}

async fn read_all<T>(mut items: Upload<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    while let Some(item) = items.next().await? {
        all.push(item);
    }
    Ok(all)
}

async fn read_sum(mut numbers: Upload<i32>) -> Result<i64> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await? {
        sum += i64::from(number);
    }
    Ok(sum)
}

async fn sum<K: Kind>(_: Call<Work<K>>, numbers: Upload<i32>) -> Result<i64> {
    read_sum(numbers).await
}

async fn collect<K: Kind>(_: Call<Work<K>>, words: Words) -> Result<Vec<Option<String>>> {
    read_all(words).await
}

async fn collect_numbers<K: Kind>(_: Call<Work<K>>, numbers: Upload<i32>) -> Result<Vec<i32>> {
    read_all(numbers).await
}

async fn collect_with<K: Kind>(
    _: Call<Work<K>>,
    prefix: String,
    words: Words,
    times: usize,
) -> Result<Vec<String>> {
    let words = read_all(words).await?.into_iter();
    let prefixed = words.map(|word| format!("{prefix}{}", word.unwrap_or_default()));
    Ok(prefixed.flat_map(|word| vec![word; times]).collect())
}

async fn collect_two<K: Kind>(
    _: Call<Work<K>>,
    numbers: Upload<i32>,
    between: String,
    words: Words,
) -> Result<String> {
    let (sum, words) = both(read_sum(numbers), read_all(words)).await;
    let words: Vec<String> = words?.into_iter().map(Option::unwrap_or_default).collect();
    Ok(format!("{}{between}{}", sum?, words.join("+")))
}

/// Waits for two futures at the same time.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            unfinished => {
                (first, second) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

async fn first_of<K: Kind>(_: Call<Work<K>>, mut numbers: Upload<i32>) -> Result<i32> {
    Ok(numbers.next().await?.unwrap_or(-1))
}

async fn slow_count<K: Kind>(call: Call<Work<K>>, mut words: Words, ms: u64) -> Result<u32> {
    let mut count = 0;
    while words.next().await?.is_some() {
        count += 1;
        call.sleep(Duration::from_millis(ms)).await;
    }
    Ok(count)
}

async fn upload_and_tell<K: Kind>(call: Call<Work<K>>, numbers: Upload<i32>) {
    let id = call.connection_id();
    // Asked for while the connection is there.
    let page = Page::of(&call).await;
    match read_sum(numbers).await {
        Ok(sum) => {
            call.hub(move |_, clients| clients.client(id).send("Uploaded", (sum,)).ignore()).await;
        }
        Err(error) => page.note(format!("upload-failed {id} {}", error.type_name())),
    }
}

async fn shout<K: Kind>(
    _: Call<Work<K>>,
    mut writer: StreamWriter<String>,
    mut words: Upload<String>,
) -> Result<()> {
    while let Some(word) = words.next().await? {
        writer.send(word.to_uppercase()).await;
    }
    Ok(())
}
