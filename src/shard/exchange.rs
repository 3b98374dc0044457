//! Ordinary requests whose answer takes time: the code that makes it is a task of the shard.

use std::any::{Any, TypeId, type_name};
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use super::Engine;
use super::attach::Answer;
use super::routes::Handler;
use crate::auth::Identity;
use crate::base::{HashMap, SocketKey, TaskKey};
use crate::hub::{Call, Clients, Contained, Hub, Local, Ring, Tasks, contained};
use crate::protocol::http::{Request, Response};
use crate::transport::{HttpStage, Pending};

/// One ordinary request in the hands of code that may wait, until it returns the response.
///
/// ```no_run
/// use std::time::Duration;
/// use tickhub::http::Response;
/// use tickhub::{Exchange, Hub, Methods, Shard};
///
/// struct News;
///
/// impl Hub for News {
///     type State = ();
///     fn methods(_: &mut Methods<Self>) {}
/// }
///
/// async fn publish(exchange: Exchange) -> Response<'static> {
///     let text = String::from_utf8_lossy(exchange.body()).into_owned();
///     let send = move |_: &mut News, clients: &mut tickhub::Clients<'_>| {
///         clients.all().send("headline", (text,)).queued
///     };
///     let reached = exchange.hub(send).await;
///     exchange.call::<News>().sleep(Duration::from_secs(1)).await;
///     Response::new(200).body(format!("{reached} were told").into_bytes())
/// }
///
/// let shard = Shard::bind("127.0.0.1:5000")?.hub("/news", News).http_async("/publish", publish);
/// # Ok::<(), tickhub::Error>(())
/// ```
pub struct Exchange {
    request: Request<'static>,
    hubs: Rc<Hubs>,
}

impl Exchange {
    /// The request: its method, path, query, headers.
    pub fn request(&self) -> &Request<'static> {
        &self.request
    }

    /// Who the request is from; see [`Request::identity`].
    pub fn identity(&self) -> Option<&Identity> {
        self.request.identity()
    }

    /// All of the body; empty when there is none. [`HttpOptions`](super::HttpOptions) says how
    /// long it may be.
    pub fn body(&self) -> &[u8] {
        self.request.body()
    }

    /// Runs `work` with the hub of type `H` and everybody connected to it, and waits for its
    /// result. Between two awaits the hub belongs to others.
    ///
    /// # Panics
    ///
    /// When no such hub is served: the request is then answered with 500.
    pub fn hub<H, T, W>(&self, work: W) -> impl Future<Output = T> + use<H, T, W>
    where
        H: Hub,
        T: 'static,
        W: FnOnce(&mut H, &mut Clients<'_>) -> T + 'static,
    {
        self.call::<H>().hub(work)
    }

    /// The handle that asynchronous methods of the hub of type `H` have, of a call that no
    /// connection made: to sleep, and for code that takes a handle.
    ///
    /// # Panics
    ///
    /// When no such hub is served: the request is then answered with 500.
    pub fn call<H: Hub>(&self) -> Call<H> {
        match self.hubs.find::<H>() {
            Some(local) => Call::of_nobody(&local),
            None => panic!("no hub of type {} is served", type_name::<H>()),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Makes the answers to requests, and may wait for what it needs.
pub(crate) type AsyncHandler = Box<dyn FnMut(Exchange) -> Code>;

/// What makes one answer.
pub(crate) type Code = Pin<Box<dyn Future<Output = Response<'static>>>>;

/// How tasks reach hubs by their type; the first of each.
#[derive(Default)]
struct Hubs(RefCell<HashMap<TypeId, Rc<dyn Any>>>);

impl Hubs {
    fn find<H: Hub>(&self) -> Option<Rc<Local<H>>> {
        let found = self.0.borrow().get(&TypeId::of::<H>())?.clone();
        found.downcast().ok()
    }
}

/// The requests that wait for their code.
pub(super) struct Exchanges {
    tasks: Tasks<Pin<Box<dyn Future<Output = Answered>>>>,
    hubs: Rc<Hubs>,
    /// Room for those that end in a turn.
    ended: Vec<Answered>,
}

/// A request whose code has ended; without a response, if it panicked.
struct Answered {
    socket: SocketKey,
    response: Option<Response<'static>>,
}

impl Exchanges {
    pub(super) fn new(ring: Ring) -> Self {
        Self { tasks: Tasks::new(ring), hubs: Rc::default(), ended: Vec::new() }
    }

    /// From now on exchanges reach this hub, unless they know one of its type.
    pub(super) fn know<H: Hub>(&self, local: &Rc<Local<H>>) {
        self.hubs.0.borrow_mut().entry(TypeId::of::<H>()).or_insert_with(|| local.clone());
    }

    fn open(&self, request: &Request<'_>) -> Exchange {
        Exchange { request: request.to_owned(), hubs: self.hubs.clone() }
    }

    fn begin(&mut self, socket: SocketKey, code: Code) -> TaskKey {
        self.tasks
            .spawn(Box::pin(async move { Answered { socket, response: Contained(code).await } }))
    }

    /// The client has gone away: nobody waits for the answer.
    pub(super) fn give_up(&mut self, task: TaskKey) {
        self.tasks.cancel(task);
    }

    /// Whether the code of a request can go on.
    pub(super) fn is_ready(&self) -> bool {
        self.tasks.is_ready()
    }

    #[cfg(feature = "sim")]
    pub(super) fn contains(&self, task: TaskKey) -> bool {
        self.tasks.contains(task)
    }

    #[cfg(feature = "sim")]
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }
}

impl Engine {
    /// Has the handler of a path answer an ordinary request, now or later.
    pub(super) fn handle(
        &mut self,
        handler: usize,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Answer {
        let reply_to = self.reply_to(request);
        let handled = match self.routes.handler(handler) {
            Handler::Now(handler) => contained(|| Answer::Response(handler(request))),
            Handler::Later(handler) => {
                let exchange = self.exchanges.open(request);
                contained(|| handler(exchange)).map(|code| {
                    let task = self.exchanges.begin(socket, code);
                    http.pending = Some(Pending::Exchange { task, reply_to });
                    Answer::Later
                })
            }
        };
        handled.unwrap_or_else(|panic| Answer::Response(self.failed(&panic)))
    }

    /// Lets the code of requests go on, and the hubs that it asked for something, until nothing is
    /// left or the turn's share is used up.
    pub(super) fn run_exchanges(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.exchanges.is_ready() {
                return;
            }
            let mut ended = std::mem::take(&mut self.exchanges.ended);
            self.exchanges.tasks.poll(&mut ended);
            for Answered { socket, response } in ended.drain(..) {
                self.conclude_exchange(socket, response);
            }
            self.exchanges.ended = ended;
            self.run_apps();
        }
    }

    fn conclude_exchange(&mut self, socket: SocketKey, response: Option<Response<'static>>) {
        let response = response.unwrap_or_else(|| {
            self.registry.count_panic();
            failed()
        });
        let Some(http) = self.take_http(socket) else { return };
        match http.pending {
            Some(Pending::Exchange { reply_to, .. }) => {
                self.answer_pending(socket, http, response, reply_to);
            }
            _ => self.put_http(socket, http),
        }
    }
}

/// What the client is told when the code that was to answer it panicked.
pub(super) fn failed() -> Response<'static> {
    Response::text(500, "Internal Server Error").closing()
}

/// How often the code of requests goes on in one turn.
const ROUNDS_MAX: usize = 16;
