//! What is expected, from `verdicts.txt`.

use sip_transport::TransportKind;

use super::{Role, Sin};

const TABLE: &str = include_str!("verdicts.txt");

/// What comes of a sin against a role: the status of the final answer to whoever called, registered or asked, or `none` when
/// there is none. Several where more than one is right.
///
/// # Panics
/// When the table has no such row or column: it is to have all of them.
#[must_use]
pub fn expected(sin: Sin, role: Role, transport: TransportKind) -> Vec<&'static str> {
    let column = Role::ALL
        .iter()
        .position(|known| *known == role)
        .expect("the role is one of all");
    let cell = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::split_whitespace)
        .find_map(|mut words| (words.next() == Some(sin.name())).then(|| words.nth(column))?)
        .unwrap_or_else(|| panic!("{}: no verdict for {}", sin.name(), role.name()));
    let (udp, tcp) = cell.split_once('/').unwrap_or((cell, cell));
    let verdict = if transport.is_reliable() { tcp } else { udp };
    verdict.split('|').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_verdict_for_every_sin_and_role() {
        for sin in Sin::ALL {
            assert_eq!(Sin::named(sin.name()), Some(*sin));
            for role in Role::ALL {
                for transport in [TransportKind::Udp, TransportKind::Tcp] {
                    for verdict in expected(*sin, *role, transport) {
                        let is_status = verdict.len() == 3 && verdict.parse::<u16>().is_ok();
                        assert!(
                            is_status || verdict == "none",
                            "{sin:?} {role:?}: {verdict}"
                        );
                    }
                }
            }
        }
    }
}
