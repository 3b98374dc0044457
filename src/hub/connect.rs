//! The beginning of a connection, as long as its hub likes.

use std::pin::Pin;

use super::Hub;
use super::call::{Call, CallState};
use super::closed::Closed;
use super::context::Context;
use super::dispatch::Flow;
use super::endpoint::{HubEndpoint, contained};
use super::error::HubError;
use super::methods::Methods;
use super::registry::Registry;
use super::tasks::Contained;
use crate::base::ConnectionKey;
use crate::transport::Stage;

/// Code that a connection has to wait for before its first message is looked at.
pub(super) type ConnectedFn<H> = Box<dyn Fn(Call<H>) -> Connecting>;

type Connecting = Pin<Box<dyn Future<Output = Result<(), HubError>>>>;

impl<H: Hub> Methods<H> {
    /// Has `connected` run for each new connection, behind [`Hub::on_connected`], for what takes
    /// its time. The client knows that it is connected; its messages wait until this has ended
    /// (COR-069). A connection that ends meanwhile hears of it afterwards: `on_disconnected` is
    /// called when this has succeeded, and not when it has failed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tickhub::{Call, Hub, HubError, Methods};
    ///
    /// struct Slow;
    ///
    /// impl Hub for Slow {
    ///     type State = u32;
    ///     fn methods(m: &mut Methods<Self>) {
    ///         m.connected_async(look_up);
    ///     }
    /// }
    ///
    /// async fn look_up(call: Call<Slow>) -> Result<(), HubError> {
    ///     call.sleep(Duration::from_millis(20)).await;
    ///     call.state(|_, state, _| *state = 7).await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// When there is such code already.
    pub fn connected_async<F>(&mut self, connected: impl Fn(Call<H>) -> F + 'static) -> &mut Self
    where
        F: Future<Output = Result<(), HubError>> + 'static,
    {
        assert!(self.connected.is_none(), "connected_async is there once");
        self.connected = Some(Box::new(move |call| Box::pin(connected(call))));
        self
    }
}

impl<H: Hub> HubEndpoint<H> {
    /// The handshake is answered.
    pub(super) fn on_connected(&mut self, registry: &mut Registry, key: ConnectionKey) -> Flow {
        if let Some(welcome) = self.welcome(registry, key) {
            registry.welcome(key, welcome);
        }
        match registry.get(key).map(|connection| connection.stage) {
            Some(Stage::Open) => Flow::Next,
            _ => Flow::Ended,
        }
    }

    /// Runs `on_connected`, and begins what comes behind it, if there is anything: the registry is
    /// told when that is over.
    pub(super) fn welcome(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
    ) -> Option<Result<(), HubError>> {
        let state = self.states.get_mut(key)?;
        registry.is_connecting = true;
        let mut context = Context::new(registry, self.world, key, state);
        let (hub, methods) = (&mut self.hub, &self.methods);
        let welcome = contained(|| methods.connect(hub, &mut context));
        registry.is_connecting = false;
        let welcome = welcome.unwrap_or_else(|panic| {
            registry.count_panic();
            tracing::error!(panic, "on_connected panicked");
            Err(HubError::internal("Panic", panic))
        });
        if welcome.is_ok() && self.methods.connected.is_some() {
            self.begin_connecting(registry, key);
            return None;
        }
        Some(welcome)
    }

    fn begin_connecting(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let Some(connection) = registry.get_mut(key) else { return };
        connection.hub.connecting = connection.classic.is_none();
        let state = CallState::new(key, Some(&*connection));
        state.is_connecting.set(true);
        let call = Call::new(&self.local, &state);
        let methods = self.methods.clone();
        self.begin_unasked(state.clone(), "connected_async", async move {
            let connected = methods.connected.as_ref().expect("it was there a moment ago");
            // In the task from its first word on, so that a panic is one like any other.
            let welcome = Contained(Box::pin(async { connected(call.clone()).await })).await;
            call.push(move |_, _, clients| {
                state.is_connecting.set(false);
                let welcome = welcome.unwrap_or_else(|| {
                    clients.registry.count_panic();
                    Err(HubError::internal("Panic", "connected_async panicked"))
                });
                clients.registry.welcome(key, welcome);
            });
        });
    }
}

impl Registry {
    /// The hub has made up its mind about a new connection.
    fn welcome(&mut self, key: ConnectionKey, welcome: Result<(), HubError>) {
        let Some(connection) = self.get_mut(key) else { return };
        if connection.classic.is_some() {
            if let Err(error) = &welcome {
                tracing::warn!(%error, "connected_async refused a classic client");
            }
            self.classic_welcomed(key, welcome.is_ok());
            return;
        }
        connection.hub.connecting = false;
        if let Err(error) = welcome {
            let closed = Closed::Refused {
                type_name: error.type_name().to_owned().into(),
                detail: error.message().to_owned(),
                public: error.is_public(),
            };
            self.end(key, closed);
        } else {
            connection.hub.connected = true;
            if std::mem::take(&mut connection.hub.blocked) {
                self.wait(key);
            }
        }
        self.resume_ending(key);
    }
}
