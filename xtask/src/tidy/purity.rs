//! Pure crates: no socket, clock, thread, environment, file or global (STYLE.md section 1).
//!
//! Clippy's `disallowed-methods` says the same to whoever writes the code; this check also sees what a feature hides
//! and what an `#[expect]` would let through.

use std::{fs, path::Path};

use anyhow::Result;

use super::{
    edges::{LAYERS, Layer},
    source,
};
use crate::shell;

/// What must not occur in the code of a pure crate, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("Instant::now", "time is the argument `now`"),
    ("SystemTime::now", "wall-clock time is an argument"),
    ("UNIX_EPOCH.elapsed", "wall-clock time is an argument"),
    ("UdpSocket", "sockets belong to the driver"),
    ("TcpStream", "sockets belong to the driver"),
    ("TcpListener", "sockets belong to the driver"),
    ("UnixStream", "sockets belong to the driver"),
    (
        "ToSocketAddrs",
        "names are resolved by an output and an input",
    ),
    ("std::env", "configuration is an argument"),
    ("std::fs", "files belong to the umbrella"),
    ("std::process", "processes belong to the program"),
    ("std::thread", "machines own no thread"),
    ("thread_local!", "there is no global of any kind"),
    ("lazy_static!", "there is no global of any kind"),
    ("OnceLock", "there is no global of any kind"),
    ("LazyLock", "there is no global of any kind"),
    ("static mut ", "there is no global of any kind"),
    ("Arc<Mutex", "nobody shares a machine"),
    ("Rc<RefCell", "nobody shares a machine"),
    ("Mutex<", "machines take no lock"),
    ("RwLock<", "machines take no lock"),
    ("mpsc::", "values come up as outputs"),
    ("async fn", "machines do not wait"),
    (".await", "machines do not wait"),
    ("tokio::", "the runtime belongs to the driver"),
    ("rand::rng(", "randomness comes from the `Seed`"),
    ("thread_rng", "randomness comes from the `Seed`"),
    ("SysRng", "randomness comes from the `Seed`"),
    ("OsRng", "randomness comes from the `Seed`"),
    ("println!", "a library prints nothing"),
];

/// What a pure crate holds all the same: file, word, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "sip-transport/src/seed.rs",
    "SysRng",
    "`Seed::from_system` exists only with the feature `tokio`, for the driver to call once",
)];

pub(crate) fn check() -> Result<Vec<String>> {
    let root = shell::root();
    let mut found = Vec::new();
    for layer in LAYERS {
        let src = root.join(layer.dir).join("src");
        if layer.pure {
            let paths = source::files(&src)?;
            let tests = source::test_modules(&paths)?;
            for path in &paths {
                let name = path
                    .strip_prefix(&root)
                    .unwrap_or(path)
                    .display()
                    .to_string();
                if is_driver(layer, &name)
                    || source::is_test(path)
                    || tests
                        .iter()
                        .any(|test| path.starts_with(test) || *path == test.with_extension("rs"))
                {
                    continue;
                }
                found.extend(findings(&name, &fs::read_to_string(path)?, layer.no_std));
            }
        }
    }
    found.extend(forbid_unsafe(&root)?);
    Ok(found)
}

/// The one place of a pure crate that may touch the system: the feature that drives it.
fn is_driver(layer: &Layer, path: &str) -> bool {
    layer.name == "sip-transport"
        && (path == "sip-transport/src/tokio.rs" || path.starts_with("sip-transport/src/tokio/"))
}

fn findings(name: &str, text: &str, no_std: bool) -> Vec<String> {
    let code = source::code(text);
    let end = source::tests_from(&code);
    let mut found = Vec::new();
    for (number, line) in code.lines().take(end).enumerate() {
        for (word, reason) in FORBIDDEN {
            let excepted = EXCEPTIONS
                .iter()
                .any(|(file, what, _)| *file == name && what == word);
            if line.contains(word) && !excepted {
                found.push(format!(
                    "{name}:{}: `{}`: {reason}",
                    number + 1,
                    word.trim()
                ));
            }
        }
        if no_std && line.contains("std::") && !line.contains("feature") {
            found.push(format!(
                "{name}:{}: `std::` in a crate that is no_std: use `core::` or `alloc::`",
                number + 1
            ));
        }
    }
    found
}

/// Every crate root, of libraries, programs and fuzz targets' packages, forbids unsafe code.
fn forbid_unsafe(root: &Path) -> Result<Vec<String>> {
    let mut roots = vec![
        root.join("src/lib.rs"),
        root.join("src/bin/sip/main.rs"),
        root.join("sip-testkit/src/lib.rs"),
        root.join("xtask/src/main.rs"),
    ];
    roots.extend(
        LAYERS
            .iter()
            .filter(|layer| layer.pure)
            .map(|layer| root.join(layer.dir).join("src/lib.rs")),
    );
    roots.extend(Some(root.join("benches/src/lib.rs")).filter(|path| path.is_file()));
    let mut found = Vec::new();
    for path in roots {
        let code = source::code(&fs::read_to_string(&path)?);
        if !code.contains("#![forbid(unsafe_code)]") {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            found.push(format!("{name}: without #![forbid(unsafe_code)]"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_the_code_is_found_and_one_in_a_comment_or_test_is_not() {
        let text = "/// let now = Instant::now();\nfn a() { Instant::now(); }\n#[cfg(test)]\nmod tests {\n fn b() { Instant::now(); }\n}\n";
        assert_eq!(
            findings("x.rs", text, false),
            ["x.rs:2: `Instant::now`: time is the argument `now`"]
        );
    }

    #[test]
    fn std_in_a_no_std_crate_is_found() {
        assert_eq!(
            findings("x.rs", "use std::vec::Vec;\nuse core::fmt;\n", true).len(),
            1
        );
        assert!(findings("x.rs", "use std::vec::Vec;\n", false).is_empty());
    }
}
