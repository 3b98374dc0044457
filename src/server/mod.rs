//! Where threads, clocks, files and processes live: shards on drivers, and the program around
//! them.

mod config;
mod error;
mod files;
mod key_files;
mod mailbox;
mod serve;
mod setup;
mod shard;

pub use config::{Config, Settings};
pub use error::{ConfigMistake, ConfigPlace, Error};
pub use files::Files;
pub use mailbox::Post;
pub use serve::Server;
pub use shard::Shard;
