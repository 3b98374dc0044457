//! Where threads, clocks, files and processes live: shards on drivers, and the program around
//! them.

mod config;
mod error;
mod files;
mod key_files;
mod mailbox;
mod serve;
mod shard;

pub use config::Config;
pub use error::Error;
pub use files::Files;
pub use mailbox::Post;
pub use serve::Server;
pub use shard::Shard;
