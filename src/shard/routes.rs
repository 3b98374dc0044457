//! Which path leads where.

use std::rc::Rc;

use super::exchange::AsyncHandler;
use crate::protocol::http::{Request, Response};
use crate::protocol::negotiate::Redirect;
use crate::raw::Otherwise;
use crate::transport::ConnectionOptions;

/// Answers ordinary requests. May keep state; runs on the shard's thread, so it must not block.
pub(crate) type HttpHandler = Box<dyn FnMut(&Request<'_>) -> Response<'static>>;

/// Says where a client that negotiates is sent, if it is.
pub(crate) type Redirector = Box<dyn FnMut(&Request<'_>) -> Option<Redirect>>;

/// What answers ordinary requests.
pub(super) enum Handler {
    Now(HttpHandler),
    Later(AsyncHandler),
}

/// A path that makes connections: its world, and the limits of its connections.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub(super) world: u16,
    pub(super) options: Rc<ConnectionOptions>,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(super) enum Route {
    Negotiate(Mount),
    /// The same where no hub is.
    Redirect,
    Hub(Mount),
    WebSocket(Mount, Option<Otherwise>),
    /// A classic mount, and what is behind its path.
    Classic(Mount, String),
    Http(usize),
}

impl Route {
    /// Where the path leads, if it makes connections.
    pub(super) fn mount(&self) -> Option<&Mount> {
        match self {
            Self::Negotiate(mount)
            | Self::Hub(mount)
            | Self::WebSocket(mount, _)
            | Self::Classic(mount, _) => Some(mount),
            Self::Redirect | Self::Http(_) => None,
        }
    }
}

/// The paths that are served. Hubs and WebSockets are matched whole, handlers by prefix of whole
/// segments, the longest first. Letter case and a slash at the end do not matter for the first
/// two (COR-012).
#[derive(Default)]
pub(super) struct Routes {
    exact: Vec<(String, Route)>,
    prefixes: Vec<(String, usize)>,
    handlers: Vec<Handler>,
    /// Matched by prefix of whole segments, in whatever letter case, the longest first (LEG-009).
    classics: Vec<(String, Mount)>,
    /// Asked before the hub of their path, if there is one.
    redirectors: Vec<(String, Redirector)>,
}

impl Routes {
    pub(super) fn add_hub(&mut self, path: &str, mount: Mount) {
        let path = normal(path);
        self.exact.push((format!("{path}/negotiate"), Route::Negotiate(mount.clone())));
        self.exact.push((path, Route::Hub(mount)));
    }

    pub(super) fn add_websocket(&mut self, path: &str, mount: Mount, otherwise: Option<Otherwise>) {
        self.exact.push((normal(path), Route::WebSocket(mount, otherwise)));
    }

    pub(super) fn add_classic(&mut self, path: &str, mount: Mount) {
        self.classics.push((normal(path), mount));
        self.classics.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    pub(super) fn add_http(&mut self, path: &str, handler: Handler) {
        let index = self.handlers.len();
        self.handlers.push(handler);
        self.prefixes.push((path.trim_end_matches('/').to_owned(), index));
        self.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    pub(super) fn add_redirect(&mut self, path: &str, redirector: Redirector) {
        self.redirectors.push((format!("{}/negotiate", normal(path)), redirector));
    }

    /// Who says where those who negotiate at `path` are sent.
    pub(super) fn redirector(&mut self, path: &str) -> Option<&mut Redirector> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let found = self.redirectors.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(path));
        found.map(|(_, redirector)| redirector)
    }

    pub(super) fn find(&self, path: &str) -> Option<Route> {
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        let exact = self.exact.iter().find(|(known, _)| known.eq_ignore_ascii_case(trimmed));
        if let Some((_, route)) = exact {
            return Some(route.clone());
        }
        if self.redirectors.iter().any(|(known, _)| known.eq_ignore_ascii_case(trimmed)) {
            return Some(Route::Redirect);
        }
        let classic = self.classics.iter().find_map(|(prefix, mount)| {
            let rest = path.get(prefix.len()..)?;
            let is_below = rest.is_empty() || rest.starts_with('/');
            (is_below && path[..prefix.len()].eq_ignore_ascii_case(prefix))
                .then(|| Route::Classic(mount.clone(), rest.to_owned()))
        });
        if classic.is_some() {
            return classic;
        }
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let (_, index) = self.prefixes.iter().find(|(prefix, _)| below(prefix))?;
        Some(Route::Http(*index))
    }

    pub(super) fn handler(&mut self, index: usize) -> &mut Handler {
        &mut self.handlers[index]
    }
}

fn normal(path: &str) -> String {
    let path = path.trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(world: u16) -> Mount {
        Mount { world, options: Rc::default() }
    }

    #[test]
    fn hubs_ignore_case_and_handlers_go_by_whole_segments() {
        let mut routes = Routes::default();
        routes.add_hub("/Chat", mount(1));
        routes.add_websocket("/ws/echo", mount(2), None);
        routes.add_http("/", Handler::Now(Box::new(|_| Response::new(200))));
        routes.add_http("/echo", Handler::Now(Box::new(|_| Response::new(200))));
        assert!(matches!(routes.find("/chat"), Some(Route::Hub(Mount { world: 1, .. }))));
        assert!(matches!(routes.find("/CHAT/"), Some(Route::Hub(_))));
        assert!(matches!(routes.find("/chat/Negotiate"), Some(Route::Negotiate(_))));
        routes.add_redirect("/Chat", Box::new(|_| None));
        routes.add_redirect("/away/", Box::new(|_| None));
        assert!(matches!(routes.find("/chat/negotiate"), Some(Route::Negotiate(_))));
        assert!(matches!(routes.find("/Away/negotiate/"), Some(Route::Redirect)));
        assert!(matches!(routes.find("/away"), Some(Route::Http(0))));
        assert!(routes.redirector("/CHAT/negotiate").is_some());
        assert!(routes.redirector("/chat").is_none());
        assert!(matches!(routes.find("/ws/echo"), Some(Route::WebSocket(..))));
        assert!(matches!(routes.find("/echo"), Some(Route::Http(1))));
        assert!(matches!(routes.find("/echo/below"), Some(Route::Http(1))));
        assert!(matches!(routes.find("/echoes"), Some(Route::Http(0))));
    }
}
