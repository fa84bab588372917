//! The normative keywords of an RFC's text, section by section.

use std::{collections::BTreeMap, path::Path};

/// Per section number the keywords in their order.
pub(crate) type Sections = BTreeMap<String, Vec<String>>;

/// The keywords of RFC 2119 that demand something, longest first.
const KEYWORDS: [&str; 9] = [
    "NOT RECOMMENDED",
    "SHOULD NOT",
    "SHALL NOT",
    "MUST NOT",
    "RECOMMENDED",
    "REQUIRED",
    "SHOULD",
    "SHALL",
    "MUST",
];

/// The keywords of `rfcNNNN.txt` in this directory; `None` if the file is not there.
pub(crate) fn keywords(directory: &Path, rfc: u32) -> Option<Sections> {
    let bytes = std::fs::read(directory.join(format!("rfc{rfc}.txt"))).ok()?;
    Some(of_text(&String::from_utf8_lossy(&bytes), rfc))
}

fn of_text(text: &str, rfc: u32) -> Sections {
    let running_head = format!("RFC {rfc} ");
    let mut found = Sections::new();
    let mut section = "0".to_owned();
    let mut body = String::new();
    let mut close = |section: &str, body: &mut String| {
        let levels = levels(body);
        if !levels.is_empty() {
            found.entry(section.to_owned()).or_default().extend(levels);
        }
        body.clear();
    };
    for line in text.lines() {
        let line = line.trim_start_matches('\u{c}');
        let page_foot = line.trim_end().ends_with(']') && line.contains("[Page ");
        let page_head = line.starts_with(&running_head);
        if page_foot || page_head {
            continue;
        }
        if let Some(number) = heading(line) {
            close(&section, &mut body);
            number.clone_into(&mut section);
        }
        body.push_str(line);
        body.push('\n');
    }
    close(&section, &mut body);
    found
}

/// The number of a heading such as `8.1.1.7 Via` or `4.  Title`; entries of the table of contents are headings without text
/// below them, which does no harm.
fn heading(line: &str) -> Option<&str> {
    let (number, title) = line.split_once([' ', '\t'])?;
    let number = number.strip_suffix('.').unwrap_or(number);
    let plain = number
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let lettered = number.split_once('.').is_some_and(|(letter, rest)| {
        letter.len() == 1
            && letter.bytes().all(|byte| byte.is_ascii_uppercase())
            && rest
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    ((plain || lettered) && !title.trim().is_empty()).then_some(number)
}

fn levels(body: &str) -> Vec<String> {
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    let mut at = 0;
    let word = |index: Option<usize>| {
        index
            .and_then(|index| body.as_bytes().get(index))
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    while let Some(rest) = body.get(at..) {
        let Some(next) = rest.chars().next() else {
            break;
        };
        let keyword = KEYWORDS.iter().find(|keyword| {
            rest.starts_with(*keyword)
                && !word(at.checked_sub(1))
                && !word(Some(at + keyword.len()))
        });
        match keyword {
            Some(keyword) => {
                found.push((*keyword).to_owned());
                at += keyword.len();
            }
            None => at += next.len_utf8(),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Contents
   1 Introduction ......... 2
1 Introduction

   A server MUST answer.  It SHOULD
   NOT wait.

Somebody            Standards Track       [Page 1]
\u{c}
RFC 9               A Protocol            June 2002

   It is NOT RECOMMENDED, and RECOMMENDED only once; MUSTARD is nothing.
1.1. A part
   What is REQUIRED SHALL be done.
   8 is no section of its own here.
";

    #[test]
    fn keywords_are_counted_by_section_over_pages_and_lines() {
        let sections = of_text(TEXT, 9);
        assert_eq!(
            sections.get("1").map(Vec::as_slice),
            Some(&["MUST", "SHOULD NOT", "NOT RECOMMENDED", "RECOMMENDED"].map(str::to_owned)[..])
        );
        assert_eq!(
            sections.get("1.1").map(Vec::as_slice),
            Some(&["REQUIRED", "SHALL"].map(str::to_owned)[..])
        );
        assert_eq!(sections.len(), 2);
    }
}
