//! The host of the recorded conversations with the original server of classic SignalR.

mod calls;
mod other_hubs;
mod raw;
mod selectors;
mod shown;
mod transcript;

use std::time::Duration;

use tickhub::{
    ClassicHubOptions, ClassicHubs, ClassicOptions, ConnectionOptions, Cors, HubError, HubOptions,
    Policy, Server,
};

use crate::events::Events;
use crate::sign_in;
use other_hubs::{Auth, Second, Three};
use raw::Raw;
use transcript::Transcript;

const SECOND: Duration = Duration::from_secs(1);

/// Mounts everything; what is not mounted is 404 without a body. Pages of these origins may use
/// `/cors`, which no recording knows.
pub(crate) fn serve(server: Server, origins: &[String]) -> Server {
    let events = Events::default();
    let (a, b) = (events.clone(), events.clone());
    let server = server
        .authenticate(sign_in::identity)
        .host(HubOptions::default(), move |_| Transcript::new(&a))
        .host(HubOptions::default(), move |_| Second::new(&b))
        .host(HubOptions::default(), |_| Auth)
        .host(HubOptions::default(), |_| Three);
    let plain = ClassicOptions::default();
    let detailed =
        ClassicOptions { enable_detailed_errors: true, enable_jsonp: true, ..plain.clone() };
    let fast = ClassicOptions {
        disconnect_timeout: 6 * SECOND,
        keep_alive: Some(2 * SECOND),
        connection_timeout: 8 * SECOND,
        long_poll_delay: Duration::from_millis(100),
        default_message_buffer_size: 32,
        enable_jsonp: true,
        ..plain.clone()
    };
    let without_keep_alive = ClassicOptions {
        keep_alive: None,
        disconnect_timeout: 6 * SECOND,
        connection_timeout: 4 * SECOND,
        ..plain.clone()
    };
    // No header but those that need no preflight: classic clients send no others (LEG-038).
    let cors = Some(Cors::origins(origins).headers(&[]));
    let open = ClassicOptions {
        connection: ConnectionOptions { cors, ..ConnectionOptions::default() },
        ..plain.clone()
    };
    let (a, b) = (events.clone(), events);
    server
        .classic("/signalr", plain.clone(), hubs())
        .classic("/detailed", detailed, hubs())
        .classic("/fast", fast.clone(), hubs())
        .classic("/noka", without_keep_alive, hubs())
        .classic("/cors", open, hubs())
        .persistent("/raw", plain, move |_| Raw::new(&a))
        .persistent("/fastraw", fast, move |_| Raw::new(&b))
}

/// The hubs of every mount.
fn hubs() -> ClassicHubs {
    let named_on_purpose = ClassicHubOptions { verbatim: true, ..ClassicHubOptions::default() };
    let signed_in =
        ClassicHubOptions { authorize: Some(Policy::signed_in()), ..ClassicHubOptions::default() };
    ClassicHubs::new()
        .hub::<Transcript>("TranscriptHub")
        .hub_with::<Second>("secondHub", named_on_purpose)
        .hub_with::<Auth>("AuthHub", signed_in)
        .hub::<Three>("ThreeHub")
}

/// An error of the program, whose text is nobody's business.
fn failure(text: &'static str) -> HubError {
    HubError::internal("InvalidOperationException", text)
}

/// What the log says of an end.
fn farewell(stop_called: bool) -> String {
    format!("disconnected stopCalled={stop_called}")
}
