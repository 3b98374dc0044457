//! A sender outside of any call.

use tickhub::http::{Method, Response};
use tickhub::{Clients, Exchange, Server};

use super::Transcript;

pub(super) fn serve(server: Server) -> Server {
    server.http_async("/external", send)
}

/// `POST /external/SELECTOR?name=NAME&text=TEXT`.
async fn send(exchange: Exchange) -> Response<'static> {
    let head = exchange.request();
    let (path, query) = (head.path().into_owned(), |name: &str| head.query(name));
    let name = query("name").unwrap_or_default().into_owned();
    let text = query("text").unwrap_or_default().into_owned();
    let selector = path.strip_prefix("/external/").map(str::to_owned);
    let (Some(selector), Method::Post) = (selector, head.head().method()) else {
        return Response::new(404);
    };
    let send = move |_: &mut Transcript, clients: &mut Clients<'_>| {
        let audience = match selector.as_str() {
            "all" => clients.all(),
            "client" => clients.client(name.as_str()),
            "group" => clients.group(&name),
            "user" => clients.user(&name),
            _ => return false,
        };
        audience.send("message", ("external", text)).ignore();
        true
    };
    Response::new(if exchange.hub(send).await { 204 } else { 404 })
}
