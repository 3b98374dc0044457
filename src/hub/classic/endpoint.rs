//! A hub, as a classic mount uses it.

use super::super::Hub;
use super::super::closed::Closed;
use super::super::context::Context;
use super::super::dispatch::Manner;
use super::super::ending::Parting;
use super::super::endpoint::{HubEndpoint, contained};
use super::super::rate_limit::{Buckets, Charge};
use super::super::registry::Registry;
use super::number_of;
use crate::base::ConnectionKey;
use crate::protocol::hub_protocol::Invocation;

/// What became of the beginning of a connection in one hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// It is over, well or not.
    Done(bool),
    /// It goes on; the registry is told when it is over.
    Later,
}

/// One method, as the generated script shows it.
#[derive(Clone, Debug)]
pub(crate) struct MethodShape {
    pub(crate) name: String,
    /// The name was given on purpose: the script does not change its first letter.
    pub(crate) verbatim: bool,
    pub(crate) parameters: Vec<String>,
}

/// What a classic mount asks of a hub.
pub(crate) trait ClassicHub {
    /// The index of its world.
    fn world(&self) -> u16;

    /// What the generated script says about it: each name once, with the fewest parameters.
    fn describe(&self) -> Vec<MethodShape>;

    /// The name of a method as the hub spells it; as it was given, if there is none.
    fn spelling(&self, method: &str) -> String;

    /// `OnConnected`.
    fn connected(&mut self, registry: &mut Registry, key: ConnectionKey) -> Welcome;

    /// `OnReconnected`; whether it went well.
    fn reconnected(&mut self, registry: &mut Registry, key: ConnectionKey) -> bool;

    /// In which of these groups the connection is, which its client has proved.
    fn rejoining(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        groups: Vec<String>,
    ) -> Vec<String>;

    /// The connection has ended. The hub hears of it if it `listened`.
    fn ended(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        reason: &Closed,
        listened: bool,
    ) -> Parting;

    /// Calls a method; the answer goes where the number in its id says. `bytes` is what the call
    /// has cost its client.
    fn invoke(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        invocation: Invocation<'_>,
        bytes: usize,
    );
}

impl<H: Hub> HubEndpoint<H> {
    /// What is kept for a connection is there from its first word on.
    fn meet(&mut self, registry: &mut Registry, key: ConnectionKey) {
        if self.states.get(key).is_none() {
            self.states.insert(key, H::State::default());
            if self.options.rate_limit.is_some() {
                self.buckets.insert(key, Buckets::default());
            }
            registry.meet(key, self.world);
        }
    }

    /// Runs code of the hub for a connection; a panic is `None`.
    fn with_context<T>(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        what: &str,
        work: impl FnOnce(&mut H, &mut Context<'_, H>) -> T,
    ) -> Option<T> {
        self.meet(registry, key);
        let state = self.states.get_mut(key)?;
        let mut context = Context::new(registry, self.world, key, state);
        let hub = &mut self.hub;
        match contained(|| work(hub, &mut context)) {
            Ok(value) => Some(value),
            Err(panic) => {
                registry.count_panic();
                tracing::error!(panic, "{what} panicked");
                None
            }
        }
    }
}

impl<H: Hub> ClassicHub for HubEndpoint<H> {
    fn world(&self) -> u16 {
        self.world
    }

    fn describe(&self) -> Vec<MethodShape> {
        self.methods.describe()
    }

    fn spelling(&self, method: &str) -> String {
        self.methods.find(method).map_or(method, |known| &*known.name).to_owned()
    }

    fn connected(&mut self, registry: &mut Registry, key: ConnectionKey) -> Welcome {
        self.meet(registry, key);
        match self.welcome(registry, key) {
            Some(Ok(())) => Welcome::Done(true),
            Some(Err(error)) => {
                tracing::warn!(%error, "on_connected refused a classic client");
                Welcome::Done(false)
            }
            None => Welcome::Later,
        }
    }

    fn reconnected(&mut self, registry: &mut Registry, key: ConnectionKey) -> bool {
        match self.with_context(registry, key, "on_reconnected", |hub, context| {
            hub.on_reconnected(context)
        }) {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::warn!(%error, "on_reconnected failed");
                false
            }
            None => false,
        }
    }

    fn rejoining(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        groups: Vec<String>,
    ) -> Vec<String> {
        self.with_context(registry, key, "on_rejoining_groups", |hub, context| {
            hub.on_rejoining_groups(context, groups)
        })
        .unwrap_or_default()
    }

    fn ended(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        reason: &Closed,
        listened: bool,
    ) -> Parting {
        if listened {
            self.meet(registry, key);
        }
        self.abandon(registry, key);
        self.disconnect(registry, key, reason, listened)
    }

    fn invoke(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        invocation: Invocation<'_>,
        bytes: usize,
    ) {
        self.meet(registry, key);
        let Some(id) = invocation.invocation_id.as_deref() else { return };
        debug_assert!(number_of(id).is_some(), "classic calls have a number in front of their id");
        if matches!(self.charge(registry.now, key, bytes), Charge::Excess) {
            let id = id.to_owned();
            self.answer_excess(registry, key, &id);
            return;
        }
        let _ = self.on_invocation(registry, key, Manner::Plain, invocation);
    }
}
