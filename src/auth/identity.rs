//! Who a request is from.

use std::time::SystemTime;

/// Somebody who has signed in, as an [`Authenticate`](super::Authenticate) scheme tells.
///
/// ```
/// use tickhub::Identity;
///
/// let ann = Identity::new("ann").role("admin").claim("team", "blue");
/// assert_eq!((ann.id(), ann.name()), (Some("ann"), Some("ann")));
/// assert!(ann.has_role("admin") && ann.has_claim("team", "blue"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    id: Option<Box<str>>,
    claims: Vec<(Box<str>, Box<str>)>,
    expires: Option<SystemTime>,
}

impl Identity {
    /// The type of the claims that name roles.
    pub const ROLE: &'static str = "role";

    /// The type of the claim that is shown to people.
    pub const NAME: &'static str = "name";

    /// The user `id`, who is signed in without an end.
    pub fn new(id: impl Into<Box<str>>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// Somebody who is signed in, and is no user that could be addressed.
    pub fn nameless() -> Self {
        Self::default()
    }

    /// Adds a claim. Several of one type are several claims.
    pub fn claim(mut self, kind: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.claims.push((kind.into(), value.into()));
        self
    }

    /// Adds a role: a claim of the type [`Identity::ROLE`].
    pub fn role(self, role: impl Into<Box<str>>) -> Self {
        self.claim(Self::ROLE, role)
    }

    /// Sets until when this holds. What it means for open connections is decided by
    /// `ConnectionOptions::close_on_authentication_expiration`.
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    /// The id of the user, which selectors by user address: byte for byte.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The name of the user for people: the claim [`Identity::NAME`], or the id.
    pub fn name(&self) -> Option<&str> {
        self.first_claim(Self::NAME).or(self.id())
    }

    /// All claims, type and value, in the order in which they were added.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        self.claims.iter().map(|(kind, value)| (&**kind, &**value))
    }

    /// The value of the first claim of that type.
    pub fn first_claim(&self, kind: &str) -> Option<&str> {
        self.claims().find(|(known, _)| *known == kind).map(|(_, value)| value)
    }

    /// Whether there is such a claim.
    pub fn has_claim(&self, kind: &str, value: &str) -> bool {
        self.claims().any(|claim| claim == (kind, value))
    }

    /// Whether the user has a role; letter case matters.
    pub fn has_role(&self, role: &str) -> bool {
        self.has_claim(Self::ROLE, role)
    }

    /// Until when this holds; nothing, if without an end.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }
}
