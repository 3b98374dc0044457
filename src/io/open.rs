//! The choice of a driver, at run time.

use std::fmt;
use std::io;
use std::str::FromStr;

use super::epoll::Epoll;
use super::uring::Uring;
use super::{Driver, Listener};

/// Which driver to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverChoice {
    /// `io_uring` where the kernel allows it, else epoll.
    #[default]
    Auto,
    /// `io_uring` or an error.
    Uring,
    /// epoll.
    Epoll,
}

/// The word names no driver.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{word:?} is no driver: say auto, uring or epoll")]
pub struct UnknownDriver {
    word: String,
}

impl FromStr for DriverChoice {
    type Err = UnknownDriver;

    fn from_str(word: &str) -> Result<Self, UnknownDriver> {
        match word {
            "auto" => Ok(Self::Auto),
            "uring" => Ok(Self::Uring),
            "epoll" => Ok(Self::Epoll),
            _ => Err(UnknownDriver { word: word.to_owned() }),
        }
    }
}

impl fmt::Display for DriverChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        })
    }
}

/// Opens a driver that accepts from `listeners`, on the thread that will run it: `io_uring` binds
/// itself to that thread.
pub fn open(choice: DriverChoice, listeners: Vec<Listener>) -> io::Result<Box<dyn Driver>> {
    let refused = match choice {
        DriverChoice::Epoll => {
            tracing::info!(driver = "epoll", "driver chosen, as configured");
            return Ok(Box::new(Epoll::new(listeners)?));
        }
        DriverChoice::Uring | DriverChoice::Auto => match Uring::probe() {
            Ok(ring) => {
                let driver = Uring::new(ring, listeners)?;
                tracing::info!(driver = "io_uring", features = driver.features(), "driver chosen");
                return Ok(Box::new(driver));
            }
            Err(error) => error,
        },
    };
    if choice == DriverChoice::Uring {
        let text = format!(
            "io_uring refused by the kernel ({refused}): use --driver epoll, or allow io_uring \
             in the container's seccomp profile and in the sysctl kernel.io_uring_disabled"
        );
        return Err(io::Error::new(refused.kind(), text));
    }
    tracing::info!(driver = "epoll", %refused, "driver chosen, because io_uring was refused");
    Ok(Box::new(Epoll::new(listeners)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_chosen_by_word() {
        for choice in [DriverChoice::Auto, DriverChoice::Uring, DriverChoice::Epoll] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "kqueue".parse::<DriverChoice>().expect_err("there is no such driver");
        assert_eq!(error.to_string(), "\"kqueue\" is no driver: say auto, uring or epoll");
    }
}
