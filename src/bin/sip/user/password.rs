//! A password from a person: without echo, twice.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};

/// The first line, without its end.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Asks on the terminal, once.
pub(crate) fn ask_once(prompt: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to ask for a password on");
    }
    read(prompt)
}

/// Asks on the terminal for a new password.
pub(crate) fn ask(name: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        bail!(
            "there is no terminal to ask for a password on: use --generate, --password-stdin or --password-file FILE"
        );
    }
    let first = read(&format!("Password for {name}: "))?;
    if first != read("Once more: ")? {
        bail!("the two passwords are not the same: nothing was changed");
    }
    Ok(first)
}

fn read(prompt: &str) -> anyhow::Result<String> {
    let mut err = io::stderr();
    write!(err, "{prompt}")?;
    err.flush()?;
    let line = {
        let _silence = Silence::new().context("the echo of the terminal cannot be switched off")?;
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        line
    };
    writeln!(err)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives, the terminal shows nothing of what is typed.
#[cfg(unix)]
struct Silence {
    before: nix::sys::termios::Termios,
}

#[cfg(unix)]
impl Silence {
    fn new() -> nix::Result<Self> {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &quiet)?;
        Ok(Self { before })
    }
}

#[cfg(unix)]
impl Drop for Silence {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        // If this fails there is no terminal any more.
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(not(unix))]
struct Silence;

#[cfg(not(unix))]
impl Silence {
    fn new() -> io::Result<Self> {
        // Shown as it is typed: this platform's console is not supported yet.
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(first_line("secret\nmore\n"), "secret");
        assert_eq!(first_line(" with blanks \r\n"), " with blanks ");
        assert_eq!(first_line(""), "");
    }
}
