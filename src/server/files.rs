//! Files for browsers: pages, scripts, pictures.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::base::{HashMap, Shared};
use crate::protocol::http::files::{FileInfo, clean_path};
use crate::protocol::http::{Method, Request, Response};

/// A directory whose files are served, with validators (`ETag`, `Last-Modified`).
///
/// Contents are kept in memory and read again when a file changes. Links that lead out of the
/// directory are not followed, and hidden files are not served.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    cache_control: String,
    cache: HashMap<PathBuf, (FileInfo, Shared)>,
}

impl Files {
    /// The files below `root`. Clients ask each time whether theirs is still good.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), cache_control: "no-cache".into(), cache: HashMap::default() }
    }

    /// Sets the value of `Cache-Control`.
    #[must_use]
    pub fn cache_control(mut self, value: &str) -> Self {
        value.clone_into(&mut self.cache_control);
        self
    }

    pub(super) fn answer(&mut self, request: &Request<'_>, prefix: &str) -> Response<'static> {
        let path = request.path();
        let path = path.strip_prefix(prefix).unwrap_or(&path);
        let path = if path.is_empty() { "/" } else { path };
        let Some(relative) = clean_path(path) else {
            return Response::text(404, "Not Found");
        };
        let Some((path, info)) = self.find(relative) else {
            return Response::text(404, "Not Found");
        };
        match request.method() {
            Method::Get | Method::Head => {}
            Method::Options => return Response::new(204).header("Allow", METHODS),
            _ => return Response::text(405, "Method Not Allowed").header("Allow", METHODS),
        }
        if info.is_known_to(request.head()) {
            return info.not_modified(&self.cache_control);
        }
        match self.read(&path, info) {
            Some(bytes) => info.response(&path.to_string_lossy(), &self.cache_control, bytes),
            None => Response::text(404, "Not Found"),
        }
    }

    /// The file that a cleaned path names; a directory stands for its index page.
    fn find(&self, relative: &str) -> Option<(PathBuf, FileInfo)> {
        let mut path = self.root.join(relative);
        if path.is_dir() {
            path.push("index.html");
        }
        let real = path.canonicalize().ok()?;
        if !real.starts_with(self.root.canonicalize().ok()?) {
            return None;
        }
        let metadata = real.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((real, FileInfo { len: metadata.len(), modified }))
    }

    fn read(&mut self, path: &Path, info: FileInfo) -> Option<Shared> {
        if let Some((known, bytes)) = self.cache.get(path)
            && *known == info
        {
            return Some(bytes.clone());
        }
        let bytes = Shared::new(std::fs::read(path).ok()?);
        if info.len <= CACHED_BYTES_MAX {
            self.cache.insert(path.to_owned(), (info, bytes.clone()));
        }
        Some(bytes)
    }
}

const METHODS: &str = "GET, HEAD, OPTIONS";

/// Larger files are read each time.
const CACHED_BYTES_MAX: u64 = 4 * 1024 * 1024;
