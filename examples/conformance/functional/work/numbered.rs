//! Messages with numbers, by which a client sees whether one is missing, twice or out of order.

use std::time::{Duration, Instant};

use tickhub::{Clients, ConnectionId, Methods};

use super::{Ctx, Kind, Work};

/// How often feeds are looked at.
const TICK: Duration = Duration::from_millis(5);

/// Bytes that one feed sends in a tick, so that no client is given more than it can read.
const BYTES_PER_TICK: usize = 32 * 1024;

/// Numbered messages on their way to one connection, from outside of any call.
pub(super) struct Feed {
    to: ConnectionId,
    sent: u32,
    count: u32,
    /// 0: as fast as can be.
    per_second: u32,
    padding: String,
    since: Instant,
}

impl Feed {
    /// Sends what is due; whether there is more to come.
    fn tick(&mut self, clients: &mut Clients<'_>) -> bool {
        let due = match self.per_second {
            0 => self.count,
            rate => {
                let due = self.since.elapsed().as_micros() * u128::from(rate) / 1_000_000;
                // The first one is due at once.
                (due + 1).min(self.count.into()) as u32
            }
        };
        let mut room = BYTES_PER_TICK;
        while self.sent < due && room > 0 {
            self.sent += 1;
            room = room.saturating_sub(self.padding.len() + 64);
            let told = clients.client(self.to).send("Fed", (self.sent, self.padding.as_str()));
            if told.queued == 0 {
                return false;
            }
        }
        self.sent < self.count
    }
}

pub(super) fn offer<K: Kind>(m: &mut Methods<Work<K>>) {
    m.on("Take", |_: &mut Work<K>, ctx: &mut Ctx<K>, number: i32, _padding: Option<String>| {
        let taken = &mut ctx.state().taken;
        taken.push(number);
        taken.len()
    })
    .on("Taken", |_: &mut Work<K>, ctx: &mut Ctx<K>| ctx.state().taken.clone())
    .on("Feed", |hub: &mut Work<K>, ctx: &mut Ctx<K>, count: u32, per_second: u32, padding: u32| {
        hub.feeds.push(Feed {
            to: ctx.connection_id(),
            sent: 0,
            count,
            per_second,
            padding: "x".repeat(padding as usize),
            since: Instant::now(),
        });
    })
    .on("Burst", |_: &mut Work<K>, ctx: &mut Ctx<K>, count: u32| {
        for number in 1..=count {
            ctx.caller().send("Fed", (number, "")).ignore();
        }
        count
    })
    .on("SendLarge", |_: &mut Work<K>, ctx: &mut Ctx<K>, size: u32| {
        ctx.caller().send("Large", ("x".repeat(size as usize),)).ignore();
    })
    .every(TICK, |hub: &mut Work<K>, clients| hub.feeds.retain_mut(|feed| feed.tick(clients)));
}
