//! The files of `tests/data`: descriptions one after the other, each under a line `== name`, with LF for CRLF.

/// Name and text with CRLF of each description.
pub(crate) fn split(file: &str) -> Vec<(&str, String)> {
    let mut list: Vec<(&str, String)> = Vec::new();
    for line in file.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            list.push((name, String::new()));
        } else if let Some((_, text)) = list.last_mut() {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    list
}

/// The description of this name.
pub(crate) fn find(file: &str, name: &str) -> String {
    let list = split(file);
    list.into_iter()
        .find(|(found, _)| *found == name)
        .unwrap_or_else(|| panic!("no description {name}"))
        .1
}
