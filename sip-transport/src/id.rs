//! The ids of this layer: small, `Copy`, opaque.

use std::fmt;

/// A flow in the table of [`Transports`](crate::Transports): a slot and its generation, so that the id of a flow that
/// is gone never means another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl FlowId {
    /// An id from its parts, for layers above that are tested without a table of flows.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The parts, for those who write it down.
    #[must_use]
    pub const fn to_parts(self) -> (u32, u32) {
        (self.index, self.generation)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({}.{})", self.index, self.generation)
    }
}

/// A socket that receives: numbered by the driver that binds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(u32);

impl ListenerId {
    /// The listener with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number given to [`new`](Self::new).
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A stream connection. The side that opens it numbers it: the driver those that it accepts, the core those that it
/// asks the driver to open; one bit keeps the two apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    const ACCEPTED: u64 = 1 << 63;

    /// A connection that a driver accepted. The driver never uses a number twice.
    #[must_use]
    pub const fn accepted(number: u64) -> Self {
        Self(number | Self::ACCEPTED)
    }

    pub(crate) const fn initiated(number: u64) -> Self {
        Self(number & !Self::ACCEPTED)
    }

    /// Was it accepted, rather than opened by us?
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        self.0 & Self::ACCEPTED != 0
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.is_accepted() {
            "accepted"
        } else {
            "initiated"
        };
        write!(f, "Connection({side} {})", self.0 & !Self::ACCEPTED)
    }
}

/// A selection that was asked for by [`Transports::select`](crate::Transports::select).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SelectId(pub(crate) u64);

impl SelectId {
    /// An id from its number, for layers above that are tested without [`Transports`](crate::Transports).
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// A question to the domain name system: see [`Output::Resolve`](crate::Output::Resolve).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(pub(crate) u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_what_they_are() {
        assert_eq!(format!("{:?}", FlowId::from_parts(12, 3)), "Flow(12.3)");
        assert_eq!(
            format!("{:?}", ConnectionId::accepted(4)),
            "Connection(accepted 4)"
        );
        assert_eq!(
            format!("{:?}", ConnectionId::initiated(4)),
            "Connection(initiated 4)"
        );
        assert_ne!(ConnectionId::accepted(4), ConnectionId::initiated(4));
    }
}
