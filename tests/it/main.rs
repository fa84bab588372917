//! The whole of it over loopback: a server, telephones of the library, and the program as a script would use it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod program;
mod telephones;
