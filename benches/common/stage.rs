//! The hub that whole turns are measured with.

use tickhub::sim::Rig;
use tickhub::{Context, Hub, HubError, Methods};

use super::SEPARATOR;

/// Echoes, and has every third connection in one group.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    seen: usize,
}

impl Hub for Lobby {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods.on("Echo", |_: &mut Self, _: &mut Context<Self>, text: String| text);
    }

    fn on_connected(&mut self, context: &mut Context<'_, Self>) -> Result<(), HubError> {
        if self.seen.is_multiple_of(3) {
            context.join(THIRD)?;
        }
        self.seen += 1;
        Ok(())
    }
}

/// The group of every third connection.
pub(crate) const THIRD: &str = "every third";

/// Whom a broadcast is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    All,
    Third,
}

/// A rig with so many connections, after some turns: its buffers have their size.
pub(crate) fn rig(connections: u32) -> Rig {
    let mut rig = Rig::new(Lobby::default());
    rig.connect(connections);
    let text = text_of(100);
    for _ in 0..4 {
        for connection in 0..connections.min(100) {
            rig.feed(connection, &echo(1));
        }
        rig.settle();
        for to in [To::All, To::Third] {
            say(&mut rig, to, &text);
            rig.settle();
        }
    }
    rig
}

/// The same of clients of classic SignalR, all of whom keep as many messages as they ever will.
pub(crate) fn classic_rig(connections: u32) -> Rig {
    let mut rig = Rig::new(Lobby::default());
    rig.connect_classic(connections);
    let text = text_of(100);
    for _ in 0..KEPT_MAX + 4 {
        say(&mut rig, To::All, &text);
        rig.settle();
    }
    rig
}

/// Messages that are kept for a classic client by default.
const KEPT_MAX: usize = 1000;

/// `count` echo calls with 64 bytes of text in one read, a frame each.
pub(crate) fn echo(count: usize) -> Vec<u8> {
    let text = "a text of exactly sixty-four bytes, as the load generator sends.";
    let call = format!(
        r#"{{"type":1,"invocationId":"42","target":"Echo","arguments":["{text}"]}}{SEPARATOR}"#
    );
    Rig::message(&call).repeat(count)
}

/// The argument with which a broadcast has so many bytes on the wire, without the frame's header.
pub(crate) fn text_of(bytes: usize) -> String {
    let around = format!(r#"{{"type":1,"target":"Heard","arguments":[""]}}{SEPARATOR}"#);
    "x".repeat(bytes - around.len())
}

/// Queues one broadcast.
pub(crate) fn say(rig: &mut Rig, to: To, text: &str) {
    let delivery = rig.enter(|_: &mut Lobby, clients| match to {
        To::All => clients.all().send("Heard", (text,)),
        To::Third => clients.group(THIRD).send("Heard", (text,)),
    });
    assert_eq!(delivery.refused, 0, "nobody is too slow");
}
