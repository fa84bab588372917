//! What is measured: how each server is set up, and what it is loaded with.

/// An operation in a setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What a reader is told.
    pub(super) title: &'static str,
    /// The file in `xtask/kamailio`.
    pub(super) kamailio: &'static str,
    /// What that file is told to define.
    pub(super) define: Option<&'static str>,
    /// What `sip serve` is told.
    pub(super) serve: &'static [&'static str],
    /// What `sip load` does.
    pub(super) what: &'static str,
    /// How.
    pub(super) load: &'static [&'static str],
    pub(super) users: Users,
    pub(super) is_tcp: bool,
    /// Ours in hundredths of Kamailio's: CPU time, and instructions where they have a bar.
    pub(super) bars: (u32, Option<u32>),
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    /// Each operation has a user of its own, in every round.
    New,
    /// These, by turns.
    Known(u32),
    /// These, by turns; each has a password.
    WithPassword(u32),
}

const OPEN: &[&str] = &[
    "--memory",
    "--danger-without-authentication",
    "--config",
    "plain.toml",
];

/// With each datagram handed to the system by itself, however busy the server is.
const ALONE: &[&str] = &[
    "--memory",
    "--danger-without-authentication",
    "--config",
    "alone.toml",
];

const OPTIONS: Scenario = Scenario {
    name: "options",
    title: "OPTIONS answered",
    kamailio: "options.cfg",
    define: None,
    serve: OPEN,
    what: "options",
    load: &[],
    users: Users::Known(100),
    is_tcp: false,
    bars: (70, Some(50)),
};

const REGISTER_REFRESH: Scenario = Scenario {
    name: "register-refresh",
    title: "REGISTER, refresh of 10,000",
    kamailio: "registrar.cfg",
    define: None,
    serve: OPEN,
    what: "register",
    load: &[],
    users: Users::Known(10_000),
    is_tcp: false,
    bars: (60, Some(50)),
};

const REGISTER_DIGEST: Scenario = Scenario {
    name: "register-digest",
    title: "REGISTER with digest",
    kamailio: "registrar.cfg",
    define: Some("DIGEST"),
    serve: &["--memory", "--config", "plain.toml"],
    what: "register",
    load: &[],
    users: Users::WithPassword(256),
    is_tcp: false,
    bars: (60, Some(50)),
};

const REGISTER_DURABLE: Scenario = Scenario {
    name: "register-durable",
    title: "REGISTER, refresh, ours on disk",
    kamailio: "registrar.cfg",
    define: None,
    serve: &["--danger-without-authentication", "--config", "plain.toml"],
    what: "register",
    load: &[],
    users: Users::Known(10_000),
    is_tcp: false,
    bars: (130, None),
};

const CALL_UDP: Scenario = Scenario {
    name: "call-udp",
    title: "call relayed statefully, Record-Route",
    kamailio: "stateful.cfg",
    define: None,
    serve: OPEN,
    what: "call",
    load: &[],
    users: Users::Known(100),
    is_tcp: false,
    bars: (60, Some(50)),
};

pub(super) const SCENARIOS: &[Scenario] = &[
    OPTIONS,
    Scenario {
        name: "register-new",
        title: "REGISTER, new binding",
        kamailio: "registrar.cfg",
        define: None,
        serve: OPEN,
        what: "register",
        load: &[],
        users: Users::New,
        is_tcp: false,
        bars: (60, Some(50)),
    },
    REGISTER_REFRESH,
    REGISTER_DIGEST,
    REGISTER_DURABLE,
    Scenario {
        name: "call-stateless",
        title: "call relayed statelessly",
        kamailio: "stateless.cfg",
        define: None,
        serve: &[
            "--memory",
            "--danger-without-authentication",
            "--config",
            "stateless.toml",
        ],
        what: "call",
        load: &["--to", "sip:bob@load.test"],
        users: Users::Known(100),
        is_tcp: false,
        bars: (70, Some(50)),
    },
    CALL_UDP,
    Scenario {
        name: "call-tcp",
        title: "call relayed statefully over TCP",
        kamailio: "stateful.cfg",
        define: None,
        serve: OPEN,
        what: "call",
        load: &["--connections", "4"],
        users: Users::Known(100),
        is_tcp: true,
        bars: (70, Some(50)),
    },
    Scenario {
        name: "options-alone",
        title: "OPTIONS answered, each datagram by itself",
        serve: ALONE,
        bars: (OPTIONS.bars.0, None),
        ..OPTIONS
    },
    Scenario {
        name: "register-refresh-alone",
        title: "REGISTER, refresh of 10,000, each datagram by itself",
        serve: ALONE,
        bars: (REGISTER_REFRESH.bars.0, None),
        ..REGISTER_REFRESH
    },
    Scenario {
        name: "register-digest-alone",
        title: "REGISTER with digest, each datagram by itself",
        serve: &["--memory", "--config", "alone.toml"],
        bars: (REGISTER_DIGEST.bars.0, None),
        ..REGISTER_DIGEST
    },
    Scenario {
        name: "register-durable-alone",
        title: "REGISTER, refresh, ours on disk, each datagram by itself",
        serve: &["--danger-without-authentication", "--config", "alone.toml"],
        bars: (REGISTER_DURABLE.bars.0, None),
        ..REGISTER_DURABLE
    },
    Scenario {
        name: "call-udp-alone",
        title: "call relayed statefully, Record-Route, each datagram by itself",
        serve: ALONE,
        bars: (CALL_UDP.bars.0, None),
        ..CALL_UDP
    },
];

/// `call-udp` from a generator that can offer twice what is borne: what it sends leaves together, and arrives one by one.
pub(super) const OFFERED: Scenario = Scenario {
    load: &["--segmentation-offload"],
    ..CALL_UDP
};

/// The same with the overload control on.
pub(super) const GUARDED: Scenario = Scenario {
    name: "overload",
    title: "calls beyond what can be borne",
    serve: &["--memory", "--danger-without-authentication"],
    bars: (CALL_UDP.bars.0, None),
    ..OFFERED
};

/// The scenario of that name; the names are in this file.
pub(super) fn named(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|one| one.name == name)
}
