//! What is asked for on the command line.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use tickhub::HubProtocolKind;
use tickhub::client::web::Way;

use crate::classic::Mount;
use crate::error::Error;
use crate::route::SOURCES_MAX;
use crate::stamp::Stamp;

/// Loads a SignalR server and says what it did, how fast, and at what cost.
#[derive(Debug, Parser)]
#[command(name = "tickhub-load", version, about)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) mode: Mode,
}

/// The modes.
#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// Each connection keeps calls in flight: how much the server gets done (closed loop).
    Echo(EchoArguments),
    /// One connection publishes at a fixed rate to all: how late messages come (open loop).
    FanOut(FanOutArguments),
    /// Opens connections and holds them: how many there can be, and what they cost.
    Idle(IdleArguments),
}

/// Options of the echo mode.
#[derive(Debug, Args)]
pub(crate) struct EchoArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(flatten)]
    pub(crate) traffic: TrafficArguments,
    /// Connections.
    #[arg(long, default_value_t = 100, value_parser = connections())]
    pub(crate) connections: u32,
    /// Calls that each connection keeps in flight.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) in_flight: u32,
}

/// Options of the fan-out mode.
#[derive(Debug, Args)]
pub(crate) struct FanOutArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(flatten)]
    pub(crate) traffic: TrafficArguments,
    /// Connections. All receive; the first one publishes, too.
    #[arg(long, default_value_t = 1000, value_parser = connections())]
    pub(crate) connections: u32,
    /// Messages published in a second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
    /// What messages come over. The publisher has a WebSocket in any case.
    #[arg(long, value_enum, default_value_t = Transport::Websockets)]
    pub(crate) transport: Transport,
    /// Path and hub of classic connections.
    #[arg(long, default_value = "/bench/signalr,BenchHub", value_name = "PATH,HUB")]
    pub(crate) classic_mount: Mount,
}

/// Options of the idle mode.
#[derive(Debug, Args)]
pub(crate) struct IdleArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Connections.
    #[arg(long, default_value_t = 1000, value_parser = connections())]
    pub(crate) connections: u32,
    /// How long to hold them, in seconds.
    #[arg(long, default_value_t = 10, value_parser = seconds(1))]
    pub(crate) seconds: u32,
}

/// Options of the modes that send messages.
#[derive(Debug, Args)]
pub(crate) struct TrafficArguments {
    /// Bytes of the text in a message.
    #[arg(long, default_value_t = 64, value_parser = size)]
    pub(crate) size: usize,
    /// How long to measure, in seconds.
    #[arg(long, default_value_t = 10, value_parser = seconds(1))]
    pub(crate) seconds: u32,
    /// How long to run before that, in seconds.
    #[arg(long, default_value_t = 2, value_parser = seconds(0))]
    pub(crate) warm_up: u32,
    /// A message that takes longer is counted as late, in milliseconds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) late_ms: u32,
    /// Names of the hub: method that returns its text, method that sends it to all, and the
    /// method of the client that this calls.
    #[arg(long, default_value = "Echo,Broadcast,message", value_name = "NAMES")]
    pub(crate) hub_methods: HubMethods,
}

/// Options of all modes.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// The hub.
    #[arg(long, default_value = "http://127.0.0.1:5000/bench")]
    pub(crate) url: String,
    /// Load a server on another machine. Only do that to your own.
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// How messages are encoded.
    #[arg(long, value_enum, default_value_t = Protocol::Json)]
    pub(crate) protocol: Protocol,
    /// Negotiate before connecting, as most clients do. Other transports than WebSockets always do.
    #[arg(long)]
    pub(crate) negotiate: bool,
    /// Come from so many loopback addresses (127.1.x.y): one has ports for 28,000 connections.
    #[arg(
        long,
        default_value_t = 0,
        hide_default_value = true,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(0..=i64::from(SOURCES_MAX)),
    )]
    pub(crate) source_addresses: u32,
    /// The server's process, to measure its CPU time and memory.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// How long all connections may take to open, in seconds.
    #[arg(long, default_value_t = 60, value_parser = seconds(1))]
    pub(crate) open_timeout: u32,
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The hub protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// Text.
    Json,
    /// Binary.
    #[value(name = "messagepack")]
    MessagePack,
}

/// What carries messages to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    /// One socket, both ways.
    Websockets,
    /// An event stream, and a POST for what the client says.
    ServerSentEvents,
    /// The WebSocket of classic SignalR 2.x, at --classic-mount.
    Classic,
}

/// Names of the methods that are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubMethods {
    /// Returns its argument.
    pub(crate) echo: String,
    /// Sends its argument to all connections.
    pub(crate) broadcast: String,
    /// What the clients are called by then.
    pub(crate) message: String,
}

impl Mode {
    /// The name of the mode.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Echo(_) => "echo",
            Self::FanOut(_) => "fan-out",
            Self::Idle(_) => "idle",
        }
    }

    /// The options that all modes have.
    pub(crate) fn common(&self) -> &CommonArguments {
        match self {
            Self::Echo(echo) => &echo.common,
            Self::FanOut(fan_out) => &fan_out.common,
            Self::Idle(idle) => &idle.common,
        }
    }

    /// How many connections there are to be.
    pub(crate) fn connections(&self) -> u32 {
        match self {
            Self::Echo(echo) => echo.connections,
            Self::FanOut(fan_out) => fan_out.connections,
            Self::Idle(idle) => idle.connections,
        }
    }

    /// What messages come over.
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::FanOut(fan_out) => fan_out.transport,
            Self::Echo(_) | Self::Idle(_) => Transport::Websockets,
        }
    }

    /// Where connections of classic SignalR go, if there are to be any.
    pub(crate) fn classic_mount(&self) -> Option<&Mount> {
        match self {
            Self::FanOut(fan_out) if fan_out.transport == Transport::Classic => {
                Some(&fan_out.classic_mount)
            }
            _ => None,
        }
    }

    /// Looks at options that exclude each other.
    ///
    /// # Errors
    ///
    /// Two do.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match (self.transport(), self.common().protocol) {
            (Transport::ServerSentEvents, Protocol::MessagePack) => Err(Error::Usage(
                "--transport server-sent-events carries text only: it needs --protocol json".into(),
            )),
            (Transport::Classic, Protocol::MessagePack) => Err(Error::Usage(
                "--transport classic has one hub protocol, and that is --protocol json".into(),
            )),
            _ => Ok(()),
        }
    }
}

impl FromStr for Mount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, hub) =
            text.split_once(',').ok_or("say a path and the name of a hub, PATH,HUB")?;
        Ok(Self { path: path.to_owned(), hub: hub.to_owned() })
    }
}

impl Protocol {
    /// The same, as the library names it.
    pub(crate) fn kind(self) -> HubProtocolKind {
        match self {
            Self::Json => HubProtocolKind::Json,
            Self::MessagePack => HubProtocolKind::MessagePack,
        }
    }
}

impl Transport {
    /// How a connection is carried without a WebSocket.
    pub(crate) fn way(self) -> Option<Way> {
        match self {
            Self::Websockets | Self::Classic => None,
            Self::ServerSentEvents => Some(Way::ServerSentEvents),
        }
    }
}

impl CommonArguments {
    /// How long all connections may take to open.
    pub(crate) fn open_timeout(&self) -> Duration {
        Duration::from_secs(self.open_timeout.into())
    }
}

impl TrafficArguments {
    /// How long to run before measuring.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up.into())
    }

    /// How long to measure.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// From where on a message is late.
    pub(crate) fn late_after(&self) -> Duration {
        Duration::from_millis(self.late_ms.into())
    }
}

impl FromStr for HubMethods {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<&str> = text.split(',').collect();
        match names[..] {
            [echo, broadcast, message] if names.iter().all(|name| !name.is_empty()) => Ok(Self {
                echo: echo.to_owned(),
                broadcast: broadcast.to_owned(),
                message: message.to_owned(),
            }),
            _ => Err("give three names with commas between them, such as Echo,Broadcast,message"),
        }
    }
}

fn connections() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=CONNECTIONS_MAX)
}

fn seconds(least: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(least..=SECONDS_MAX)
}

fn size(text: &str) -> Result<usize, String> {
    let size = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (Stamp::BYTES..=SIZE_MAX).contains(&size) {
        Ok(size)
    } else {
        Err(format!("it is not in {}..={SIZE_MAX} (the stamp needs room)", Stamp::BYTES))
    }
}

const CONNECTIONS_MAX: i64 = 1_000_000;
const SECONDS_MAX: i64 = 3600;
const SIZE_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_ascii_whitespace())
    }

    #[test]
    fn each_mode_has_its_options() {
        let line = "load echo --connections 7 --in-flight 3 --size 100 --seconds 1 --warm-up 0";
        assert!(matches!(parse(line).unwrap().mode, Mode::Echo(echo) if echo.in_flight == 3));
        let fan_out = parse("load fan-out --rate 60 --hub-methods a,b,c").unwrap();
        assert!(matches!(fan_out.mode, Mode::FanOut(fan_out)
            if fan_out.traffic.hub_methods.message == "c"));
        assert_eq!(parse("load idle").unwrap().mode.connections(), 1000);
    }

    #[test]
    fn an_event_stream_carries_no_binary() {
        let streams = "load fan-out --transport server-sent-events";
        assert!(parse(streams).unwrap().mode.check().is_ok());
        let binary = parse(&format!("{streams} --protocol messagepack")).unwrap().mode;
        assert!(binary.check().unwrap_err().to_string().contains("--protocol json"));
        assert!(parse("load echo --protocol messagepack").unwrap().mode.check().is_ok());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for line in [
            "load",
            "load echo --connections 0",
            "load echo --in-flight 0",
            "load echo --size 10",
            "load echo --seconds 0",
            "load echo --rate 5",
            "load fan-out --rate 0",
            "load fan-out --hub-methods a,b",
            "load fan-out --hub-methods a,,c",
            "load idle --size 64",
            "load idle --protocol xml",
            "load echo --transport server-sent-events",
            "load fan-out --transport long-polling",
            "load idle --source-addresses 70000",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
