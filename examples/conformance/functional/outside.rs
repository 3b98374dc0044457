//! Requests that reach into hubs from outside of any call.

use tickhub::http::{Method, Response};
use tickhub::{Clients, Exchange, Server};

use super::test_hub::TestHub;
use super::work::{Main, Work, select};

pub(super) fn serve(server: Server) -> Server {
    server.http_async("/clientresult", ask).http_async("/external", send)
}

/// `GET /clientresult/{id}`: what a client answers, or what went wrong.
async fn ask(exchange: Exchange) -> Response<'static> {
    let path = exchange.request().path().into_owned();
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    let question =
        move |_: &mut TestHub, clients: &mut Clients<'_>| clients.ask::<i32>(id, "Result", ());
    let text = match exchange.hub(question).await.await {
        Ok(number) => number.to_string(),
        Err(error) => error.message().to_owned(),
    };
    Response::new(200).content_type("text/plain").body(text.into_bytes())
}

/// `POST /external`: a message to a selection, or a change of a group.
async fn send(exchange: Exchange) -> Response<'static> {
    let head = exchange.request();
    if head.head().method() != Method::Post {
        return Response::new(405);
    }
    let parameter = |name: &str| head.query(name).unwrap_or_default().into_owned();
    let list = |name: &str| -> Vec<String> {
        parameter(name).split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let (action, selector) = (parameter("action"), parameter("selector"));
    let (names, except, text) = (list("names"), list("except"), parameter("text"));
    let work = move |_: &mut Work<Main>, clients: &mut Clients<'_>| match action.as_str() {
        "join" | "leave" => {
            let [id, group] = names.as_slice() else { return false };
            if action == "leave" {
                clients.remove_from_group(id.as_str(), group);
                return true;
            }
            clients.add_to_group(id.as_str(), group).is_ok()
        }
        _ => match select(clients, &selector, &names, &except) {
            Some(audience) => {
                audience.send("Message", (text,)).ignore();
                true
            }
            None => false,
        },
    };
    Response::new(if exchange.hub(work).await { 200 } else { 400 })
}
