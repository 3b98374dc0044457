//! Texts that clients and their tests can see (LEG, appendix A).

/// 400: the parameter `transport` is absent or names none (LEG-010, LEG-011).
pub const UNKNOWN_TRANSPORT: &str = "Protocol error: Unknown transport.";
/// 400: the parameter `connectionToken` is absent or empty (LEG-012).
pub const MISSING_CONNECTION_TOKEN: &str = "Protocol error: Missing connection token.";
/// 400: the connection token is none of ours (LEG-013).
pub const BAD_CONNECTION_TOKEN: &str = "The ConnectionId is in the incorrect format.";
/// 403: the token was given to somebody else (LEG-014). There are two spaces in it.
pub const USER_CHANGED: &str = "Unrecognized user identity.  The user identity cannot change during an active SignalR connection.";
/// 400: a request of a WebSocket that is no upgrade (LEG-067).
pub const NO_WEB_SOCKET_REQUEST: &str = "Not a valid web socket request.";
/// The reason phrase of the 403 where JSONP is not enabled (LEG-031).
pub const JSONP_DISABLED: &str = "Forbidden: JSONP is disabled.";
/// The parameter `frameId` is no number of 32 bits (LEG-083).
pub const BAD_FRAME_ID: &str = "The supplied frameId is in the incorrect format.";
/// `connectionData` names a hub twice (LEG-021).
pub const DUPLICATE_HUBS: &str = "Duplicate Hub names found.";
/// The state of a client is too long (LEG-059).
pub const STATE_TOO_LONG: &str = "State has exceeded the maximum length of 4096 bytes.";
/// What the script of hubs throws where it is not enabled (LEG-124).
pub const SCRIPT_DISABLED: &str = "SignalR: JavaScript Hub proxy generation has been disabled.";
/// A method was cancelled.
pub const CANCELED: &str = "The operation was canceled.";
/// A report of a method that has ended (LEG-061).
pub const PROGRESS_AFTER_COMPLETION: &str =
    "You cannot report progress on a hub method invocation that has already completed.";

/// There is no hub of that name, in the spelling of the client.
pub fn unknown_hub(hub: &str) -> String {
    format!("'{hub}' Hub could not be resolved.")
}

/// Any failure whose details the caller may not see (LEG-050, LEG-051); both names in the spelling
/// of the client.
pub fn invocation_failed(hub: &str, method: &str) -> String {
    format!("There was an error invoking Hub method '{hub}.{method}'.")
}

/// There is no method of that name (with details).
pub fn unknown_method(method: &str) -> String {
    format!("'{method}' method could not be resolved. No method found with that name.")
}

/// No method of that name takes so many arguments, or several do (with details). Each candidate is
/// a line `Name(p1:Type1, p2:Type2):ReturnType`.
///
/// ```
/// use tickhub::protocol::classic::errors::no_such_overload;
///
/// let text = no_such_overload("Echo", ["Echo(s:String):String"]);
/// assert!(text.ends_with("Potential candidates are: \nEcho(s:String):String"));
/// ```
pub fn no_such_overload<C: AsRef<str>>(
    method: &str,
    candidates: impl IntoIterator<Item = C>,
) -> String {
    let mut text = format!("'{method}' method could not be resolved. Potential candidates are: ");
    for candidate in candidates {
        text.push('\n');
        text.push_str(candidate.as_ref());
    }
    text
}

/// The caller may not call this method (LEG-053, with details); both names as declared.
pub fn not_authorized(hub: &str, method: &str) -> String {
    format!("Caller is not authorized to invoke the {method} method on {hub}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix A, `invoke-errors-default`, `invoke-errors-detailed`.
    #[test]
    fn texts_with_names_in_them() {
        assert_eq!(unknown_hub("nohub"), "'nohub' Hub could not be resolved.");
        assert_eq!(
            invocation_failed("chathub", "Fail"),
            "There was an error invoking Hub method 'chathub.Fail'."
        );
        assert_eq!(
            unknown_method("echo"),
            "'echo' method could not be resolved. No method found with that name."
        );
        assert_eq!(
            no_such_overload("Echo", ["Echo(s:String):String", "Echo():String"]),
            "'Echo' method could not be resolved. Potential candidates are: \
             \nEcho(s:String):String\nEcho():String"
        );
        assert_eq!(
            not_authorized("AuthHub", "Who"),
            "Caller is not authorized to invoke the Who method on AuthHub."
        );
        assert!(USER_CHANGED.contains("identity.  The"));
    }
}
