//! How a command ended, as an exit code and a line for the person or the script that ran it.

use std::process::ExitCode;

use sip_stack::agent::AgentError;
use sip_stack::message::StatusCode;

/// The end of a command. The codes are documented in `docs/sip.md`.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// 0.
    Done,
    /// 1: an error on this machine.
    Failed(String),
    /// 2: the command line makes no sense.
    Usage(String),
    /// 3: nobody answered.
    NoAnswer(String),
    /// 4 to 7: the peer said no.
    Refused(StatusCode, String),
    /// 130: a person interrupted before it was done.
    Interrupted,
    /// What a command chose by itself.
    Code(u8),
}

impl Outcome {
    /// The outcome of a command that speaks for itself: a code, or an error to be printed.
    pub(crate) fn of_code(result: anyhow::Result<u8>) -> Self {
        match result {
            Ok(0) => Self::Done,
            Ok(code) => Self::Code(code),
            Err(error) => Self::Failed(format!("{error:#}")),
        }
    }

    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NoAnswer(_) => 3,
            Self::Refused(status, _) => match status.as_u16() {
                401 | 403 | 407 => 6,
                404 | 410 | 480 | 604 => 7,
                408 => 3,
                486 | 600 => 5,
                _ => 4,
            },
            Self::Interrupted => 130,
            Self::Code(code) => *code,
        }
    }

    /// Prints what a person needs to know, and returns the exit code.
    pub(crate) fn report(self, json: bool) -> ExitCode {
        self.say(json);
        ExitCode::from(self.code())
    }

    /// Prints what a person needs to know.
    pub(crate) fn say(&self, json: bool) {
        let code = self.code();
        let said = match self {
            Self::Failed(text) | Self::Usage(text) | Self::NoAnswer(text) => Some(text.clone()),
            Self::Refused(status, text) => Some(format!("{} {text}", status.as_u16())),
            Self::Interrupted => Some("interrupted".to_owned()),
            Self::Done | Self::Code(_) => None,
        };
        if let Some(text) = said {
            if json {
                super::output::line(
                    &serde_json::json!({ "event": "error", "message": text, "exit": code })
                        .to_string(),
                );
            } else {
                eprintln!("sip: {text}");
            }
        }
    }
}

impl From<AgentError> for Outcome {
    fn from(error: AgentError) -> Self {
        match &error {
            AgentError::Refused { status, reason } => Self::Refused(*status, reason.clone()),
            AgentError::NoAnswer(_) | AgentError::Unreachable(_) => {
                Self::NoAnswer(error.to_string())
            }
            AgentError::Usage(_) => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
