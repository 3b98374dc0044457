//! The two records of a handshake, which are JSON whatever protocol they are about (§3.2).

use super::members::{
    MEMBER_DEPTH, Refused, expect_number, expect_text, integer, members, not_an_integer, refused,
    text_in,
};
use super::scan::TextSpan;
use crate::protocol::hub_protocol::ProtocolError;
use crate::protocol::hub_protocol::handshake::Request;

/// Reads the request of a handshake.
pub(in super::super) fn read_handshake_request(
    record: &[u8],
) -> Result<Request<'_>, ProtocolError> {
    Ok(request(record)?)
}

/// Reads the answer to a handshake.
pub(in super::super) fn read_handshake_response(
    record: &[u8],
) -> Result<Result<(), String>, ProtocolError> {
    Ok(response(record)?)
}

fn request(record: &[u8]) -> Result<Request<'_>, Refused> {
    let (mut protocol, mut version) = (None, None);
    members(record, |name, scanner| {
        match name {
            b"protocol" => protocol = Some(expect_text(scanner, "protocol")?),
            b"version" => {
                let number = expect_number(scanner, "version")?;
                version = Some(integer(number).ok_or_else(|| not_an_integer("version", 32))?);
            }
            _ => drop(scanner.value(MEMBER_DEPTH)?),
        }
        Ok(())
    })?;
    let absent = |name| {
        let content = String::from_utf8_lossy(record);
        refused(format!("Missing required property '{name}'. Message content: {content}"))
    };
    let protocol: TextSpan = protocol.ok_or_else(|| absent("protocol"))?;
    let version = version.ok_or_else(|| absent("version"))?;
    let protocol = text_in(record, protocol)?;
    Ok(Request { protocol, version })
}

fn response(record: &[u8]) -> Result<Result<(), String>, Refused> {
    let mut error = None;
    members(record, |name, scanner| {
        match name {
            b"error" => error = Some(expect_text(scanner, "error")?),
            _ => drop(scanner.value(MEMBER_DEPTH)?),
        }
        Ok(())
    })?;
    let Some(error) = error else {
        return Ok(Ok(()));
    };
    Ok(Err(text_in(record, error)?.into_owned()))
}
