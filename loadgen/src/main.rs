//! tickhub-load: loads a SignalR server and says what it did, how fast, and at what cost.

mod arguments;
mod census;
mod classic;
mod echo;
mod error;
mod fan_out;
mod files;
mod fleet;
mod idle;
mod line;
mod report;
mod route;
mod schedule;
mod socket;
mod stamp;
mod stats;
mod timer;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use tickhub::base::Rng;

use crate::arguments::{Arguments, Mode};
use crate::error::Error;
use crate::fleet::Fleet;
use crate::report::Report;
use crate::route::Route;
use crate::usage::Watch;

fn main() -> ExitCode {
    let mode = match Arguments::try_parse() {
        Ok(arguments) => arguments.mode,
        Err(error) => return refuse(&error),
    };
    match load(&mode) {
        Ok(report) => {
            let text = if mode.common().json {
                let mut text = serde_json::to_string(&report).expect("its keys are strings");
                text.push('\n');
                text
            } else {
                report.to_string()
            };
            // A reader that has gone does not change what was found.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!report.is_ok()))
        }
        Err(error) => {
            eprintln!("tickhub-load: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn load(mode: &Mode) -> Result<Report, Error> {
    mode.check()?;
    let common = mode.common();
    let route = Route::new(&common.url, common.allow_remote, common.source_addresses)?;
    let watch = Watch::new(common.server_pid)
        .map_err(|error| Error::Usage(format!("--server-pid: no such process ({error})")))?;
    let run = Rng::from_kernel()?.bits() as u32;
    let mut fleet = Fleet::new(route, mode)?;
    match mode {
        Mode::Echo(arguments) => {
            let (traffic, spent) = echo::run(&mut fleet, &watch, arguments, run)?;
            let report = Report::new(mode, fleet.census(), &spent);
            Ok(report.with_traffic(&traffic, arguments.traffic.late_ms, &spent))
        }
        Mode::FanOut(arguments) => {
            let (traffic, spent) = fan_out::run(&mut fleet, &watch, arguments, run)?;
            let report = Report::new(mode, fleet.census(), &spent);
            Ok(report.with_traffic(&traffic, arguments.traffic.late_ms, &spent))
        }
        Mode::Idle(arguments) => {
            let spent = idle::run(&mut fleet, &watch, arguments)?;
            Ok(Report::new(mode, fleet.census(), &spent))
        }
    }
}

/// Help and version go out as they are; a mistake is one line that says what to do.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let first = match error.kind() {
        clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "say what to do: echo, fan-out or idle"
        }
        _ => text.lines().next().unwrap_or_default().trim_start_matches("error: "),
    };
    eprintln!("tickhub-load: {first} (--help lists the options)");
    ExitCode::from(2)
}
