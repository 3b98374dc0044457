//! The conformance program as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; it ends with this value.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The example that was built beside this test.
pub(crate) fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let target = test.parent().and_then(Path::parent).expect("it is in the folder deps");
    target.join("examples/conformance")
}

impl Program {
    /// Starts a server with a host of the transcripts on a free port.
    pub(crate) fn start(host: &str, driver: &str) -> Result<Self, String> {
        let path = path();
        let mut command = Command::new(&path);
        command.args([host, "--listen", "127.0.0.1:0", "--driver", driver]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| {
                format!("{}: {error} (cargo build --example conformance)", path.display())
            })?;
        let output = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let address = line.trim().strip_prefix("Now listening on: http://");
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            return Ok(Self { child, address });
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the server did not start: {read:?} {line:?}"))
    }

    /// Asks it to end.
    pub(crate) fn stop(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.is_ok_and(|status| status.success()), "the process is there");
    }

    /// Whether it ends in time.
    pub(crate) fn has_ended(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) => return true,
                _ if Instant::now() > until => return false,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
