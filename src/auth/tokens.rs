//! What the tokens of a classic connection say: whose it is (LEG §2.4), and in which groups it is
//! (LEG §7.6).

use super::protect::{BadToken, KeyRing};
use crate::base::{ConnectionId, Rng};

/// For what a connection token is sealed.
const CONNECTION: &str = "SignalR.ConnectionToken";
/// For what a groups token is sealed.
const GROUPS: &str = "SignalR.Groups.v1.1";

impl KeyRing {
    /// The token that opens the connection `id` for a user, whose name is empty for nobody.
    pub fn connection_token(&self, rng: &mut Rng, id: ConnectionId, user: &str) -> String {
        self.seal(rng, CONNECTION, &format!("{id}:{user}"))
    }

    /// The connection of a token, and the name of the user that it was given to (LEG-016). Whether
    /// that is the one who asks is for the caller to say, without regard to letter case (LEG-015).
    ///
    /// # Errors
    ///
    /// It is no connection token of these keys (LEG-013, LEG-017).
    pub fn read_connection_token(&self, token: &str) -> Result<(ConnectionId, String), BadToken> {
        let text = self.open(CONNECTION, token)?;
        let (id, user) = split(&text)?;
        Ok((id, user.to_owned()))
    }

    /// The token with which the connection `id` comes back into these groups.
    pub fn groups_token<G: AsRef<str>>(
        &self,
        rng: &mut Rng,
        id: ConnectionId,
        groups: impl IntoIterator<Item = G>,
    ) -> String {
        let mut text = format!("{id}:[");
        for (index, group) in groups.into_iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let name = serde_json::to_string(group.as_ref()).expect("a text is JSON");
            text.push_str(&name);
        }
        text.push(']');
        self.seal(rng, GROUPS, &text)
    }

    /// The groups in a token of the connection `id`.
    ///
    /// # Errors
    ///
    /// It is no groups token of these keys, or of another connection (LEG-017, LEG-108). The
    /// connection is then in no groups.
    pub fn read_groups_token(
        &self,
        token: &str,
        id: ConnectionId,
    ) -> Result<Vec<String>, BadToken> {
        let text = self.open(GROUPS, token)?;
        let (of, groups) = split(&text)?;
        if of != id {
            return Err(BadToken);
        }
        serde_json::from_str(groups).map_err(|_| BadToken)
    }
}

/// The id in front of the first colon, and what is behind it.
fn split(text: &str) -> Result<(ConnectionId, &str), BadToken> {
    let (id, rest) = text.split_once(':').ok_or(BadToken)?;
    let id: ConnectionId = id.parse().map_err(|_| BadToken)?;
    if id.is_guid() { Ok((id, rest)) } else { Err(BadToken) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (KeyRing, Rng, ConnectionId) {
        let mut rng = Rng::from_seed(1);
        let (keys, id) = (KeyRing::random(&mut rng), ConnectionId::random_guid(&mut rng));
        (keys, rng, id)
    }

    /// LEG-016.
    #[test]
    fn a_connection_token_says_whose_it_is() {
        let (keys, mut rng, id) = setup();
        for user in ["", "bob", "a:b:c", "Bob é😀", "\":[\"x\"]"] {
            let token = keys.connection_token(&mut rng, id, user);
            assert_eq!(keys.read_connection_token(&token), Ok((id, user.to_owned())));
        }
    }

    /// LEG-106, LEG-107, LEG-108.
    #[test]
    fn a_groups_token_says_the_groups_of_one_connection() {
        let (keys, mut rng, id) = setup();
        let other = ConnectionId::random_guid(&mut rng);
        for groups in [&[][..], &["ChatHub.room1", "ChatHub.room2"], &["a\"],[\"b", "é\\", ""]] {
            let token = keys.groups_token(&mut rng, id, groups);
            assert_eq!(keys.read_groups_token(&token, id).expect("groups"), groups);
            assert_eq!(keys.read_groups_token(&token, other), Err(BadToken));
        }
    }

    /// LEG-017.
    #[test]
    fn no_token_stands_for_the_other() {
        let (keys, mut rng, id) = setup();
        let connection = keys.connection_token(&mut rng, id, "[\"ChatHub.room1\"]");
        let groups = keys.groups_token(&mut rng, id, ["ChatHub.room1"]);
        assert_eq!(keys.read_groups_token(&connection, id), Err(BadToken));
        assert_eq!(keys.read_connection_token(&groups), Err(BadToken));
    }

    /// LEG-013: what no server of ours has sealed, but somebody with its keys.
    #[test]
    fn what_says_no_connection_is_refused() {
        let (keys, mut rng, id) = setup();
        let core = ConnectionId::random(&mut rng);
        for text in
            [String::new(), ":".into(), ":bob".into(), id.to_string(), format!("{core}:bob")]
        {
            let token = keys.seal(&mut rng, CONNECTION, &text);
            assert_eq!(keys.read_connection_token(&token), Err(BadToken), "{text}");
        }
        for text in [format!("{id}:"), format!("{id}:null"), format!("{id}:[1]"), "[]".into()] {
            let token = keys.seal(&mut rng, GROUPS, &text);
            assert_eq!(keys.read_groups_token(&token, id), Err(BadToken), "{text}");
        }
        for token in ["", "x", "AAAA", "é", &"A".repeat(10_000)] {
            assert_eq!(keys.read_connection_token(token), Err(BadToken));
        }
    }
}
