//! `PersistentConnection`: what classic SignalR has below hubs. Data comes and goes without names.

use super::context::PersistentContext;
use super::model::{Asking, Model, Refusal, Sent};
use crate::auth::Identity;
use crate::base::{ConnectionKey, SideTable};
use crate::hub::{Closed, HubError, Parting, Registry, ReplyPath, contained};
use crate::protocol::http::Head;

/// The server side of connections without hubs: a struct, one per shard, that hears what clients
/// send and answers with any value.
///
/// ```no_run
/// use tickhub::{ClassicOptions, HubError, PersistentConnection, PersistentContext, Shard};
///
/// struct Echo;
///
/// impl PersistentConnection for Echo {
///     type State = ();
///     fn on_received(
///         &mut self,
///         ctx: &mut PersistentContext<'_, Self>,
///         data: Option<&str>,
///     ) -> Result<(), HubError> {
///         ctx.reply(&data).ignore();
///         Ok(())
///     }
/// }
///
/// let shard = Shard::bind("127.0.0.1:5000")?.persistent("/echo", Echo, ClassicOptions::default());
/// # Ok::<(), tickhub::Error>(())
/// ```
pub trait PersistentConnection: Sized + 'static {
    /// What is kept for each connection.
    type State: Default + 'static;

    /// Whether a request may come in: asked for every one (§1.6).
    fn authorize_request(&self, request: Head<'_>, identity: Option<&Identity>) -> bool {
        let _ = (request, identity);
        true
    }

    /// A client has connected.
    ///
    /// # Errors
    ///
    /// An error is logged, and the client cannot start.
    fn on_connected(&mut self, context: &mut PersistentContext<'_, Self>) -> Result<(), HubError> {
        let _ = context;
        Ok(())
    }

    /// A client has sent something; nothing, if its request had no data.
    ///
    /// # Errors
    ///
    /// An error is logged. Whoever sent it in a request reads that it has failed, and no more.
    fn on_received(
        &mut self,
        context: &mut PersistentContext<'_, Self>,
        data: Option<&str>,
    ) -> Result<(), HubError>;

    /// A client has lost its way to the server and come back on another one.
    ///
    /// # Errors
    ///
    /// An error is logged and ends the request over which the client came back.
    fn on_reconnected(
        &mut self,
        context: &mut PersistentContext<'_, Self>,
    ) -> Result<(), HubError> {
        let _ = context;
        Ok(())
    }

    /// A connection has ended; whether its client has said so, or was ended by this code.
    fn on_disconnected(&mut self, context: &mut PersistentContext<'_, Self>, stop_called: bool) {
        let _ = (context, stop_called);
    }

    /// A client proves by its token that it was in these groups; it is in those that are returned.
    fn on_rejoining_groups(
        &mut self,
        context: &mut PersistentContext<'_, Self>,
        groups: Vec<String>,
    ) -> Vec<String> {
        let _ = context;
        groups
    }
}

/// One `PersistentConnection` behind a mount.
pub(crate) struct Persistent<P: PersistentConnection> {
    code: P,
    world: u16,
    states: SideTable<ConnectionKey, P::State>,
}

impl<P: PersistentConnection> Persistent<P> {
    pub(crate) fn new(registry: &mut Registry, code: P, world: u16) -> Self {
        registry.name_world(world, std::any::type_name::<P>());
        Self { code, world, states: SideTable::default() }
    }

    /// The code, for those who run it outside of a request.
    pub(crate) fn code(&mut self) -> &mut P {
        &mut self.code
    }

    /// Runs the code for a connection; a panic is an error.
    fn with<T>(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        what: &str,
        query: Option<&str>,
        work: impl FnOnce(&mut P, &mut PersistentContext<'_, P>) -> T,
    ) -> Option<T> {
        if self.states.get(key).is_none() {
            self.states.insert(key, P::State::default());
            registry.meet(key, self.world);
        }
        let state = self.states.get_mut(key)?;
        let mut context = PersistentContext::new(registry, self.world, key, state, query);
        let code = &mut self.code;
        match contained(|| work(code, &mut context)) {
            Ok(value) => Some(value),
            Err(panic) => {
                registry.count_panic();
                tracing::error!(panic, "{what} of a PersistentConnection panicked");
                None
            }
        }
    }

    /// The same for code that may fail; whether it went well.
    fn attempt(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        what: &str,
        query: Option<&str>,
        work: impl FnOnce(&mut P, &mut PersistentContext<'_, P>) -> Result<(), HubError>,
    ) -> bool {
        match self.with(registry, key, what, query, work) {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::warn!(%error, "{what} of a PersistentConnection failed");
                false
            }
            None => false,
        }
    }
}

impl<P: PersistentConnection> Model for Persistent<P> {
    fn admit(&mut self, registry: &mut Registry, asking: &Asking<'_>) -> Result<Vec<u16>, Refusal> {
        let code = &self.code;
        let allowed = contained(|| code.authorize_request(asking.head, asking.identity));
        let allowed = allowed.unwrap_or_else(|panic| {
            registry.count_panic();
            tracing::error!(panic, "authorize_request panicked; the answer is no");
            false
        });
        if allowed { Ok(vec![self.world]) } else { Err(Refusal::Denied) }
    }

    fn connected(&mut self, registry: &mut Registry, key: ConnectionKey) -> (u16, bool) {
        (0, self.attempt(registry, key, "on_connected", None, P::on_connected))
    }

    fn reconnected(&mut self, registry: &mut Registry, key: ConnectionKey) -> bool {
        self.attempt(registry, key, "on_reconnected", None, P::on_reconnected)
    }

    fn rejoin(&mut self, registry: &mut Registry, key: ConnectionKey, groups: &[String]) {
        let prefix = format!("{}.", registry.world_name(self.world));
        let mine = groups.iter().filter_map(|group| group.strip_prefix(&prefix));
        let mine: Vec<String> = mine.map(str::to_owned).collect();
        let agreed = self.with(registry, key, "on_rejoining_groups", None, |code, context| {
            code.on_rejoining_groups(context, mine)
        });
        registry.rejoin(key, self.world, &agreed.unwrap_or_default());
    }

    fn received(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        data: Option<&mut [u8]>,
        _: ReplyPath,
        query: Option<&str>,
    ) -> Result<Sent, Refusal> {
        let data = data.map(|data| String::from_utf8_lossy(data));
        let is_well = self.attempt(registry, key, "on_received", query, |code, context| {
            code.on_received(context, data.as_deref())
        });
        if is_well {
            Ok(Sent::Taken)
        } else {
            Err(Refusal::Wrong("The data was not taken.".into()))
        }
    }

    fn ended(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        reason: &Closed,
        is_known: bool,
    ) -> Parting {
        let stop_called = reason.is_stop();
        if is_known {
            let _ = self.with(registry, key, "on_disconnected", None, |code, context| {
                code.on_disconnected(context, stop_called);
            });
        }
        self.states.remove(key);
        Parting::Done
    }

    fn script(&self, _: &Registry, _: &str) -> Option<Vec<u8>> {
        None
    }

    #[cfg(feature = "sim")]
    fn is_quiet(&self) -> bool {
        self.states.is_empty()
    }
}
