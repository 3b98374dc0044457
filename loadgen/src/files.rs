//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::Error;

/// Raises the limit of open files as far as is needed.
///
/// # Errors
///
/// The system does not allow so many.
pub(crate) fn allow(connections: u32, files_each: u32) -> Result<(), Error> {
    let needed = u64::from(connections) * u64::from(files_each) + SPARE_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = maximum.filter(|maximum| *maximum < needed) {
        return Err(Error::Usage(format!(
            "--connections {connections}: {needed} open files are needed and a process may have {maximum}"
        )));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|error| Error::System(error.into()))
}

/// Descriptors that are no connections: epoll, timer, standard streams, `/proc`.
const SPARE_FILES: u64 = 16;
