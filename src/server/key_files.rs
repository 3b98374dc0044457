//! Keys that are read from files, at start.

use std::path::Path;

use super::error::Error;
use crate::auth::{Jwt, JwtAlgorithm, JwtError};

impl Jwt {
    /// Adds the secret in a file; see [`Jwt::secret`]. One line end at its end is not part of it.
    /// The file is read once, now.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or its secret is of no use for this algorithm.
    pub fn secret_file(
        self,
        algorithm: JwtAlgorithm,
        path: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let secret = line.strip_suffix(b"\r").unwrap_or(line);
        self.secret(algorithm, secret).map_err(|error| in_file(path, error))
    }

    /// Adds a public key from a PEM file; see [`Jwt::pem`]. The file is read once, now.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds no key for this algorithm.
    pub fn pem_file(self, algorithm: JwtAlgorithm, path: impl AsRef<Path>) -> Result<Self, Error> {
        let pem = read(path.as_ref())?;
        self.pem(algorithm, pem.as_bytes()).map_err(|error| in_file(path.as_ref(), error))
    }

    /// Adds the keys of a key set (JWKS) from a file; see [`Jwt::key_set`]. The file is read once,
    /// now.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or its keys cannot be used.
    pub fn key_set_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let json = read(path.as_ref())?;
        self.key_set(&json).map_err(|error| in_file(path.as_ref(), error))
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|source| Error::Unreadable { path: path.to_owned(), source })
}

fn in_file(path: &Path, error: JwtError) -> Error {
    Error::Keys { path: path.to_owned(), error }
}
