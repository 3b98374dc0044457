//! Refusing as a value.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// What a hub method returns when it refuses. The caller hears it in the completion of the call.
///
/// ```
/// use tickhub::HubError;
///
/// // The caller reads: "… HubException: a name, please"
/// let shown = HubError::new("a name, please");
/// // The caller reads the message only where detailed errors are enabled.
/// let hidden = HubError::internal("InvalidOperationException", "disk full");
/// assert!(shown.is_public() && !hidden.is_public());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubError {
    type_name: Cow<'static, str>,
    message: Cow<'static, str>,
    public: bool,
    data: Option<Box<Value>>,
}

impl HubError {
    /// An error that the caller may read, always: a `HubException` (COR-098).
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            type_name: Cow::Borrowed("HubException"),
            message: message.into(),
            public: true,
            data: None,
        }
    }

    /// An error of a kind of its own that the caller may read, always: in .NET a class derived
    /// from `HubException`.
    pub fn kind(
        type_name: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { type_name: type_name.into(), message: message.into(), public: true, data: None }
    }

    /// An error whose text stays on the server unless detailed errors are enabled (COR-097).
    pub fn internal(
        type_name: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { type_name: type_name.into(), message: message.into(), public: false, data: None }
    }

    /// The same with data for the caller: classic clients get it (`HubException.ErrorData`), others
    /// read the message alone.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }

    /// What goes along with the message.
    pub fn data(&self) -> Option<&Value> {
        self.data.as_deref()
    }

    /// The name of the kind of error, as .NET clients know it.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// What was wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the caller may read the message without detailed errors.
    pub fn is_public(&self) -> bool {
        self.public
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.type_name, self.message)
    }
}

impl std::error::Error for HubError {}

/// Any other error stays on the server: its text may hold what is nobody's business.
macro_rules! from_error {
    ($($error:ty => $name:literal),* $(,)?) => {$(
        impl From<$error> for HubError {
            fn from(error: $error) -> Self {
                Self::internal($name, error.to_string())
            }
        }
    )*};
}

from_error! {
    std::io::Error => "IOException",
    std::num::ParseIntError => "FormatException",
    std::num::ParseFloatError => "FormatException",
    serde_json::Error => "JsonException",
    super::call::Elapsed => "TimeoutException",
}
