//! [`Substitution`]: the rewriting rule of a NAPTR record (RFC 3402 §3.2): POSIX extended regular expressions, as far as a
//! telephone number needs them, with a bound on the work that a stranger's record can cause.
//!
//! ```text
//! rule   = delimiter expression delimiter replacement delimiter [ "i" ]
//! atom   = "(" alternatives ")" / "[" [ "^" ] set "]" / "." / "^" / "$" / "\" character / character
//! repeat = "*" / "+" / "?" / "{" number [ "," [ number ] ] "}"
//! ```
//! Of several ways to match, the first is taken that tries alternatives in their order and repeats as often as it can; POSIX
//! would take the longest, which for a rule that is anchored at both ends, as those of ENUM are, is the same.

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Substitution {
    expression: Alternatives,
    replacement: Box<str>,
    groups: usize,
}

type Alternatives = Vec<Vec<Piece>>;

#[derive(Clone, Debug)]
struct Piece {
    atom: Atom,
    min: u32,
    max: u32,
}

#[derive(Clone, Debug)]
enum Atom {
    Is(u8),
    Any,
    Of(Vec<(u8, u8)>, bool),
    Start,
    End,
    Group(usize, Alternatives),
}

/// The length of a rule: what a character string of the domain name system holds.
const LONGEST: usize = 255;
const MOST_GROUPS: usize = 9;
const DEEPEST: usize = 8;
const MOST_REPEATS: u32 = 64;
/// Steps of matching, after which nothing matches.
const MOST_STEPS: u32 = 20_000;

type Captures = [Option<(usize, usize)>; MOST_GROUPS + 1];

impl Substitution {
    /// Reads a rule; `None` for one that is broken or out of bounds.
    pub(super) fn parse(rule: &str) -> Option<Self> {
        if rule.len() > LONGEST || !rule.is_ascii() {
            return None;
        }
        let delimiter = rule.chars().next()?;
        if delimiter.is_ascii_digit() || matches!(delimiter, '\\' | 'i') {
            return None;
        }
        let mut parts = split(rule.get(1..)?, delimiter).into_iter();
        let (expression, replacement, flags) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !matches!(flags.as_str(), "" | "i") {
            return None;
        }
        let mut parser = Parser {
            text: expression.as_bytes(),
            at: 0,
            groups: 0,
            is_caseless: flags == "i",
        };
        let alternatives = parser.alternatives(0)?;
        if parser.at != parser.text.len() {
            return None;
        }
        Some(Self {
            expression: alternatives,
            replacement: replacement.into(),
            groups: parser.groups,
        })
    }

    /// What becomes of a text; `None` if the rule does not fit.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let mut steps = MOST_STEPS;
        let captures = (0..=bytes.len()).find_map(|start| {
            let mut matcher = Matcher {
                text: bytes,
                steps: &mut steps,
            };
            let mut found = None;
            let mut captures: Captures = [None; MOST_GROUPS + 1];
            matcher.alternatives(
                &self.expression,
                start,
                &mut captures,
                &mut |_, end, captures| {
                    let mut captures = *captures;
                    captures[0] = Some((start, end));
                    found = Some(captures);
                    true
                },
            );
            found
        })?;
        let mut out = String::new();
        let mut characters = self.replacement.chars();
        while let Some(c) = characters.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            let next = characters.next()?;
            match next
                .to_digit(10)
                .and_then(|digit| usize::try_from(digit).ok())
            {
                Some(group) if group <= self.groups => {
                    let range = captures.get(group).copied().flatten();
                    let (from, to) = range.unwrap_or_default();
                    out.push_str(text.get(from..to)?);
                }
                Some(_) => return None,
                None => out.push(next),
            }
        }
        Some(out)
    }
}

/// At each delimiter that has no backslash before it.
fn split(text: &str, delimiter: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\\' && characters.peek() == Some(&delimiter) {
            characters.next();
            push(&mut parts, delimiter);
        } else if c == '\\' {
            push(&mut parts, c);
            if let Some(next) = characters.next() {
                push(&mut parts, next);
            }
        } else if c == delimiter {
            parts.push(String::new());
        } else {
            push(&mut parts, c);
        }
    }
    parts
}

fn push(parts: &mut [String], c: char) {
    if let Some(last) = parts.last_mut() {
        last.push(c);
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    groups: usize,
    is_caseless: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn alternatives(&mut self, depth: usize) -> Option<Alternatives> {
        if depth > DEEPEST {
            return None;
        }
        let mut all = vec![Vec::new()];
        loop {
            match self.peek() {
                None | Some(b')') => return Some(all),
                Some(b'|') => {
                    self.at += 1;
                    all.push(Vec::new());
                }
                Some(_) => {
                    let piece = self.piece(depth)?;
                    all.last_mut()?.push(piece);
                }
            }
        }
    }

    fn piece(&mut self, depth: usize) -> Option<Piece> {
        let atom = match self.take()? {
            b'(' => {
                self.groups += 1;
                let group = self.groups;
                if group > MOST_GROUPS {
                    return None;
                }
                let inner = self.alternatives(depth + 1)?;
                if self.take()? != b')' {
                    return None;
                }
                Atom::Group(group, inner)
            }
            b'[' => self.set()?,
            b'.' => Atom::Any,
            b'^' => Atom::Start,
            b'$' => Atom::End,
            b'*' | b'+' | b'?' | b'{' => return None,
            b'\\' => self.one(self.text.get(self.at).copied()?, true),
            byte => self.one(byte, false),
        };
        let (min, max) = match self.peek() {
            Some(b'*') => (0, MOST_REPEATS),
            Some(b'+') => (1, MOST_REPEATS),
            Some(b'?') => (0, 1),
            Some(b'{') => {
                let rest = self.text.get(self.at + 1..)?;
                let len = rest.iter().position(|byte| *byte == b'}')?;
                let bounds = std::str::from_utf8(rest.get(..len)?).ok()?;
                let (min, max) = match bounds.split_once(',') {
                    None => (bounds, Some(bounds)),
                    Some((min, "")) => (min, None),
                    Some((min, max)) => (min, Some(max)),
                };
                let min: u32 = min.parse().ok()?;
                let max = max.map_or(Ok(MOST_REPEATS), str::parse).ok()?;
                if min > max || max > MOST_REPEATS {
                    return None;
                }
                self.at += len + 1;
                (min, max)
            }
            _ => {
                return Some(Piece {
                    atom,
                    min: 1,
                    max: 1,
                });
            }
        };
        self.at += 1;
        Some(Piece { atom, min, max })
    }

    fn one(&mut self, byte: u8, is_escaped: bool) -> Atom {
        if is_escaped {
            self.at += 1;
        }
        if self.is_caseless && byte.is_ascii_alphabetic() {
            let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
            return Atom::Of(vec![(lower, lower), (upper, upper)], false);
        }
        Atom::Is(byte)
    }

    /// After `[`. Character classes by name are none of a number's.
    fn set(&mut self) -> Option<Atom> {
        let is_not = self.peek() == Some(b'^');
        self.at += usize::from(is_not);
        let mut ranges = Vec::new();
        loop {
            let from = self.take()?;
            // The first may be a bracket.
            if from == b']' && !ranges.is_empty() {
                return Some(Atom::Of(ranges, is_not));
            }
            if from == b'[' && matches!(self.peek(), Some(b':' | b'.' | b'=')) {
                return None;
            }
            let is_range = self.peek() == Some(b'-')
                && self.text.get(self.at + 1).is_some_and(|byte| *byte != b']');
            let to = if is_range {
                self.at += 1;
                self.take()?
            } else {
                from
            };
            if from > to {
                return None;
            }
            ranges.push((from, to));
            if self.is_caseless {
                ranges.push((from.to_ascii_lowercase(), to.to_ascii_lowercase()));
                ranges.push((from.to_ascii_uppercase(), to.to_ascii_uppercase()));
            }
        }
    }
}

/// What follows a part that matched: with the matcher, how far it got, and the groups.
type Then<'t> = dyn FnMut(&mut Matcher<'_>, usize, &mut Captures) -> bool + 't;

struct Matcher<'a> {
    text: &'a [u8],
    steps: &'a mut u32,
}

impl Matcher<'_> {
    fn alternatives(
        &mut self,
        all: &[Vec<Piece>],
        at: usize,
        captures: &mut Captures,
        then: &mut Then<'_>,
    ) -> bool {
        all.iter()
            .any(|pieces| self.sequence(pieces, at, captures, then))
    }

    fn sequence(
        &mut self,
        pieces: &[Piece],
        at: usize,
        captures: &mut Captures,
        then: &mut Then<'_>,
    ) -> bool {
        match pieces.split_first() {
            None => then(self, at, captures),
            Some((piece, rest)) => {
                self.repeat(piece, 0, at, captures, &mut |matcher, at, captures| {
                    matcher.sequence(rest, at, captures, then)
                })
            }
        }
    }

    /// As often as it can, and then less.
    fn repeat(
        &mut self,
        piece: &Piece,
        done: u32,
        at: usize,
        captures: &mut Captures,
        then: &mut Then<'_>,
    ) -> bool {
        let Some(left) = self.steps.checked_sub(1) else {
            return false;
        };
        *self.steps = left;
        let before = *captures;
        if done < piece.max
            && self.atom(&piece.atom, at, captures, &mut |matcher, next, captures| {
                // What takes nothing is not repeated for ever.
                (next > at || done < piece.min)
                    && matcher.repeat(piece, done + 1, next, captures, then)
            })
        {
            return true;
        }
        *captures = before;
        done >= piece.min && then(self, at, captures)
    }

    fn atom(
        &mut self,
        atom: &Atom,
        at: usize,
        captures: &mut Captures,
        then: &mut Then<'_>,
    ) -> bool {
        let byte = self.text.get(at).copied();
        let is_it = match atom {
            Atom::Start => return at == 0 && then(self, at, captures),
            Atom::End => return at == self.text.len() && then(self, at, captures),
            Atom::Group(group, inner) => {
                return self.alternatives(inner, at, captures, &mut |matcher, end, captures| {
                    if let Some(capture) = captures.get_mut(*group) {
                        *capture = Some((at, end));
                    }
                    then(matcher, end, captures)
                });
            }
            Atom::Any => byte.is_some(),
            Atom::Is(wanted) => byte == Some(*wanted),
            Atom::Of(ranges, is_not) => byte.is_some_and(|byte| {
                ranges
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&byte))
                    != *is_not
            }),
        };
        is_it && then(self, at + 1, captures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(rule: &str, text: &str) -> Option<String> {
        Substitution::parse(rule)?.apply(text)
    }

    #[test]
    fn rfc3402_3_2_rules() {
        for (rule, expected) in [
            ("!^.*$!sip:info@example.com!", Some("sip:info@example.com")),
            ("!^\\+44(.*)$!sip:\\1@h!", Some("sip:1632960083@h")),
            (
                "!^\\+(44)(16[0-9]+)(83)$!sip:\\3-\\2-\\1-\\0@h!",
                Some("sip:83-16329600-44-+441632960083@h"),
            ),
            ("/^(\\+44)?1?.*$/sip:a@h\\/b/", Some("sip:a@h/b")),
            (
                "!^[+]44(163|1632)(9.*)$!sip:\\1-\\2@h!",
                Some("sip:1632-960083@h"),
            ),
            ("!^\\+[^5-9]{2}16{1,1}3.{7}$!sip:b@h!", Some("sip:b@h")),
            ("!^\\+44(x*)*1632960083$!sip:c\\1@h!", Some("sip:c@h")),
            ("!^\\+441632960083$!SIP:A\\\\B!i", Some("SIP:A\\B")),
            ("!0083!sip:d@h!", Some("sip:d@h")),
            ("!^44!sip:a@h!", None),
            ("!^\\+44$!sip:a@h!", None),
            ("!^.*$!sip:\\1@h!", None),
            ("!^.*$!sip:a@h", None),
            ("!^.*$!sip:a@h!x", None),
            ("!^(.*$!sip:a@h!", None),
            ("!^.*)$!sip:a@h!", None),
            ("!*!sip:a@h!", None),
            ("!^.{3,2}$!sip:a@h!", None),
            ("!^[z-a]$!sip:a@h!", None),
            ("!^[[:digit:]]$!sip:a@h!", None),
            ("!^[abc!sip:a@h!", None),
            ("1^.*$1sip:a@h1", None),
            ("", None),
            ("!", None),
        ] {
            assert_eq!(apply(rule, "+441632960083").as_deref(), expected, "{rule}");
        }
        assert_eq!(apply("!^a[x-z]$!b!i", "AY").as_deref(), Some("b"));
        assert_eq!(apply("!^a$!b!", "A"), None);
    }

    #[test]
    fn a_rule_that_would_take_for_ever_does_not_fit() {
        let rule = "!^(((((.*)*)*)*)*)*x$!sip:a@h!";
        assert_eq!(apply(rule, "+123456789012345"), None);
        assert_eq!(
            apply("!^(.?.?.?.?.?.?.?.?){64}x$!sip:a@h!", "+123456789012345"),
            None
        );
        assert!(Substitution::parse(&format!("!{}!b!", "(".repeat(100))).is_none());
        assert!(Substitution::parse(&format!("!{}!b!", "a".repeat(300))).is_none());
    }
}
