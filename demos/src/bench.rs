//! The hub that load generators call.

use tickhub::{
    ClassicHubs, ClassicOptions, Context, Hub, HubError, HubOptions, Methods, OutboxLimits, Server,
    Text, Value,
};

/// Echo, broadcast and rooms, and nothing else.
struct Bench;

impl Hub for Bench {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Echo", Bench::echo)
            .on("Broadcast", Bench::broadcast)
            .on("Join", Bench::join)
            .on("SendToRoom", Bench::send_to_room);
    }
}

impl Bench {
    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn echo(&mut self, _: &mut Context<Self>, value: Value) -> Value {
        value
    }

    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn broadcast(&mut self, ctx: &mut Context<Self>, value: Value) {
        ctx.all().send("message", (value,)).ignore();
    }

    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn join(&mut self, ctx: &mut Context<Self>, room: Text) -> Result<(), HubError> {
        ctx.join(&room)
    }

    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn send_to_room(&mut self, ctx: &mut Context<Self>, room: Text, value: Value) {
        ctx.group(&room).send("message", (value,)).ignore();
    }
}

pub(crate) fn serve(server: Server) -> Server {
    let connection = tickhub::ConnectionOptions {
        // A load generator that is behind for a moment is not a slow client.
        outbox: OutboxLimits { hard_bytes: 16 * 1024 * 1024, ..OutboxLimits::default() },
        ..Default::default()
    };
    // Developers call it: they may read what went wrong.
    let options = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    let classic = ClassicOptions { connection: connection.clone(), ..Default::default() };
    server.hub_with("/bench", options, connection, |_| Bench).classic(
        "/bench/signalr",
        classic,
        ClassicHubs::new().hub::<Bench>("BenchHub"),
    )
}
