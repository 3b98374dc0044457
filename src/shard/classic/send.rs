//! Data that comes as a request of its own (§5.0).

use super::{Asked, Named, refused, too_many};
use crate::base::SocketKey;
use crate::classic::Sent;
use crate::hub::ReplyPath;
use crate::protocol::http::{Request, Response};
use crate::shard::Engine;
use crate::shard::attach::Answer;
use crate::transport::{HttpStage, Pending};

impl Engine {
    /// `POST {mount}/send`. Any valid token will do, whether anybody receives for it or not.
    pub(super) fn classic_send(
        &mut self,
        asked: &Asked<'_>,
        named: &Named,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Result<Answer, Response<'static>> {
        if self.classic_is_full(asked, named) {
            return Err(too_many());
        }
        let (head, identity) = (request.to_head(), http.identity.take());
        let mut app = asked.app.borrow_mut();
        let key = app.connection(&mut self.registry, named.id, head, identity);
        let data = asked.parameters.data(named.transport);
        let mut data = data.map(|data| data.into_owned().into_bytes());
        let (path, query) = (ReplyPath::Request(socket), request.head().raw_query());
        let sent = app.posted(&mut self.registry, key, data.as_deref_mut(), path, query);
        match sent.map_err(|refusal| refused(refusal, true))? {
            Sent::Taken => Ok(Answer::Response(Response::new(200))),
            Sent::Call(number) => {
                let callback = asked.callback.clone();
                let reply_to = self.reply_to(request);
                http.pending = Some(Pending::Call { number, callback, reply_to });
                Ok(Answer::Later)
            }
        }
    }
}
