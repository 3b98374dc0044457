//! The corpora of the fuzz targets, replayed: what was found once is found at once again, on the
//! stable compiler and without the fuzzer.

#[path = "fuzz/checks/mod.rs"]
mod checks;

use std::fs;
use std::path::Path;

/// A target without a corpus would be a test that cannot fail.
const INPUTS_MIN: usize = 10;

fn replay(target: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("every target has a corpus") {
        let path = entry.expect("a readable folder").path();
        let data = fs::read(&path).expect("a readable file");
        let checked = std::panic::catch_unwind(|| checks::run(target, &data));
        assert!(checked.is_ok(), "{} does not hold", path.display());
        count += 1;
    }
    assert!(count >= INPUTS_MIN, "{target} has only {count} inputs");
}

macro_rules! corpora {
    ($($target:ident),* $(,)?) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_is_replayed() {
            let known: Vec<&str> = checks::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, [$(stringify!($target)),*]);
        }
    };
}

corpora!(
    request_head,
    chunked_body,
    frames,
    deflate,
    json,
    messagepack,
    url,
    connection,
    classic_invocation,
    classic_tokens,
    classic_parameters,
    classic_writers,
);
