//! [`check_name`]: what a user may be called.

/// Why a name cannot be a user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters.
    #[error("a user name has at least one character")]
    Empty,
    /// It is too long.
    #[error("a user name has at most 64 bytes")]
    TooLong,
    /// It has a character that cannot be part of it.
    #[error(
        "a user name cannot have the character {0:?}: it is what stands before the @ of sip:name@domain"
    )]
    Character(char),
}

/// Can a user be called this? Anything can that an address of record and a digest may have: no blanks, no control
/// characters, and none of `: @ " \ < > , ;`.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > 64 {
        return Err(NameError::TooLong);
    }
    match name
        .chars()
        .find(|&c| c.is_whitespace() || c.is_control() || ":@\"\\<>,;".contains(c))
    {
        Some(bad) => Err(NameError::Character(bad)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["alice", "+4930123456", "jürgen", "a.b-c_d", "100", "a%b"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert_eq!(check_name(&"x".repeat(65)), Err(NameError::TooLong));
        for (bad, character) in [
            ("alice@example.com", '@'),
            ("a b", ' '),
            ("a:b", ':'),
            ("a\r\nb", '\r'),
        ] {
            assert_eq!(
                check_name(bad),
                Err(NameError::Character(character)),
                "{bad}"
            );
        }
    }
}
