//! One program that serves every demo: an index page, the chat, connections without a hub, the bench
//! hub, plain WebSockets.

mod bench;
mod chat;
mod lab;
mod members;
mod questions;
mod raw;
mod sockets;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tickhub::{Config, DriverChoice, Error, Server};
use tracing_subscriber::EnvFilter;

/// Serves every demo of tickhub.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Configuration file (TOML); the options below win over it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Address to listen on (default 127.0.0.1:5000).
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Threads that each run a shard (default 1).
    #[arg(long)]
    shards: Option<usize>,
    /// Way to talk to the kernel: auto, uring or epoll (default auto).
    #[arg(long)]
    driver: Option<DriverChoice>,
    /// Directory of the pages.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/web"))]
    web: PathBuf,
    /// Serve the hubs of the tests, too (/hubs/lab, /hubs/members, /hubs/admins).
    #[arg(long)]
    lab: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demos: {error}");
            let is_mistake = matches!(error, Error::Config(_) | Error::Unreadable { .. });
            ExitCode::from(if is_mistake { 2 } else { 1 })
        }
    }
}

fn serve(arguments: &Arguments) -> Result<(), Error> {
    let mut config = match &arguments.config {
        Some(file) => Config::from_file(file)?,
        None => Config::default(),
    };
    if let Some(address) = arguments.listen {
        config.listen = vec![address];
    }
    config.shards = arguments.shards.unwrap_or(config.shards);
    config.driver = arguments.driver.unwrap_or(config.driver);
    let libraries = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules"));
    let mut server = Server::new(config)
        .files("/", &arguments.web)
        .files("/lib", libraries.join("@microsoft/signalr/dist/browser"))
        .files("/lib/jquery", libraries.join("jquery/dist"))
        .files("/lib/classic", libraries.join("signalr"));
    server = chat::serve(server);
    server = bench::serve(server);
    server = raw::serve(server);
    server = sockets::serve(server);
    if arguments.lab {
        server = lab::serve(server);
        server = members::serve(server).expect("a key of the right length was made just now");
    }
    server
        .on_listening(|addresses| {
            for address in addresses {
                println!("Now listening on: http://{address}");
            }
            // Whoever started the program through a pipe waits for this line.
            let _ = std::io::stdout().flush();
        })
        .run()
}

/// Help and version go out as they are; a mistake is one line that says what to do.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    eprintln!("demos: {first} (--help lists the options)");
    ExitCode::from(2)
}
