//! Rust source as tidy reads it: code without comments and literals, and where its tests begin.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// All Rust files below a directory, sorted; build directories are left out.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The same text with comments, strings and characters blanked, line by line as it was.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let skipped = match byte {
            b'/' if rest.starts_with(b"//") => rest
                .iter()
                .position(|&byte| byte == b'\n')
                .unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => block_comment(rest),
            b'"' => string(rest),
            b'r' | b'b' if !identifier_before(bytes, at) => raw_string(rest),
            b'\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            out.push(char::from(byte));
            at += 1;
        } else {
            out.extend(
                rest[..skipped]
                    .iter()
                    .map(|&byte| if byte == b'\n' { '\n' } else { ' ' }),
            );
            at += skipped;
        }
    }
    out
}

/// The line number (from 0) at which a file's own test module begins; the number of lines when it has none.
pub(crate) fn tests_from(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    lines
        .iter()
        .enumerate()
        .position(|(number, line)| {
            line.trim_start().starts_with("#[cfg(test)]")
                && lines[number..].iter().take(4).any(|line| {
                    let line = line.trim_start();
                    line.starts_with("mod ") && line.trim_end().ends_with('{')
                })
        })
        .unwrap_or(lines.len())
}

/// Is the whole file test code?
pub(crate) fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

/// The modules that are compiled for tests only (`#[cfg(test)] mod name;`), as paths without extension.
pub(crate) fn test_modules(files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in files {
        let code = code(&fs::read_to_string(path)?);
        // The modules of `foo.rs` are in `foo/`, those of a crate root beside it.
        let root = path
            .file_stem()
            .is_some_and(|stem| stem == "lib" || stem == "main");
        let dir = if root {
            path.parent().map(Path::to_path_buf).unwrap_or_default()
        } else {
            path.with_extension("")
        };
        let mut lines = code.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[cfg(test)]" {
                continue;
            }
            let declared = lines.by_ref().find(|line| !line.starts_with("#["));
            let name = declared
                .and_then(|line| line.rsplit_once("mod "))
                .and_then(|(_, name)| name.strip_suffix(';'));
            found.extend(name.map(|name| dir.join(name.trim())));
        }
    }
    Ok(found)
}

fn identifier_before(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`, `b"..."`, `br#"..."#`; 0 when it is none of them.
fn raw_string(rest: &[u8]) -> usize {
    let prefix = rest
        .iter()
        .take_while(|byte| matches!(byte, b'b' | b'r'))
        .count();
    if prefix > 2 {
        return 0;
    }
    let raw = rest[..prefix].contains(&b'r');
    let hashes = rest[prefix..]
        .iter()
        .take_while(|&&byte| byte == b'#')
        .count();
    if rest.get(prefix + hashes) != Some(&b'"') || (hashes > 0 && !raw) {
        return 0;
    }
    if !raw {
        return prefix + string(&rest[prefix..]);
    }
    let end: Vec<u8> = std::iter::once(b'"')
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let body = prefix + hashes + 1;
    rest[body..]
        .windows(end.len())
        .position(|window| window == end)
        .map_or(rest.len(), |found| body + found + end.len())
}

/// `'a'`, `'\n'`, `'\''`; a lifetime is not a character.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest
            .iter()
            .skip(3)
            .position(|&byte| byte == b'\'')
            .map_or(0, |found| found + 4);
    }
    // A character outside ASCII has up to four bytes.
    (2..=5)
        .find(|&end| rest.get(end) == Some(&b'\'') && (end == 2 || !rest[1].is_ascii()))
        .map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_kept() {
        let text = "let a = \"// no\"; // Instant::now\n/* x /* y */\nz */ let b = r#\"q\"u\"#; 'life: loop {}\nlet c = '\"'; b'\\'';";
        assert_eq!(
            code(text),
            "let a =        ;                \n            \n     let b =         ; 'life: loop {}\nlet c =    ; b    ;"
        );
    }

    #[test]
    fn the_test_module_is_found_and_a_cfg_on_an_item_is_not() {
        assert_eq!(
            tests_from(
                "fn a() {}\n#[cfg(test)]\nfn helper() {}\n\n\n\n#[cfg(test)]\nmod tests {\n}\n"
            ),
            6
        );
        assert_eq!(tests_from("fn a() {}\n#[cfg(test)]\nmod tests;\n"), 3);
    }
}
