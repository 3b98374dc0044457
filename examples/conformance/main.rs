//! An ordinary program on the public API that offers what recorded conversations with the original
//! server, and real clients, are checked against.
//!
//! `conformance HOST --listen ADDRESS [--driver auto|uring|epoll] [--shards N]`; HOST is `core`
//! or `classic` (the hosts of the transcripts in `tests/transcripts`) or `functional` (the hubs that
//! client libraries are driven against). Nothing of it is fit for the open: it signs in whoever says a
//! name.

mod classic;
mod core;
mod events;
mod functional;
mod sign_in;
mod values;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tickhub::{Config, DriverChoice, Server};
use tracing_subscriber::EnvFilter;

/// Offers a host for checks.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to offer.
    host: Host,
    /// Address to listen on; port 0 is any free port.
    #[arg(long)]
    listen: SocketAddr,
    /// Way to talk to the kernel: auto, uring or epoll.
    #[arg(long, default_value_t)]
    driver: DriverChoice,
    /// Threads that each run a shard.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Origins of pages that may use the mount `/cors` of the host `classic`.
    #[arg(long)]
    origin: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Host {
    /// The host of the recorded conversations with ASP.NET Core SignalR.
    Core,
    /// The host of the recorded conversations with classic SignalR.
    Classic,
    /// The hubs that client libraries are driven against.
    Functional,
}

/// Whoever waits for the end of the process waits ten seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    let server = Server::new(Config {
        listen: vec![arguments.listen],
        driver: arguments.driver,
        shards: arguments.shards,
        drain_timeout: DRAIN_TIMEOUT,
        ..Config::default()
    });
    let server = match arguments.host {
        Host::Core => core::serve(server),
        Host::Classic => classic::serve(server, &arguments.origin),
        Host::Functional => functional::serve(server),
    };
    let server = server.on_listening(|addresses| {
        for address in addresses {
            println!("Now listening on: http://{address}");
        }
    });
    match server.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}
