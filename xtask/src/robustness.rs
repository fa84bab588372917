//! `docs/robustness.md`, of parts: each command rewrites its own and leaves the others as they are.

pub(crate) mod sins;

use std::fs;

use anyhow::{Context as _, Result};

use crate::shell;

const HEAD: &str = "# Robustness\n\nEach part is made by the command that it names.\n";

/// The parts, in their order.
const PARTS: [&str; 3] = ["misbehaving", "others", "endurance"];

/// Rewrites one part of the page.
pub(crate) fn write(part: &str, text: &str) -> Result<()> {
    let path = shell::root().join("docs/robustness.md");
    let page = if path.is_file() {
        fs::read_to_string(&path)?
    } else {
        HEAD.to_owned()
    };
    fs::write(&path, with_part(&page, part, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("docs/robustness.md: {part} is written");
    Ok(())
}

fn with_part(page: &str, part: &str, text: &str) -> String {
    let mut out = HEAD.to_owned();
    for known in PARTS {
        let (begin, end) = (
            format!("<!-- {known} -->\n"),
            format!("<!-- /{known} -->\n"),
        );
        let old = page
            .split_once(&begin)
            .and_then(|(_, rest)| rest.split_once(&end))
            .map(|(text, _)| text);
        let new = if known == part { Some(text) } else { old };
        if let Some(new) = new {
            out.push_str(&format!("\n{begin}{}\n{end}", new.trim_end()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_replaces_itself_and_nothing_else() {
        let first = with_part(HEAD, "endurance", "## Days\n");
        let both = with_part(&first, "misbehaving", "## Sins\n\nmany\n");
        assert!(both.find("## Sins") < both.find("## Days"), "{both}");
        let again = with_part(&both, "misbehaving", "## Sins\n\nmore\n");
        assert_eq!(again, both.replace("many", "more"));
        assert_eq!(with_part(&again, "endurance", "## Days\n"), again);
    }
}
