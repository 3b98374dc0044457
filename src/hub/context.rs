//! What a hub method can do.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use super::Hub;
use super::classic::ClientState;
use super::clients::{Audience, Clients, Target};
use super::closed::Closed;
use super::error::HubError;
use super::registry::Registry;
use crate::auth::Identity;
use crate::base::{ConnectionId, ConnectionKey};
use crate::protocol::classic::Parameters;
use crate::protocol::http::RequestHead;
use crate::transport::Transport;

/// The call that a hub method answers: who called, what is kept about them, and everybody else.
///
/// The selectors of [`Clients`] are methods of it too: `ctx.all()`, `ctx.group("room")`, ….
pub struct Context<'a, H: Hub> {
    clients: Clients<'a>,
    state: &'a mut H::State,
    connection: ConnectionKey,
    id: ConnectionId,
    /// The number of the answer to the call of a classic client.
    asked: Option<u64>,
}

impl<'a, H: Hub> Context<'a, H> {
    pub(super) fn new(
        registry: &'a mut Registry,
        world: u16,
        connection: ConnectionKey,
        state: &'a mut H::State,
    ) -> Self {
        let id = registry.get(connection).map_or(ConnectionId::NONE, |connection| connection.id);
        Self { clients: Clients::new(registry, world), state, connection, id, asked: None }
    }

    /// The same, for the call of a classic client.
    pub(super) fn asked(self, asked: Option<u64>) -> Self {
        Self { asked, ..self }
    }

    /// The public id of the calling connection.
    pub fn connection_id(&self) -> ConnectionId {
        self.id
    }

    /// Who the caller is, as the request said that opened the transport; nothing, if it said
    /// nothing. It stays the same when it expires (§6.8).
    pub fn identity(&self) -> Option<&Identity> {
        self.clients.registry.get(self.connection)?.identity.as_deref()
    }

    /// The user that the caller is for selectors by user: the id of its identity, or what
    /// `ConnectionOptions::user_id` says.
    pub fn user_id(&self) -> Option<&str> {
        self.clients.registry.get(self.connection)?.user.as_deref()
    }

    /// The request that opened the transport: its query, headers and cookies.
    pub fn request(&self) -> Option<&RequestHead> {
        self.clients.registry.get(self.connection)?.request.as_deref()
    }

    /// What carries the calling connection; its name is that of .NET. Nothing, when the
    /// connection is gone.
    pub fn transport(&self) -> Option<Transport> {
        self.clients.registry.get(self.connection)?.transport
    }

    /// What the hub keeps for this connection, until it disconnects.
    pub fn state(&mut self) -> &mut H::State {
        self.state
    }

    /// The calling connection.
    pub fn caller(&mut self) -> Audience<'_> {
        let state = self.clients.registry.changes_of(self.asked);
        self.clients.keys(&[self.connection]).with_state(state)
    }

    /// What a classic client has sent along with its call as its state of this hub. What is
    /// changed goes back to it; see [`ClientState`].
    pub fn client_state(&mut self) -> &mut ClientState {
        self.clients.registry.client_state(self.asked)
    }

    /// A parameter in the query of the request that brought the call; over WebSockets that is the
    /// request which opened the transport. Repeated ones are joined with commas (§1.3).
    pub fn query(&self, name: &str) -> Option<String> {
        let registry = &self.clients.registry;
        let opened = self.request().map(|request| request.head().raw_query());
        let query = self.asked.and_then(|number| registry.query_of(number)).or(opened)?;
        Parameters::new(query, b"").query(name).map(Cow::into_owned)
    }

    /// Every connection of the hub but the calling one.
    pub fn others(&mut self) -> Audience<'_> {
        self.clients.except_keys(Target::All, &[self.connection])
    }

    /// The members of a group but the calling connection.
    pub fn others_in_group<'n>(&'n mut self, name: &'n str) -> Audience<'n> {
        let target = Target::Groups(smallvec::SmallVec::from_slice(&[name]));
        self.clients.except_keys(target, &[self.connection])
    }

    /// Adds the calling connection to a group. What is sent to the group from then on reaches it.
    ///
    /// # Errors
    ///
    /// When the name is longer, or the connection in more groups, than its options allow.
    pub fn join(&mut self, name: &str) -> Result<(), HubError> {
        self.clients.add_key(self.connection, name)
    }

    /// Removes the calling connection from a group. No error if it was no member.
    pub fn leave(&mut self, name: &str) {
        self.clients.remove_key(self.connection, name);
    }

    /// Ends the calling connection; the client does not come back by itself (COR-118).
    pub fn abort(&mut self) {
        self.clients.registry.end(self.connection, Closed::Aborted);
    }

    /// Everybody connected to this hub, for code that wants no caller.
    pub fn everybody(&mut self) -> &mut Clients<'a> {
        &mut self.clients
    }
}

impl<'a, H: Hub> Deref for Context<'a, H> {
    type Target = Clients<'a>;

    fn deref(&self) -> &Clients<'a> {
        &self.clients
    }
}

impl<H: Hub> DerefMut for Context<'_, H> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.clients
    }
}
