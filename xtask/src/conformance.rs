//! `cargo xtask conformance`: the normative statements of the RFCs as data, and the tests that prove each.
//!
//! `conformance/rfcNNNN.toml` has one row for each normative keyword of an RFC: whose duty it is, what it says in our
//! words, and the tests that prove it or the reason for which we deviate. A row with neither is open. This command checks the
//! rows against the text of the RFC (where it is at hand) and against a run of the tests, prints the coverage by role,
//! and fails when it falls below what `docs/conformance.md` says; `--bless` writes that page anew.

mod report;
pub(crate) mod results;
mod statements;
mod text;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use self::{results::Results, statements::Document};
use crate::{blackbox, shell};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The output of `cargo test --workspace` to judge, instead of running it
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Write docs/conformance.md with the coverage as it is now
    #[arg(long)]
    bless: bool,
    /// List the statements that nothing proves, of this RFC or of all
    #[arg(long, value_name = "RFC", num_args = 0..=1, default_missing_value = "0")]
    open: Option<u32>,
    /// Write docs/black-box.md from what `cargo xtask interop black-box` found
    #[arg(long)]
    table: bool,
    /// Play the scenarios of conformance/scenarios against this implementation: [udp:|tcp:]HOST:PORT
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// What the subject is
    #[arg(long, value_enum, default_value = "server", requires = "subject")]
    role: blackbox::script::Role,
    /// The domain of the subject; its address when it is not given
    #[arg(long, requires = "subject")]
    domain: Option<String>,
    /// The command by which a subject that calls is made to call `sip:alice@{self}`
    #[arg(long, value_name = "COMMAND", requires = "subject")]
    caller: Option<String>,
    /// Instead of the scenarios, all that the misbehaving peer can do to the subject
    #[arg(long, requires = "subject")]
    misbehaving: bool,
    /// Where the texts of the RFCs are, as rfcNNNN.txt
    #[arg(long, value_name = "DIRECTORY", default_value = "../shared/rfc")]
    texts: PathBuf,
}

impl Options {
    /// As continuous integration runs it: over the results of its own step of tests.
    pub(crate) fn judging(results: PathBuf) -> Self {
        Self {
            results: Some(results),
            bless: false,
            open: None,
            table: false,
            subject: None,
            role: blackbox::script::Role::Server,
            domain: None,
            caller: None,
            misbehaving: false,
            texts: PathBuf::from("../shared/rfc"),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.table {
        return blackbox::table::write();
    }
    if let Some(subject) = &options.subject {
        return blackbox::from_outside(
            subject,
            options.role,
            options.domain.as_deref(),
            options.caller.as_deref(),
            options.misbehaving,
        );
    }
    let documents = documents()?;
    if let Some(rfc) = options.open {
        list_open(&documents, rfc);
        return Ok(());
    }
    let results = match &options.results {
        Some(path) => Results::parse(
            &std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?,
        ),
        None => results::of_a_run()?,
    };
    let mut faults = Vec::new();
    let texts = shell::root().join(&options.texts);
    for document in &documents {
        document.check(&mut faults);
        match text::keywords(&texts, document.rfc) {
            Some(sections) => document.compare(&sections, &mut faults),
            None => println!(
                "RFC {}: its text is not at hand, so the rows are not counted against it",
                document.rfc
            ),
        }
        for (row, test) in document.tests() {
            if let Err(why) = results.passed(test) {
                faults.push(format!("{row}: the test `{test}` {why}"));
            }
        }
    }
    if !faults.is_empty() {
        for fault in &faults {
            println!("{fault}");
        }
        bail!("{} rows do not hold", faults.len());
    }
    let page = report::page(&documents);
    print!("{}", report::summary(&documents));
    let path = shell::root().join("docs/conformance.md");
    if options.bless {
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
        println!("docs/conformance.md is written");
        return Ok(());
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    if published != page {
        let (was, is) = (report::proved_in(&published), report::proved(&documents));
        if is < was {
            bail!("the coverage fell: {is} statements are proved, docs/conformance.md says {was}");
        }
        bail!(
            "docs/conformance.md is not what the rows say; `cargo xtask conformance --bless` writes it"
        );
    }
    Ok(())
}

fn documents() -> Result<Vec<Document>> {
    let directory = shell::root().join("conformance");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    let mut documents = paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path)?;
            Document::parse(&text).with_context(|| path.display().to_string())
        })
        .collect::<Result<Vec<_>>>()?;
    documents.sort_by_key(|document| document.rfc);
    Ok(documents)
}

fn list_open(documents: &[Document], rfc: u32) {
    for document in documents {
        if rfc != 0 && rfc != document.rfc {
            continue;
        }
        for (section, row) in document.rows() {
            if row.is_open() {
                println!(
                    "{}  {}  {}  {}",
                    document.id(section, row),
                    row.level,
                    row.roles(),
                    row.says
                );
            }
        }
    }
}
