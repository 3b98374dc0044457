//! Who may do something.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Identity;
use crate::protocol::http::Head;
use crate::protocol::hub_protocol::Arguments;

/// What somebody must be to use an endpoint or to call a method: requirements that must all
/// hold. Cheap to clone. Two are equal when they require the same in the same order; a function
/// is equal to itself alone.
///
/// ```
/// use tickhub::{Access, Identity, Policy};
///
/// let policy = Policy::role("admin").and(&Policy::claim("team", "blue"));
/// let ann = Identity::new("ann").role("admin").claim("team", "blue");
/// assert!(policy.allows(&Access::of(Some(&ann))));
/// assert!(!policy.allows(&Access::of(Some(&Identity::new("bob").role("admin")))));
/// assert!(!policy.allows(&Access::of(None)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    requirements: Arc<[Requirement]>,
}

#[derive(Clone)]
enum Requirement {
    SignedIn,
    Named,
    /// One of these values of a claim; any value, if none is given.
    Claim(Box<str>, Arc<[Box<str>]>),
    Custom(Arc<dyn Fn(&Access<'_>) -> bool + Send + Sync>),
}

impl Policy {
    /// Whoever has signed in.
    pub fn signed_in() -> Self {
        Self::of(Requirement::SignedIn)
    }

    /// Whoever has signed in and has a user id.
    pub fn named() -> Self {
        Self::of(Requirement::Named)
    }

    /// Users with this role.
    pub fn role(role: &str) -> Self {
        Self::any_role(&[role])
    }

    /// Users with one of these roles.
    pub fn any_role(roles: &[&str]) -> Self {
        assert!(!roles.is_empty(), "a policy names at least one role");
        Self::any_claim(Identity::ROLE, roles)
    }

    /// Users with this claim.
    pub fn claim(kind: &str, value: &str) -> Self {
        Self::any_claim(kind, &[value])
    }

    /// Users with a claim of this type and one of these values.
    pub fn any_claim(kind: &str, values: &[&str]) -> Self {
        assert!(!values.is_empty(), "a policy names at least one value, or see has_claim");
        Self::of(Requirement::Claim(kind.into(), boxed(values)))
    }

    /// Users with a claim of this type, whatever its value.
    pub fn has_claim(kind: &str) -> Self {
        Self::of(Requirement::Claim(kind.into(), boxed(&[])))
    }

    /// Whoever `allows` says. It is also asked about people who have not signed in, so combine
    /// it with [`Policy::signed_in`] where that matters. If it panics, the answer is no.
    ///
    /// ```
    /// use tickhub::Policy;
    ///
    /// let even = Policy::custom(|access| access.argument::<i64>(0).is_some_and(|n| n % 2 == 0));
    /// # let _ = even;
    /// ```
    pub fn custom(allows: impl Fn(&Access<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self::of(Requirement::Custom(Arc::new(allows)))
    }

    /// This policy and another one: both must hold.
    pub fn and(self, other: &Self) -> Self {
        let all = self.requirements.iter().chain(other.requirements.iter());
        Self { requirements: all.cloned().collect() }
    }

    /// Whether every requirement holds.
    pub fn allows(&self, access: &Access<'_>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(access))
    }

    fn of(requirement: Requirement) -> Self {
        Self { requirements: [requirement].into() }
    }
}

impl Requirement {
    fn holds(&self, access: &Access<'_>) -> bool {
        let identity = access.identity;
        match self {
            Self::SignedIn => identity.is_some(),
            Self::Named => identity.is_some_and(|identity| identity.id().is_some()),
            Self::Claim(kind, values) => identity.is_some_and(|identity| {
                let mut found = identity.claims().filter(|(known, _)| *known == &**kind);
                found.any(|(_, value)| values.is_empty() || values.iter().any(|v| **v == *value))
            }),
            Self::Custom(allows) => allows(access),
        }
    }
}

impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::SignedIn, Self::SignedIn) | (Self::Named, Self::Named) => true,
            (Self::Claim(kind, values), Self::Claim(other_kind, other_values)) => {
                kind == other_kind && values == other_values
            }
            (Self::Custom(allows), Self::Custom(other)) => Arc::ptr_eq(allows, other),
            _ => false,
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedIn => f.write_str("signed in"),
            Self::Named => f.write_str("named"),
            Self::Claim(kind, values) => write!(f, "claim {kind} of {values:?}"),
            Self::Custom(_) => f.write_str("custom"),
        }
    }
}

fn boxed(values: &[&str]) -> Arc<[Box<str>]> {
    values.iter().map(|value| Box::from(*value)).collect()
}

/// What somebody wants, for a [`Policy`] to judge: a request to an endpoint, or the call of a
/// method.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    identity: Option<&'a Identity>,
    request: Option<Head<'a>>,
    call: Option<(&'a str, &'a Arguments<'a>)>,
}

impl<'a> Access<'a> {
    /// Nothing in particular, wanted by `identity`.
    pub fn of(identity: Option<&'a Identity>) -> Self {
        Self { identity, request: None, call: None }
    }

    pub(crate) fn request_of(identity: Option<&'a Identity>, request: Head<'a>) -> Self {
        Self { identity, request: Some(request), call: None }
    }

    pub(crate) fn call_of(
        identity: Option<&'a Identity>,
        request: Option<Head<'a>>,
        method: &'a str,
        arguments: &'a Arguments<'a>,
    ) -> Self {
        Self { identity, request, call: Some((method, arguments)) }
    }

    /// Who wants it; nothing, if they have not signed in.
    pub fn identity(&self) -> Option<&'a Identity> {
        self.identity
    }

    /// The request itself; for a call, the request that opened the transport of its connection.
    pub fn request(&self) -> Option<Head<'a>> {
        self.request
    }

    /// The name of the method that is called, as it was registered.
    pub fn method(&self) -> Option<&'a str> {
        self.call.map(|(method, _)| method)
    }

    /// An argument of the call, counted from 0; nothing, if there is none or it is no such value.
    /// It is decoded when it is asked for.
    pub fn argument<T: DeserializeOwned>(&self, index: usize) -> Option<T> {
        self.call?.1.peek(index)
    }
}
