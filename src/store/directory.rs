//! [`data_directory`]: where the platform keeps an application's data.

use std::ffi::OsString;
use std::path::PathBuf;

/// The name of the data file in its directory.
pub const FILE_NAME: &str = "sip.redb";

/// The directory for this program's data: `$XDG_DATA_HOME/sip-stack` or `~/.local/share/sip-stack`; on macOS
/// `~/Library/Application Support/sip-stack`; on Windows `%LOCALAPPDATA%\sip-stack`. `None` when the environment names no
/// home directory.
#[must_use]
pub fn data_directory() -> Option<PathBuf> {
    locate(std::env::consts::OS, |name| std::env::var_os(name))
}

/// The realm of a domain that has no name: the name of this machine, or `localhost`.
#[must_use]
pub fn default_realm() -> Box<str> {
    let name = host_name().unwrap_or_default();
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if is_name {
        name.to_ascii_lowercase().into()
    } else {
        "localhost".into()
    }
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

fn locate(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG base directory specification: a relative path is invalid and ignored. An empty one is relative too.
    let path = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.has_root())
    };
    let base = match os {
        "macos" => path("HOME")?.join("Library").join("Application Support"),
        "windows" => path("LOCALAPPDATA")
            .or_else(|| Some(path("USERPROFILE")?.join("AppData").join("Local")))?,
        _ => path("XDG_DATA_HOME").or_else(|| Some(path("HOME")?.join(".local").join("share")))?,
    };
    Some(base.join("sip-stack"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(os: &str, environment: &[(&str, &str)], expected: Option<&str>) {
        let variable = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        };
        assert_eq!(locate(os, variable), expected.map(PathBuf::from));
    }

    #[test]
    fn each_platform_has_its_place() {
        check(
            "linux",
            &[("HOME", "/h"), ("XDG_DATA_HOME", "/x")],
            Some("/x/sip-stack"),
        );
        check(
            "linux",
            &[("HOME", "/h"), ("XDG_DATA_HOME", "relative")],
            Some("/h/.local/share/sip-stack"),
        );
        check(
            "linux",
            &[("HOME", "/h"), ("XDG_DATA_HOME", "")],
            Some("/h/.local/share/sip-stack"),
        );
        check("linux", &[], None);
        check(
            "macos",
            &[("HOME", "/Users/h")],
            Some("/Users/h/Library/Application Support/sip-stack"),
        );
        check(
            "windows",
            &[("LOCALAPPDATA", "/c/local")],
            Some("/c/local/sip-stack"),
        );
    }
}
