//! A hub for users with a token, for the tests with real clients. Served with `--lab` only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use tickhub::http::{Request, Response};
use tickhub::{
    ConnectionOptions, Context, Hub, HubOptions, Identity, Jwt, JwtAlgorithm, JwtError, Methods,
    Policy, Server, Text,
};

#[derive(Default)]
struct Members;

impl Hub for Members {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Who", |_: &mut Members, ctx: &mut Context<Members>| ctx.user_id().map(str::to_owned))
            .on("Claim", |_: &mut Members, ctx: &mut Context<Members>, kind: Text| {
                ctx.identity().and_then(|who| who.first_claim(&kind)).map(str::to_owned)
            })
            .on("ToUser", |_: &mut Members, ctx: &mut Context<Members>, user: Text, text: Text| {
                ctx.user(&user).send("message", ("user", text)).ignore();
            })
            .on("AdminOnly", |_: &mut Members, _: &mut Context<Members>| "admin ok")
            .require(Policy::role("admin"))
            .on("Even", |_: &mut Members, _: &mut Context<Members>, number: i64| number)
            .require(Policy::custom(|call| call.argument::<i64>(0).is_some_and(|n| n % 2 == 0)));
    }
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    exp: u64,
}

/// A token for whoever asks: `?user=NAME&role=ROLE&seconds=60`.
fn token(request: &Request<'_>, secret: &[u8]) -> Option<String> {
    let query = |name| request.query(name).map(std::borrow::Cow::into_owned);
    let seconds = query("seconds").map_or(Some(60), |text| text.parse().ok())?;
    let end = SystemTime::now() + Duration::from_secs(seconds);
    let exp = end.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let claims = Claims { sub: query("user")?, role: query(Identity::ROLE), exp };
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(JwtAlgorithm::HS256), &claims, &key).ok()
}

pub(crate) fn serve(server: Server) -> Result<Server, JwtError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).expect("the system has random bytes");
    let members = ConnectionOptions {
        authorize: Some(Policy::signed_in()),
        close_on_authentication_expiration: true,
        ..ConnectionOptions::default()
    };
    let admins = ConnectionOptions {
        authorize: Some(Policy::role("admin")),
        ..ConnectionOptions::default()
    };
    let server = server
        .authenticate(Jwt::new().secret(JwtAlgorithm::HS256, &secret)?)
        .hub_with("/hubs/members", HubOptions::default(), members, |_| Members)
        .hub_with("/hubs/admins", HubOptions::default(), admins, |_| Members)
        .http("/lab/token", move |request| match token(request, &secret) {
            Some(token) => Response::new(200).content_type("text/plain").body(token.into_bytes()),
            None => Response::text(400, "a user, please"),
        });
    Ok(server)
}
