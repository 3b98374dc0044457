//! The rules of the house that a machine can check: who may look at whom, what the pure layers
//! must not call, and how long a file may be. `src/ARCHITECTURE.md` says why.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, and the ones that each may use beside itself. `server`, `client` and `sim` are
/// ends; nobody uses them.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("protocol", &["base"]),
    ("auth", &["base", "protocol"]),
    ("transport", &["base", "protocol", "auth"]),
    ("hub", &["base", "protocol", "auth", "transport"]),
    ("raw", &["base", "protocol", "auth", "transport", "hub"]),
    ("classic", &["base", "protocol", "auth", "transport", "hub"]),
    ("shard", &["base", "protocol", "auth", "transport", "hub", "raw", "classic", "io"]),
    ("io", &["base"]),
    ("server", &["base", "protocol", "auth", "transport", "hub", "raw", "classic", "shard", "io"]),
    ("client", &["base", "protocol"]),
    (
        "sim",
        &[
            "base",
            "protocol",
            "auth",
            "transport",
            "hub",
            "raw",
            "classic",
            "shard",
            "io",
            "client",
        ],
    ),
];

/// What `shard` may name of `io`: the vocabulary, no driver.
const VOCABULARY: &[&str] = &["Completion", "Descriptor", "Op"];

/// Layers without a kernel: everything comes in as an argument.
const PURE: &[&str] =
    &["base", "protocol", "auth", "transport", "hub", "raw", "classic", "shard", "client", "sim"];

/// What a pure layer must not call, and what it does in its place.
const BANNED_IN_PURE: &[(&str, &str)] = &[
    ("Instant::now", "take the time as an argument (base::Moment)"),
    ("SystemTime::now", "take the time as an argument"),
    ("std::thread", "threads live in server"),
    ("TcpStream", "sockets live in io"),
    ("TcpListener", "sockets live in io"),
    ("std::fs", "files live in server"),
    ("println!", "use tracing"),
];

/// What nobody calls.
const BANNED: &[(&str, &str)] = &[
    ("collections::HashMap", "use base::HashMap, whose hasher is keyed (T-HASH)"),
    ("HashMap::new(", "use base::HashMap::default()"),
    (".unwrap()", "say with expect() why it cannot fail, or return the error"),
    ("todo!(", "write it"),
    ("unimplemented!(", "write it"),
    ("dbg!(", "remove it"),
];

/// Files with a reason to break a rule: path, rule, reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("src/base/hash.rs", "collections::HashMap", "the one place where the keyed map is made")];

const LINES_MAX: usize = 700;

/// Code of one file: its path from the root, and its lines up to the unit tests.
struct Source {
    path: String,
    layer: String,
    lines: Vec<String>,
    all_lines: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    assert!(files.len() > 30, "the sources were found");
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).expect("a source is UTF-8");
            let path = file.strip_prefix(root).expect("it is below the root");
            let path = path.to_string_lossy().replace('\\', "/");
            let layer = path
                .trim_start_matches("src/")
                .split(['/', '.'])
                .next()
                .unwrap_or_default()
                .to_owned();
            let all_lines = text.lines().count();
            // Unit tests stand at the end of a file, and may do what code must not.
            let lines = text
                .lines()
                .take_while(|line| !line.starts_with("#[cfg(test)]"))
                .map(|line| match line.trim_start() {
                    comment if comment.starts_with("//") => String::new(),
                    _ => line.to_owned(),
                })
                .collect();
            Source { path, layer, lines, all_lines }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn complain(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

#[test]
fn a_layer_uses_only_those_below_it() {
    let mut complaints = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == source.layer) else {
            assert!(
                matches!(source.path.as_str(), "src/lib.rs" | "src/main.rs"),
                "{} is in no layer: add it to the table and to ARCHITECTURE.md",
                source.path
            );
            continue;
        };
        for (number, line) in source.lines.iter().enumerate() {
            for used in line.split("crate::").skip(1) {
                let name: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_layer = LAYERS.iter().any(|(layer, _)| *layer == name);
                if is_layer && name != source.layer && !allowed.contains(&name.as_str()) {
                    complaints.push(format!(
                        "{}:{}: {} must not use {name}",
                        source.path,
                        number + 1,
                        source.layer
                    ));
                }
            }
        }
    }
    complain("layers", &complaints);
}

#[test]
fn the_shard_knows_only_the_vocabulary_of_io() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.layer == "shard") {
        let text = source.lines.join("\n");
        for used in text.split("crate::io::").skip(1) {
            let end = used.find(';').unwrap_or(used.len());
            let names = used[..end].split(|c: char| !c.is_alphanumeric()).filter(|n| !n.is_empty());
            for name in names {
                if !VOCABULARY.contains(&name) {
                    complaints.push(format!("{}: io::{name}", source.path));
                }
            }
        }
    }
    complain("shard sees Op and Completion, no driver", &complaints);
}

#[test]
fn nobody_calls_what_is_banned() {
    let mut complaints = Vec::new();
    for source in sources() {
        let pure = PURE.contains(&source.layer.as_str());
        let banned = BANNED.iter().chain(BANNED_IN_PURE.iter().filter(|_| pure));
        for (call, instead) in banned {
            if EXCEPTIONS.iter().any(|(path, rule, _)| *path == source.path && rule == call) {
                continue;
            }
            for (number, line) in source.lines.iter().enumerate() {
                if line.contains(call) {
                    let place = format!("{}:{}", source.path, number + 1);
                    complaints.push(format!("{place}: {call}: {instead}"));
                }
            }
        }
    }
    complain("banned calls", &complaints);
}

#[test]
fn unsafe_lives_in_io_and_says_why() {
    let mut complaints = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in sources() {
        let text = fs::read_to_string(root.join(&source.path)).expect("it was read before");
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let is_unsafe =
                ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| code.contains(word));
            if !is_unsafe {
                continue;
            }
            let place = format!("{}:{}", source.path, number + 1);
            if source.layer != "io" {
                complaints.push(format!("{place}: unsafe outside of io"));
            }
            let before = &lines[number.saturating_sub(8)..number];
            if !before.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety")) {
                complaints.push(format!("{place}: unsafe without a SAFETY comment"));
            }
        }
    }
    complain("unsafe", &complaints);
}

#[test]
fn files_stay_short() {
    let complaints: Vec<String> = sources()
        .iter()
        .filter(|source| source.all_lines > LINES_MAX)
        .map(|source| format!("{} has {} lines", source.path, source.all_lines))
        .collect();
    complain("files have at most 700 lines, and aim at 400", &complaints);
}

#[test]
fn every_module_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let complaints: Vec<String> = sources()
        .iter()
        .filter(|source| {
            let text = fs::read_to_string(root.join(&source.path)).expect("it was read before");
            !text.starts_with("//!")
        })
        .map(|source| source.path.clone())
        .collect();
    complain("a file begins with what it is for", &complaints);
}
