//! Which version of the protocol is spoken (LEG §2.2, §2.3).

use std::fmt;

/// A version, as a client announces it in `clientProtocol` and a server in `ProtocolVersion`.
///
/// A part that is left out is lower than a zero, as in .NET.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
    build: Option<u32>,
    revision: Option<u32>,
}

impl Version {
    /// The lowest version that is spoken: that of clients which announce none.
    pub const MIN: Self = Self::new(1, 2);
    /// The highest version that is spoken.
    pub const MAX: Self = Self::new(2, 0);
    /// From here on a connection starts by a request of its own.
    const DELAYED_START: Self = Self::new(1, 4);

    /// A version of two parts.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor, build: None, revision: None }
    }

    /// The version to speak with a client that announces `client_protocol`, or nothing (LEG-003).
    ///
    /// ```
    /// use tickhub::protocol::classic::Version;
    ///
    /// assert_eq!(Version::resolve(Some("2.1")), Version::MAX);
    /// assert_eq!(Version::resolve(Some("1.5")), Version::new(1, 5));
    /// assert_eq!(Version::resolve(None), Version::MIN);
    /// ```
    pub fn resolve(client_protocol: Option<&str>) -> Self {
        client_protocol.and_then(Self::parse).unwrap_or(Self::MIN).clamp(Self::MIN, Self::MAX)
    }

    /// Whether a connection begins with `/start`, and not in `/connect` (LEG-120).
    pub fn starts_delayed(self) -> bool {
        self >= Self::DELAYED_START
    }

    /// Two to four numbers with dots between them.
    fn parse(text: &str) -> Option<Self> {
        // As .NET reads an integer of 32 bits: with white space and a sign. None is negative.
        let number = |part: &str| {
            part.trim_ascii().parse::<i32>().ok().and_then(|number| u32::try_from(number).ok())
        };
        let mut parts = text.split('.').map(number);
        let (major, minor) = (parts.next()??, parts.next()??);
        let (build, revision) = (parts.next(), parts.next());
        if build == Some(None) || revision == Some(None) || parts.next().is_some() {
            return None;
        }
        Some(Self { major, minor, build: build.flatten(), revision: revision.flatten() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        for part in [self.build, self.revision].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LEG-003, `negotiate-protocol-versions`.
    #[test]
    fn versions_are_answered_as_by_the_original() {
        assert_eq!(Version::resolve(None).to_string(), "1.2");
        for (announced, answered) in [
            ("1.2", "1.2"),
            ("1.3", "1.3"),
            ("1.4", "1.4"),
            ("1.5", "1.5"),
            ("2.0", "2.0"),
            ("2.1", "2.0"),
            ("2.2", "2.0"),
            ("3.0", "2.0"),
            ("2.0.0", "2.0"),
            ("1.0", "1.2"),
            ("1.2.5", "1.2.5"),
            ("1.2.5.6", "1.2.5.6"),
            ("1.05", "1.5"),
            (" 1 . +5 ", "1.5"),
            ("", "1.2"),
            ("abc", "1.2"),
            ("2", "1.2"),
            ("-1.5", "1.2"),
            ("2.", "1.2"),
            (".2", "1.2"),
            ("2.0.", "1.2"),
            ("2.0.0.0.0", "1.2"),
            ("2.0.x", "1.2"),
            ("1.-5", "1.2"),
            ("2147483647.0", "2.0"),
            ("2147483648.0", "1.2"),
            ("99999999999999999999.0", "1.2"),
        ] {
            assert_eq!(Version::resolve(Some(announced)).to_string(), answered, "{announced:?}");
        }
    }

    /// LEG-120, §2.3.
    #[test]
    fn from_1_4_on_connections_start_by_a_request() {
        for (announced, delayed) in
            [("1.2", false), ("1.3", false), ("1.3.9", false), ("1.4", true), ("2.1", true)]
        {
            assert_eq!(Version::resolve(Some(announced)).starts_delayed(), delayed, "{announced}");
        }
        assert!(!Version::resolve(None).starts_delayed());
    }
}
