//! What an engine serves, and where.

use std::any::TypeId;
use std::cell::RefCell;
use std::rc::Rc;

use super::Engine;
use super::exchange::AsyncHandler;
use super::routes::{Handler, HttpHandler, Mount, Redirector};
use crate::classic::{
    ClassicHubs, ClassicMount, ClassicOptions, Hubs, Model, Persistent, PersistentConnection,
    keys_of,
};
use crate::hub::{Application, ClassicHub as _, Hub, HubEndpoint, HubOptions, HubTable};
use crate::raw::{
    Bytes, ConnectionHandler, KeepAlive, Messages, RawEndpoint, RawOptions, WebSocket,
};
use crate::transport::ConnectionOptions;

impl Engine {
    /// Serves a hub at a path and below it at `negotiate`.
    pub(crate) fn add_hub<H: Hub>(
        &mut self,
        path: &str,
        hub: H,
        options: HubOptions,
        connection: ConnectionOptions,
    ) {
        let world = self.host_hub(hub, options);
        self.routes.add_hub(path, Mount { world, options: Rc::new(connection) });
    }

    /// Keeps a hub that has no path of its own; returns its world.
    pub(crate) fn host_hub<H: Hub>(&mut self, hub: H, options: HubOptions) -> u16 {
        let world = self.registry.add_world();
        let endpoint = HubEndpoint::new(hub, world, options, &self.registry);
        self.exchanges.know(endpoint.local());
        let endpoint = Rc::new(RefCell::new(endpoint));
        self.hubs.add(&endpoint);
        self.apps.push(endpoint);
        world
    }

    /// Serves hubs to classic clients below a path.
    pub(crate) fn add_classic(&mut self, path: &str, options: ClassicOptions, hubs: &ClassicHubs) {
        let world = self.registry.add_world();
        let has_script = options.enable_javascript_proxies;
        let hubs = Hubs::new(&mut self.registry, hubs, &self.hubs, has_script);
        self.add_classic_mount(path, world, options, hubs);
    }

    /// Serves a `PersistentConnection` to classic clients below a path.
    pub(crate) fn add_persistent<P: PersistentConnection>(
        &mut self,
        path: &str,
        code: P,
        options: ClassicOptions,
    ) {
        let world = self.registry.add_world();
        let code = Persistent::new(&mut self.registry, code, world);
        let mount = self.add_classic_mount(path, world, options, code);
        self.persistents.entry(TypeId::of::<P>()).or_insert(mount);
    }

    fn add_classic_mount<M: Model>(
        &mut self,
        path: &str,
        world: u16,
        options: ClassicOptions,
        model: M,
    ) -> Rc<RefCell<ClassicMount<M>>> {
        let keys = keys_of(&options, &mut self.registry.rng);
        let app = ClassicMount::new(model, world, options, keys);
        let mount = Mount { world, options: app.connection_options() };
        let app = Rc::new(RefCell::new(app));
        self.apps.push(app.clone());
        self.classics.insert(world, app.clone());
        self.routes.add_classic(path, mount);
        app
    }

    /// The hubs that are served so far.
    pub(crate) fn hubs(&self) -> &HubTable {
        &self.hubs
    }

    /// Serves the first hub of type `H` at one more path. False: there is none.
    #[must_use]
    pub(crate) fn add_mount<H: Hub>(&mut self, path: &str, connection: ConnectionOptions) -> bool {
        let Some(hub) = self.hubs.find::<H>() else { return false };
        let world = hub.borrow().world();
        self.routes.add_hub(path, Mount { world, options: Rc::new(connection) });
        true
    }

    /// Serves plain WebSockets at a path.
    pub(crate) fn add_websocket<W: WebSocket>(
        &mut self,
        path: &str,
        handler: W,
        options: &RawOptions,
    ) {
        let world = self.registry.add_world();
        let (interval, timeout) = (options.keep_alive_interval, options.keep_alive_timeout);
        let keep_alive = KeepAlive { interval, timeout };
        self.add_app(RawEndpoint::new(Messages(handler), world, keep_alive));
        let mount = Mount { world, options: Rc::new(options.connection()) };
        self.routes.add_websocket(path, mount, options.otherwise);
    }

    /// Serves connections without a hub at a path and below it at `negotiate`.
    pub(crate) fn add_connection<C: ConnectionHandler>(
        &mut self,
        path: &str,
        handler: C,
        options: ConnectionOptions,
    ) {
        let world = self.registry.add_world();
        // Nothing is pinged, but WebSockets get their Pongs here as well (§2.2).
        let interval = RawOptions::default().keep_alive_interval;
        let keep_alive = KeepAlive { interval, timeout: None };
        self.add_app(RawEndpoint::new(Bytes(handler), world, keep_alive));
        self.routes.add_hub(path, Mount { world, options: Rc::new(options) });
    }

    fn add_app(&mut self, app: impl Application) {
        self.apps.push(Rc::new(RefCell::new(app)));
    }

    /// Answers requests at a path and below it.
    pub(crate) fn add_http(&mut self, path: &str, handler: HttpHandler) {
        self.routes.add_http(path, Handler::Now(handler));
    }

    /// Answers requests at a path and below it, with code that may wait.
    pub(crate) fn add_http_async(&mut self, path: &str, handler: AsyncHandler) {
        self.routes.add_http(path, Handler::Later(handler));
    }

    /// Asks `redirector` about everybody who negotiates at a path.
    pub(crate) fn add_redirect(&mut self, path: &str, redirector: Redirector) {
        self.routes.add_redirect(path, redirector);
    }
}
