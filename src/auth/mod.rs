//! Who asks, whether they may, and from which web pages: identities, policies, origins, CORS, and
//! the keys of tokens that a server gives and takes back.
//!
//! Pure: what time it is comes as an argument, and nothing is fetched.

mod authenticate;
mod cors;
mod identity;
mod jwt;
mod jwt_keys;
mod origins;
mod policy;
mod protect;
mod remembered;
mod tokens;

pub(crate) use authenticate::Inquiry;
pub use authenticate::{Authenticate, bearer_token};
pub use cors::Cors;
pub use identity::Identity;
pub use jwt::{Jwt, JwtError};
pub use jwt_keys::JwtAlgorithm;
pub use origins::Origins;
pub use policy::{Access, Policy};
pub use protect::{BadToken, KeyError, KeyRing};
