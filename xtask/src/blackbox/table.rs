//! The results side by side: kept by each run in the target directory, put together in `docs/black-box.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::shell;

/// One column: a subject over a transport.
#[derive(Debug, Serialize, Deserialize)]
struct Column {
    subject: String,
    /// Per scenario its title and what went wrong.
    rows: BTreeMap<String, (String, Option<String>)>,
}

/// The columns by the role whose scenarios they were given.
const TABLES: [(&str, &[&str]); 3] = [
    (
        "Registrar and proxy",
        &["sip serve UDP", "sip serve TCP", "Kamailio UDP"],
    ),
    (
        "A telephone that answers",
        &["sip answer UDP", "sip answer TCP", "baresip answers UDP"],
    ),
    (
        "A telephone that calls",
        &["sip call UDP", "sip call TCP", "baresip calls UDP"],
    ),
];

fn directory() -> PathBuf {
    shell::target_dir().join("black-box")
}

fn file(subject: &str) -> PathBuf {
    directory().join(format!("{}.json", subject.replace(' ', "-")))
}

/// Keeps the results of one subject.
pub(crate) fn keep(subject: &str, outcomes: &[Outcome]) -> Result<()> {
    let column = Column {
        subject: subject.to_owned(),
        rows: outcomes
            .iter()
            .map(|outcome| {
                (
                    outcome.name.clone(),
                    (outcome.title.clone(), outcome.fault.clone()),
                )
            })
            .collect(),
    };
    fs::create_dir_all(directory())?;
    fs::write(file(subject), serde_json::to_string_pretty(&column)?)?;
    Ok(())
}

/// Writes `docs/black-box.md` from what was kept.
pub(crate) fn write() -> Result<()> {
    let mut page = String::from(
        "# From outside\n\n\
         Scripted peers (`conformance/scenarios`, one file a row) examine our program, and Kamailio 5.6 and baresip 1.0 of Debian 12 beside\n\
         it, each as it comes with the configuration in `xtask/interop`. Ours has to pass all of them in continuous integration. A row that another\n\
         fails is not always a fault of it: some leave the choice to configuration. `cargo xtask interop black-box` plays them,\n\
         `cargo xtask conformance --table` writes this page; `cargo xtask conformance --subject udp:HOST:PORT` examines anything else.\n",
    );
    for (title, subjects) in TABLES {
        let columns = subjects
            .iter()
            .map(|subject| {
                let text = fs::read_to_string(file(subject)).with_context(|| {
                    format!("no results of `{subject}`; `cargo xtask interop black-box` makes them")
                })?;
                Ok(serde_json::from_str(&text)?)
            })
            .collect::<Result<Vec<Column>>>()?;
        page.push_str(&table(title, &columns)?);
    }
    let path = shell::root().join("docs/black-box.md");
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("docs/black-box.md is written");
    Ok(())
}

fn table(title: &str, columns: &[Column]) -> Result<String> {
    let mut out = format!("\n## {title}\n\n| scenario |");
    for column in columns {
        out.push_str(&format!(" {} |", column.subject));
    }
    out.push_str("\n|---|");
    out.push_str(&"---|".repeat(columns.len()));
    out.push('\n');
    let names: BTreeSet<&String> = columns
        .iter()
        .flat_map(|column| column.rows.keys())
        .collect();
    for name in names {
        let Some((title, _)) = columns.iter().find_map(|column| column.rows.get(name)) else {
            bail!("{name} has no title");
        };
        out.push_str(&format!("| {title} |"));
        for column in columns {
            let cell = match column.rows.get(name) {
                None => "-",
                Some((_, None)) => "yes",
                Some((_, Some(_))) => "**no**",
            };
            out.push_str(&format!(" {cell} |"));
        }
        out.push('\n');
    }
    out.push_str("| passed |");
    for column in columns {
        let passed = column.rows.values().filter(|row| row.1.is_none()).count();
        out.push_str(&format!(" {passed} of {} |", column.rows.len()));
    }
    out.push('\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_scenario_and_a_column_for_each_subject() {
        let column = |subject: &str, rows: &[(&str, Option<&str>)]| Column {
            subject: subject.to_owned(),
            rows: rows
                .iter()
                .map(|(name, fault)| {
                    (
                        (*name).to_owned(),
                        (format!("about {name}"), fault.map(str::to_owned)),
                    )
                })
                .collect(),
        };
        let columns = [
            column("ours", &[("a", None), ("b", None)]),
            column("theirs", &[("a", Some("no answer"))]),
        ];
        assert_eq!(
            table("T", &columns).expect("a table"),
            "\n## T\n\n| scenario | ours | theirs |\n|---|---|---|\n| about a | yes | **no** |\n| about b | yes | - |\n| passed | 2 of 2 | 0 of 1 |\n"
        );
    }
}
