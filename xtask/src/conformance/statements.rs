//! The rows: `conformance/rfcNNNN.toml`.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use super::text::Sections;

/// Whose duty a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Role {
    #[serde(rename = "UAC")]
    Uac,
    #[serde(rename = "UAS")]
    Uas,
    #[serde(rename = "proxy")]
    Proxy,
    #[serde(rename = "registrar")]
    Registrar,
    #[serde(rename = "redirect")]
    Redirect,
    #[serde(rename = "transport")]
    Transport,
    #[serde(rename = "transaction")]
    Transaction,
    #[serde(rename = "parser")]
    Parser,
    /// Who runs the program.
    #[serde(rename = "operator")]
    Operator,
}

impl Role {
    pub(crate) const ALL: [Self; 9] = [
        Self::Uac,
        Self::Uas,
        Self::Proxy,
        Self::Registrar,
        Self::Redirect,
        Self::Transport,
        Self::Transaction,
        Self::Parser,
        Self::Operator,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uac => "UAC",
            Self::Uas => "UAS",
            Self::Proxy => "proxy",
            Self::Registrar => "registrar",
            Self::Redirect => "redirect",
            Self::Transport => "transport",
            Self::Transaction => "transaction",
            Self::Parser => "parser",
            Self::Operator => "operator",
        }
    }
}

/// One normative keyword and what it demands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    /// Its place among the keywords of its section, from 1.
    pub(crate) n: u32,
    /// The keyword.
    pub(crate) level: String,
    pub(crate) role: Vec<Role>,
    /// What it says, in our words.
    pub(crate) says: String,
    /// The tests that prove it.
    #[serde(default)]
    pub(crate) tests: Vec<String>,
    /// The name of a reason in `[deviations]`.
    pub(crate) deviation: Option<String>,
}

impl Statement {
    pub(crate) fn is_open(&self) -> bool {
        self.tests.is_empty() && self.deviation.is_none()
    }

    pub(crate) fn roles(&self) -> String {
        let names: Vec<&str> = self.role.iter().map(|role| role.name()).collect();
        names.join(", ")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    statements: Vec<Statement>,
}

/// An RFC's statements.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) rfc: u32,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) deviations: BTreeMap<String, String>,
    sections: BTreeMap<String, Section>,
}

impl Document {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// All rows in the order of the RFC's sections.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &Statement)> {
        let mut sections: Vec<(&String, &Section)> = self.sections.iter().collect();
        sections.sort_by_key(|(number, _)| key(number));
        sections.into_iter().flat_map(|(number, section)| {
            section
                .statements
                .iter()
                .map(move |row| (number.as_str(), row))
        })
    }

    /// Every row's tests.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (String, &str)> {
        self.rows().flat_map(move |(section, row)| {
            row.tests
                .iter()
                .map(move |test| (self.id(section, row), test.as_str()))
        })
    }

    /// How a row is called: `rfc3261_8_1_1_7-4`. The names of its tests begin with what stands before the hyphen.
    pub(crate) fn id(&self, section: &str, row: &Statement) -> String {
        format!("{}-{}", self.prefix(section), row.n)
    }

    fn prefix(&self, section: &str) -> String {
        format!(
            "rfc{}_{}",
            self.rfc,
            section.replace('.', "_").to_lowercase()
        )
    }

    /// What can be judged without the text: numbering, names of tests, reasons.
    pub(crate) fn check(&self, faults: &mut Vec<String>) {
        for (number, section) in &self.sections {
            for (row, expected) in section.statements.iter().zip(1..) {
                let id = self.id(number, row);
                if row.n != expected {
                    faults.push(format!("{id}: number {expected} comes here"));
                }
                if row.role.is_empty() {
                    faults.push(format!("{id}: nobody's duty"));
                }
                if row.says.trim().is_empty() {
                    faults.push(format!("{id}: says nothing"));
                }
                let prefix = format!("{}_", self.prefix(number));
                for test in &row.tests {
                    if !test.starts_with(&prefix) {
                        faults.push(format!("{id}: `{test}` does not begin with `{prefix}`"));
                    }
                }
                if let Some(reason) = &row.deviation {
                    if !row.tests.is_empty() {
                        faults.push(format!("{id}: proved and a deviation at once"));
                    }
                    if !self.deviations.contains_key(reason) {
                        faults.push(format!("{id}: no reason is called `{reason}`"));
                    }
                }
            }
        }
        for reason in self.deviations.keys() {
            if !self
                .rows()
                .any(|(_, row)| row.deviation.as_ref() == Some(reason))
            {
                faults.push(format!("RFC {}: nothing deviates by `{reason}`", self.rfc));
            }
        }
    }

    /// Is there a row for each keyword of the text, and of its level?
    pub(crate) fn compare(&self, text: &Sections, faults: &mut Vec<String>) {
        for (number, levels) in text {
            let rows = self
                .sections
                .get(number)
                .map_or(&[][..], |section| &section.statements);
            if rows.len() != levels.len() {
                faults.push(format!(
                    "RFC {} section {number}: {} rows, but the text has {} normative keywords",
                    self.rfc,
                    rows.len(),
                    levels.len()
                ));
                continue;
            }
            for (row, level) in rows.iter().zip(levels) {
                if row.level != *level {
                    faults.push(format!(
                        "{}: the text says {level}, the row {}",
                        self.id(number, row),
                        row.level
                    ));
                }
            }
        }
        for number in self.sections.keys() {
            if !text.contains_key(number) {
                faults.push(format!(
                    "RFC {} section {number}: the text has no normative keyword there",
                    self.rfc
                ));
            }
        }
    }
}

/// Sections in the order of an RFC: numbers by value, then appendices by letter.
fn key(section: &str) -> Vec<(bool, u32, &str)> {
    section
        .split('.')
        .map(|part| match part.parse() {
            Ok(number) => (false, number, ""),
            Err(_) => (true, 0, part),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(rows: &str) -> Document {
        Document::parse(&format!(
            "rfc = 9\ntitle = \"A title\"\n[deviations]\nwords = \"About words.\"\n[sections.\"2.1\"]\nstatements = [{rows}]"
        ))
        .expect("a document")
    }

    const GOOD: &str = r#"{ n = 1, level = "MUST", role = ["UAC"], says = "this", tests = ["rfc9_2_1_this"] },
        { n = 2, level = "SHOULD", role = ["parser", "proxy"], says = "that", deviation = "words" }"#;

    fn faults(rows: &str) -> String {
        let mut faults = Vec::new();
        document(rows).check(&mut faults);
        faults.join("; ")
    }

    #[test]
    fn rows_are_numbered_and_their_tests_are_named_after_them() {
        assert_eq!(faults(GOOD), "");
        assert!(faults(&GOOD.replace("n = 2", "n = 3")).contains("number 2 comes here"));
        assert!(faults(&GOOD.replace("rfc9_2_1_this", "rfc9_2_this")).contains("does not begin"));
        // 2.1 is no prefix of 2.10.
        assert!(
            faults(&GOOD.replace("rfc9_2_1_this", "rfc9_2_10_this")).contains("does not begin")
        );
        assert!(
            faults(&GOOD.replace("\"words\" }", "\"other\" }")).contains("no reason is called")
        );
        assert!(faults(&GOOD.replace("[\"UAC\"]", "[]")).contains("nobody's duty"));
    }

    #[test]
    fn rows_are_counted_against_the_text() {
        let compare = |levels: &[&str]| {
            let mut faults = Vec::new();
            let levels = levels.iter().map(|&level| level.to_owned()).collect();
            document(GOOD).compare(&Sections::from([("2.1".to_owned(), levels)]), &mut faults);
            faults.join("; ")
        };
        assert_eq!(compare(&["MUST", "SHOULD"]), "");
        assert!(compare(&["MUST"]).contains("2 rows, but the text has 1"));
        assert!(compare(&["MUST", "MUST NOT"]).contains("the text says MUST NOT, the row SHOULD"));
        let mut faults = Vec::new();
        document(GOOD).compare(&Sections::new(), &mut faults);
        assert!(faults.join("").contains("no normative keyword there"));
    }

    #[test]
    fn sections_come_in_the_order_of_the_rfc() {
        let mut sections = vec!["10.3", "A.1", "2", "10.2.1", "10"];
        sections.sort_by_key(|section| key(section));
        assert_eq!(sections, ["2", "10", "10.2.1", "10.3", "A.1"]);
    }
}
