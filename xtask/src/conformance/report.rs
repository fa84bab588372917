//! The coverage as a person reads it: on the terminal, and in `docs/conformance.md`.

use std::fmt::Write as _;

use super::statements::{Document, Role, Statement};

/// How many statements stand how.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    all: usize,
    proved: usize,
    deviations: usize,
}

impl Count {
    fn add(&mut self, row: &Statement) {
        self.all += 1;
        self.proved += usize::from(!row.tests.is_empty());
        self.deviations += usize::from(row.deviation.is_some());
    }

    fn of<'a>(rows: impl Iterator<Item = &'a Statement>) -> Self {
        let mut count = Self::default();
        for row in rows {
            count.add(row);
        }
        count
    }

    const fn open(self) -> usize {
        self.all - self.proved - self.deviations
    }
}

/// How many statements have their tests.
pub(crate) fn proved(documents: &[Document]) -> usize {
    documents
        .iter()
        .map(|document| Count::of(document.rows().map(|(_, row)| row)).proved)
        .sum()
}

const TOTAL: &str = "statements proved in all: ";

/// What a page that was written says of [`proved`]; 0 if it says nothing.
pub(crate) fn proved_in(page: &str) -> usize {
    page.lines()
        .find_map(|line| line.strip_prefix(TOTAL))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// The tables for the terminal.
pub(crate) fn summary(documents: &[Document]) -> String {
    let mut out = String::new();
    for (name, count) in by_document(documents).into_iter().chain(by_role(documents)) {
        let _ = writeln!(
            out,
            "{name:<12} {:>5} statements  {:>5} proved  {:>4} deviations  {:>4} open",
            count.all,
            count.proved,
            count.deviations,
            count.open()
        );
    }
    out
}

fn by_document(documents: &[Document]) -> Vec<(String, Count)> {
    documents
        .iter()
        .map(|document| {
            (
                format!("RFC {}", document.rfc),
                Count::of(document.rows().map(|(_, row)| row)),
            )
        })
        .collect()
}

fn by_role(documents: &[Document]) -> Vec<(String, Count)> {
    Role::ALL
        .iter()
        .map(|role| {
            let rows = documents
                .iter()
                .flat_map(|document| document.rows().map(|(_, row)| row))
                .filter(|row| row.role.contains(role));
            (role.name().to_owned(), Count::of(rows))
        })
        .collect()
}

/// `docs/conformance.md`.
pub(crate) fn page(documents: &[Document]) -> String {
    let mut out = String::from(
        "# Conformance\n\n\
         Every normative statement (MUST, SHALL, REQUIRED, SHOULD, RECOMMENDED, and their negations) of the RFCs below has a row in\n\
         `conformance/`: proved by tests that are named after its section, or a deviation with its reason, or open: nothing here\n\
         claims it. `cargo xtask conformance` runs the tests, checks the rows and writes this page (`--bless`);\n\
         `cargo xtask conformance --open` lists what is open.\n\n",
    );
    let _ = writeln!(out, "{TOTAL}{}\n", proved(documents));
    table(&mut out, "RFC", &by_document(documents));
    out.push_str(
        "\n## By role\n\nA statement that is the duty of several roles counts with each.\n\n",
    );
    table(&mut out, "role", &by_role(documents));
    out.push_str("\n## By section\n");
    for document in documents {
        let _ = writeln!(out, "\n### RFC {}: {}\n", document.rfc, document.title);
        out.push_str("| section | statements | proved | deviations | open, by number |\n|---|---|---|---|---|\n");
        let rows: Vec<(&str, &Statement)> = document.rows().collect();
        for section in rows.chunk_by(|one, other| one.0 == other.0) {
            let Some((number, _)) = section.first() else {
                continue;
            };
            let count = Count::of(section.iter().map(|(_, row)| *row));
            let open: Vec<String> = section
                .iter()
                .filter(|(_, row)| row.is_open())
                .map(|(_, row)| row.n.to_string())
                .collect();
            let _ = writeln!(
                out,
                "| {number} | {} | {} | {} | {} |",
                count.all,
                count.proved,
                count.deviations,
                open.join(", ")
            );
        }
        if document.deviations.is_empty() {
            continue;
        }
        out.push_str("\nDeviations, and statements that no program can obey:\n\n");
        for (name, reason) in &document.deviations {
            let sections: Vec<String> = rows
                .iter()
                .filter(|(_, row)| row.deviation.as_ref() == Some(name))
                .map(|(section, row)| format!("{section}-{}", row.n))
                .collect();
            let _ = writeln!(out, "- {reason} ({})", sections.join(", "));
        }
    }
    out
}

fn table(out: &mut String, head: &str, rows: &[(String, Count)]) {
    let _ = writeln!(
        out,
        "| {head} | statements | proved | deviations | open |\n|---|---|---|---|---|"
    );
    for (name, count) in rows {
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} |",
            count.all,
            count.proved,
            count.deviations,
            count.open()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_how_much_is_proved() {
        let document = Document::parse(
            r#"rfc = 9
            title = "A title"
            [deviations]
            words = "About words."
            [sections."1"]
            statements = [
                { n = 1, level = "MUST", role = ["UAC", "UAS"], says = "a", tests = ["rfc9_1_a"] },
                { n = 2, level = "MUST", role = ["UAC"], says = "b", deviation = "words" },
                { n = 3, level = "MUST", role = ["UAC"], says = "c" },
            ]"#,
        )
        .expect("a document");
        let page = page(&[document]);
        assert_eq!(proved_in(&page), 1);
        assert!(page.contains("| RFC 9 | 3 | 1 | 1 | 1 |"), "{page}");
        assert!(page.contains("| UAS | 1 | 1 | 0 | 0 |"), "{page}");
        assert!(page.contains("| 1 | 3 | 1 | 1 | 3 |"), "{page}");
        assert!(page.contains("- About words. (1-2)"), "{page}");
        assert_eq!(proved_in("# Another page"), 0);
    }
}
