//! The MessagePack hub protocol.

use tickhub::protocol::hub_protocol::HubProtocolKind;

pub(super) fn check(data: &[u8]) {
    super::records::check(HubProtocolKind::MessagePack, data);
}
