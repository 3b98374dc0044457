//! Cursors, ids and sealed tokens: what is not ours is refused, what is comes back.

use tickhub::base::Rng;
use tickhub::protocol::classic::Cursor;
use tickhub::{ConnectionId, KeyRing};

pub(super) fn check(data: &[u8]) {
    let mut rng = Rng::from_seed(1);
    let keys = KeyRing::from_bytes([7; 32]).accept_bytes([8; 32]).expect("two keys");
    let id = ConnectionId::random_guid(&mut rng);
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(cursor) = text.parse::<Cursor>() {
            assert_eq!(cursor.to_string(), text, "one spelling");
        }
        if let Ok(id) = text.parse::<ConnectionId>() {
            assert_eq!(id.to_string(), text, "one spelling");
        }
        if let Ok(ring) = KeyRing::from_text(text) {
            assert_eq!(format!("{ring:?}"), "KeyRing(1 keys)");
        }
        assert!(keys.read_connection_token(text).is_err(), "nobody sealed it");
        assert!(keys.read_groups_token(text, id).is_err(), "nobody sealed it");
        let token = keys.connection_token(&mut rng, id, text);
        assert_eq!(keys.read_connection_token(&token), Ok((id, text.to_owned())));
        assert!(keys.read_groups_token(&token, id).is_err(), "another purpose");
        let groups: Vec<&str> = text.split('\n').collect();
        let token = keys.groups_token(&mut rng, id, &groups);
        assert_eq!(keys.read_groups_token(&token, id).expect("groups"), groups);
        assert!(keys.read_connection_token(&token).is_err(), "another purpose");
    }
    // The first bytes say what is changed in a token.
    if let [place, other, ..] = *data {
        let mut token = keys.connection_token(&mut rng, id, "bob").into_bytes();
        let place = usize::from(place) % token.len();
        let other = other & 0x7F;
        if token[place] != other {
            token[place] = other;
            let token = String::from_utf8(token).expect("ASCII");
            assert!(keys.read_connection_token(&token).is_err(), "a changed token");
        }
    }
}
