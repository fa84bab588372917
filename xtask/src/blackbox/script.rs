//! The language of scenarios: `conformance/scenarios/README.md`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::peer::Wire;

/// What a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// A registrar and proxy.
    Server,
    /// A telephone that answers.
    Callee,
    /// A telephone that calls.
    Caller,
}

impl Role {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Server, Self::Callee, Self::Caller];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Callee => "callee",
            Self::Caller => "caller",
        }
    }
}

/// A demand on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demand {
    /// `has NAME [TEXT]`: the field is there, with that text in a value of it.
    Has(String, String),
    /// `no NAME`: it is not.
    No(String),
    /// `same NAME`: it is that of the request.
    Same(String),
    /// `uri TEXT`: the Request-URI has this text.
    Uri(String),
    /// `body TEXT`.
    Body(String),
    /// `count NAME N`: so many lines.
    Count(String, usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A request, completed by the player.
    Send(Vec<String>),
    /// Bytes as they stand.
    Raw(Vec<String>),
    /// The last request once more.
    Again,
    /// A response: one of these codes (`2xx` is 200 to 299), to the last request or to the last of a method.
    Expect(Vec<String>, Option<String>, Duration, Vec<Demand>),
    /// A request of the subject.
    Request(String, Duration, Vec<Demand>),
    /// A response to that, or to the last request of a method, with these lines.
    Answer(u16, Option<String>, Vec<String>),
    /// Nothing new comes.
    Silence(Duration),
    /// The last message comes again without being asked for.
    Repeated(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) peer: String,
    pub(crate) action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) title: String,
    only: Option<Wire>,
    pub(crate) steps: Vec<Step>,
}

const USUAL: Duration = Duration::from_secs(5);
const VERBS: [&str; 8] = [
    "send", "raw", "again", "expect", "request", "answer", "silence", "repeated",
];

impl Script {
    pub(crate) fn admits(&self, wire: Wire) -> bool {
        self.only.is_none_or(|only| only == wire)
    }

    pub(crate) fn parse(name: &str, text: &str) -> Result<Self> {
        let mut script = Self {
            name: name.to_owned(),
            title: String::new(),
            only: None,
            steps: Vec::new(),
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let number = at + 1;
            at += 1;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut indented = Vec::new();
            // An empty line belongs to the statement when more of it follows.
            while let Some(next) = lines.get(at) {
                let goes_on = next.trim().is_empty()
                    && lines
                        .get(at + 1)
                        .is_some_and(|after| after.starts_with("    "));
                let belongs = next.starts_with("    ") || (goes_on && !indented.is_empty());
                if !belongs {
                    break;
                }
                indented.push(next.get(4..).unwrap_or_default().trim_end().to_owned());
                at += 1;
            }
            script
                .statement(number, line, indented)
                .with_context(|| format!("line {number}: {line}"))?;
        }
        if script.title.is_empty() {
            bail!("no title");
        }
        Ok(script)
    }

    fn statement(&mut self, line: usize, text: &str, indented: Vec<String>) -> Result<()> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if let Some(title) = text.strip_prefix("title ") {
            self.title = title.trim().to_owned();
            return Ok(());
        }
        if words == ["only", "udp"] {
            self.only = Some(Wire::Udp);
            return Ok(());
        }
        if words == ["only", "tcp"] {
            self.only = Some(Wire::Tcp);
            return Ok(());
        }
        let peer = match words.first() {
            Some(word) if !VERBS.contains(word) => words.remove(0).to_owned(),
            _ => "alice".to_owned(),
        };
        let within = match words.iter().position(|word| *word == "within") {
            Some(place) => {
                let time = duration(words.get(place + 1).copied().unwrap_or_default())?;
                words.truncate(place);
                time
            }
            None => USUAL,
        };
        let action = match words.as_slice() {
            ["send"] if !indented.is_empty() => Action::Send(indented),
            ["raw"] if !indented.is_empty() => Action::Raw(indented),
            ["again"] => Action::Again,
            ["expect", codes, method @ ..] if method.len() < 2 => Action::Expect(
                codes.split('|').map(str::to_owned).collect(),
                method.first().map(|&method| method.to_owned()),
                within,
                demands(&indented)?,
            ),
            ["request", method] => {
                Action::Request((*method).to_owned(), within, demands(&indented)?)
            }
            ["answer", code, method @ ..] if method.len() < 2 => Action::Answer(
                code.parse().context("not a code")?,
                method.first().map(|&method| method.to_owned()),
                indented,
            ),
            ["silence", time] => Action::Silence(duration(time)?),
            ["repeated"] => Action::Repeated(within),
            _ => bail!("not understood"),
        };
        self.steps.push(Step { line, peer, action });
        Ok(())
    }
}

fn demands(lines: &[String]) -> Result<Vec<Demand>> {
    lines
        .iter()
        .map(|line| {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let (name, text) = (name.to_owned(), text.trim().to_owned());
            Ok(match verb {
                "has" => Demand::Has(name, text),
                "no" => Demand::No(name),
                "same" => Demand::Same(name),
                "uri" => Demand::Uri(rest.to_owned()),
                "body" => Demand::Body(rest.to_owned()),
                "count" => Demand::Count(name, text.parse().context("not a number")?),
                _ => bail!("{line}: not a demand"),
            })
        })
        .collect()
}

/// `300ms` or `5s`.
fn duration(text: &str) -> Result<Duration> {
    if let Some(number) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(number.parse()?));
    }
    match text.strip_suffix('s') {
        Some(number) => Ok(Duration::from_secs(number.parse()?)),
        None => bail!("{text}: not a time such as 300ms or 5s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read() {
        let script = Script::parse(
            "x",
            "# a comment\ntitle A title\nonly udp\n\nsend\n    OPTIONS sip:{domain} SIP/2.0\n    Expires: 1\n\
             expect 200|4xx within 300ms\n    has Allow INVITE\n    no Contact\nbob silence 1s\n",
        )
        .expect("a script");
        assert_eq!(script.title, "A title");
        assert!(script.admits(Wire::Udp) && !script.admits(Wire::Tcp));
        assert_eq!(script.steps.len(), 3);
        assert_eq!(
            script.steps.get(1).map(|step| &step.action),
            Some(&Action::Expect(
                vec!["200".to_owned(), "4xx".to_owned()],
                None,
                Duration::from_millis(300),
                vec![
                    Demand::Has("Allow".to_owned(), "INVITE".to_owned()),
                    Demand::No("Contact".to_owned())
                ]
            ))
        );
        assert_eq!(
            script.steps.last().map(|step| step.peer.as_str()),
            Some("bob")
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        for (text, line) in [
            ("title x\nfrobnicate\n", "line 2"),
            ("title x\nexpect 200 within soon\n", "line 2"),
            ("title x\nsend\n", "line 2"),
            ("title x\nexpect 200\n    wants Allow\n", "line 2"),
        ] {
            let error = Script::parse("x", text).expect_err("not understood");
            assert!(format!("{error:#}").contains(line), "{error:#}");
        }
        assert!(Script::parse("x", "again\n").is_err());
    }
}
