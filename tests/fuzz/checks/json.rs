//! The JSON hub protocol. What we take for a message is JSON to `serde_json` too.

use serde::de::IgnoredAny;
use tickhub::protocol::hub_protocol::HubProtocolKind;
use tickhub::protocol::hub_protocol::handshake::Request;

pub(super) fn check(data: &[u8]) {
    for record in super::records::check(HubProtocolKind::Json, data) {
        // What is behind the object nobody looks at (§3.4.2).
        let mut values = serde_json::Deserializer::from_slice(&record).into_iter::<IgnoredAny>();
        let is_json = matches!(values.next(), Some(Ok(_)));
        if HubProtocolKind::Json.read(&mut record.clone()).is_ok() {
            assert!(is_json, "a message is JSON");
        }
        if let Ok(request) = Request::read(&record) {
            assert!(is_json, "a handshake is JSON");
            let _ = request.choose(HubProtocolKind::ALL, true);
        }
    }
}
