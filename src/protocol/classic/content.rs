//! Types of content and bodies that never change (LEG §1.2).

/// The type of JSON answers.
pub const JSON_TYPE: &str = "application/json; charset=UTF-8";
/// The type of the hub script and of JSONP answers.
pub const JAVASCRIPT_TYPE: &str = "application/javascript; charset=UTF-8";
/// The type of the document of a forever frame (LEG-085).
pub const FRAME_TYPE: &str = "text/html; charset=UTF-8";

/// The answer to `/start` (LEG-025).
pub const STARTED: &[u8] = br#"{ "Response": "started" }"#;
/// The answer to `/ping` (LEG-024).
pub const PONG: &[u8] = br#"{ "Response": "pong" }"#;

/// The data of the first event of every event stream (LEG-077).
pub const INITIALIZED: &[u8] = b"initialized";
