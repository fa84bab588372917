//! `[[route]]`: the rules of the routing table as they are written.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sip_stack::message::{HeaderName, Method, Uri};
use sip_stack::role::probe::ProbeTarget;
use sip_stack::routing::{Hop, Network, Route as Decision, Rule};
use toml::Spanned;

use super::Fault;

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Route {
    #[serde(default)]
    domain: Many<String>,
    #[serde(default)]
    prefix: Many<String>,
    #[serde(default)]
    method: Many<String>,
    #[serde(default)]
    source: Many<String>,
    header: Option<Spanned<BTreeMap<String, String>>>,
    #[serde(default)]
    trusted: bool,
    #[serde(default)]
    stateless: bool,
    probe: Option<Spanned<u64>>,
    to: Option<Many<Target>>,
    rewrite: Option<Spanned<String>>,
    redirect: Option<Many<String>>,
    reject: Option<Spanned<String>>,
}

/// One value, or a list of them; each with its place.
#[derive(Debug)]
pub(super) struct Many<T> {
    list: Vec<Spanned<T>>,
}

impl<T> Many<T> {
    pub(super) fn list(&self) -> &[Spanned<T>] {
        &self.list
    }
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Spanned::<OneOrList<T>>::deserialize(deserializer)?;
        let span = whole.span();
        Ok(Self {
            list: match whole.into_inner() {
                OneOrList::One(one) => vec![Spanned::new(span, one)],
                OneOrList::List(list) => list,
            },
        })
    }
}

/// Not derived as `untagged`, which would lose the places and the words about what is wrong.
enum OneOrList<T> {
    One(T),
    List(Vec<Spanned<T>>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = OneOrList<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(text.into_deserializer()).map(OneOrList::One)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OneOrList::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(one) = seq.next_element()? {
                    list.push(one);
                }
                Ok(OneOrList::List(list))
            }
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}

/// A place to send to: a URI, or more about it.
#[derive(Debug)]
pub(super) enum Target {
    Uri(String),
    Full(FullTarget),
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URI, or a table with uri, priority, weight and via")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
                Ok(Target::Uri(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                FullTarget::deserialize(MapAccessDeserializer::new(map)).map(Target::Full)
            }
        }

        deserializer.deserialize_any(Visit)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FullTarget {
    uri: String,
    #[serde(default = "one")]
    priority: u16,
    #[serde(default = "one")]
    weight: u16,
    /// The Request-URI stays as it is, and this is the next hop.
    #[serde(default)]
    via: bool,
}

impl Target {
    pub(super) fn hop(&self, span: &Range<usize>) -> Result<Hop, Fault> {
        Ok(match self {
            Self::Uri(text) => Hop::new(sip(text, span)?),
            Self::Full(full) => {
                let uri = sip(&full.uri, span)?;
                let hop = if full.via {
                    Hop::via(uri)
                } else {
                    Hop::new(uri)
                };
                hop.priority(full.priority).weight(full.weight)
            }
        })
    }
}

const fn one() -> u16 {
    1
}

impl Route {
    /// The rule that it stands for; `span` is where all of it is.
    pub(super) fn rule(&self, span: &Range<usize>) -> Result<Rule, Fault> {
        let mut rule = Rule::new(self.decision(span)?);
        for name in &self.domain.list {
            rule = rule.domain(name.get_ref());
        }
        for prefix in &self.prefix.list {
            rule = rule.prefix(prefix.get_ref());
        }
        for name in &self.method.list {
            let method = Method::from_bytes(name.get_ref().as_bytes()).ok_or_else(|| {
                let what = format!("route: {:?} is no method such as INVITE", name.get_ref());
                Fault::new(&name.span(), what)
            })?;
            rule = rule.method(method);
        }
        for text in &self.source.list {
            let network: Network = text
                .get_ref()
                .parse()
                .map_err(|error| Fault::new(&text.span(), format!("route: {error}")))?;
            rule = rule.source(network);
        }
        if let Some(header) = &self.header {
            for (name, text) in header.get_ref() {
                let name = HeaderName::from_bytes(name.as_bytes()).ok_or_else(|| {
                    let what = format!("route: {name:?} is no header field name");
                    Fault::new(&header.span(), what)
                })?;
                rule = rule.header(name, text);
            }
        }
        Ok(rule)
    }

    /// The targets that are asked whether they are there.
    pub(super) fn probes(&self) -> Result<Vec<ProbeTarget>, Fault> {
        let Some(probe) = &self.probe else {
            return Ok(Vec::new());
        };
        let Some(targets) = self.to.as_ref().filter(|_| *probe.get_ref() > 0) else {
            let what =
                "route: probe is the seconds from one OPTIONS to each target of `to` to the next";
            return Err(Fault::new(&probe.span(), what));
        };
        let interval = Duration::from_secs(*probe.get_ref());
        targets
            .list
            .iter()
            .map(|target| {
                let text = match target.get_ref() {
                    Target::Uri(text) => text,
                    Target::Full(full) => &full.uri,
                };
                Ok(ProbeTarget::new(sip(text, &target.span())?, interval))
            })
            .collect()
    }

    fn decision(&self, span: &Range<usize>) -> Result<Decision, Fault> {
        let decision = match (&self.to, &self.rewrite, &self.redirect, &self.reject) {
            (Some(targets), None, None, None) => Decision::to(
                targets
                    .list
                    .iter()
                    .map(|target| target.get_ref().hop(&target.span()))
                    .collect::<Result<Vec<_>, Fault>>()?,
            ),
            (None, Some(text), None, None) => Decision::rewrite(sip(text.get_ref(), &text.span())?),
            (None, None, Some(contacts), None) => Decision::redirect(
                contacts
                    .list
                    .iter()
                    .map(|text| {
                        Uri::parse(text.get_ref()).map_err(|_| {
                            let what = format!("route: {:?} is no URI", text.get_ref());
                            Fault::new(&text.span(), what)
                        })
                    })
                    .collect::<Result<Vec<_>, Fault>>()?,
            ),
            (None, None, None, Some(text)) => {
                let (status, reason) = text
                    .get_ref()
                    .split_once(' ')
                    .unwrap_or((text.get_ref(), ""));
                status
                    .parse()
                    .ok()
                    .and_then(|status| Decision::reject(status, reason.trim()))
                    .ok_or_else(|| {
                        let what = format!(
                            "route: {:?} is no refusal such as \"403\" or \"403 Not For You\"",
                            text.get_ref()
                        );
                        Fault::new(&text.span(), what)
                    })?
            }
            (None, None, None, None) => {
                let what =
                    "route: say what is done with the request: to, rewrite, redirect or reject";
                return Err(Fault::new(span, what));
            }
            _ => {
                let what = "route: only one of to, rewrite, redirect and reject";
                return Err(Fault::new(span, what));
            }
        };
        let is_empty = |length: Option<usize>| length == Some(0);
        if is_empty(self.to.as_ref().map(|many| many.list.len()))
            || is_empty(self.redirect.as_ref().map(|many| many.list.len()))
        {
            return Err(Fault::new(span, "route: the list of targets is empty"));
        }
        if self.stateless && !self.trusted {
            let what = "route: without a transaction nobody can be asked for a password: stateless = true needs trusted = true";
            return Err(Fault::new(span, what));
        }
        let decision = if self.stateless {
            decision.stateless()
        } else {
            decision
        };
        Ok(if self.trusted {
            decision.trusted()
        } else {
            decision
        })
    }
}

fn sip(text: &str, span: &Range<usize>) -> Result<Uri, Fault> {
    Uri::parse(text)
        .ok()
        .filter(|uri| uri.as_ref().is_sip())
        .ok_or_else(|| {
            let what = format!("route: {text:?} is no SIP URI such as sip:gw.example.com");
            Fault::new(span, what)
        })
}
