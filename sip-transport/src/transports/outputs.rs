//! What is to be done next, in order.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;

use sip_message::BoxedMessage;

use crate::flow::Flow;
use crate::io::{Event, Output};

/// A queue of [`Output`]s, of which who wants can take the events alone: what goes to the sockets then waits where it is until it
/// leaves, and is not moved from queue to queue.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    events: VecDeque<Event>,
    /// What goes to the sockets, and how many events there were before it.
    io: VecDeque<(u64, Output)>,
    /// How many events there were.
    told: u64,
    /// What goes to the sockets after all that.
    last: VecDeque<Output>,
    /// Is that in its order?
    sorted: bool,
}

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.io.is_empty() && self.last.is_empty()
    }

    #[inline]
    pub(super) fn message(&mut self, message: BoxedMessage, flow: Flow, reply: Flow) {
        self.event(Event::Message {
            message,
            flow,
            reply,
        });
    }

    /// Inlined, so that the event is made in its place.
    #[inline]
    pub(super) fn event(&mut self, event: Event) {
        self.told += 1;
        self.events.push_back(event);
    }

    /// What goes to the sockets.
    #[inline]
    pub(super) fn push_back(&mut self, output: Output) {
        self.io.push_back((self.told, output));
    }

    /// A datagram that goes to the sockets when all else has gone, with others to the same peer.
    pub(super) fn push_last(&mut self, output: Output) {
        self.last.push_back(output);
        self.sorted = false;
    }

    pub(super) fn pop_front(&mut self) -> Option<Output> {
        let taken = self.told - self.events.len() as u64;
        match self.io.front() {
            Some((before, _)) if *before <= taken => self.pop_io(),
            _ => match self.pop_event() {
                Some(event) => Some(Output::Event(event)),
                None => self.pop_last(),
            },
        }
    }

    #[inline]
    pub(super) fn pop_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    #[inline]
    pub(super) fn pop_io(&mut self) -> Option<Output> {
        match self.io.pop_front() {
            Some((_, output)) => Some(output),
            None => self.pop_last(),
        }
    }

    #[inline]
    fn pop_last(&mut self) -> Option<Output> {
        if !self.sorted {
            self.last.make_contiguous().sort_by_key(place);
            self.sorted = true;
        }
        self.last.pop_front()
    }
}

/// To the same peer together, and the longest first, so that the system can take those of one length as one.
fn place(output: &Output) -> Option<(SocketAddr, Reverse<usize>)> {
    let Output::Datagram {
        remote, payload, ..
    } = output
    else {
        return None;
    };
    Some((*remote, Reverse(payload.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ConnectionId, FlowId};

    fn event(flow: u32) -> Event {
        let flow = FlowId::from_parts(flow, 0);
        Event::Pong { flow }
    }

    fn io(connection: u64) -> Output {
        let connection = ConnectionId::accepted(connection);
        Output::Close { connection }
    }

    fn filled() -> Outputs {
        let mut outputs = Outputs::default();
        outputs.push_back(io(1));
        outputs.event(event(2));
        outputs.event(event(3));
        outputs.push_back(io(4));
        outputs.event(event(5));
        outputs
    }

    /// What they are, in short: the number, and whether it is an event.
    fn name(output: Output) -> String {
        format!("{output:?}")
    }

    #[test]
    fn all_of_it_comes_in_the_order_in_which_it_was_put() {
        let mut outputs = filled();
        let expected = [
            io(1),
            Output::Event(event(2)),
            Output::Event(event(3)),
            io(4),
            Output::Event(event(5)),
        ];
        for expected in expected {
            assert!(!outputs.is_empty());
            assert_eq!(outputs.pop_front().map(name), Some(name(expected)));
        }
        assert!(outputs.is_empty() && outputs.pop_front().is_none());
        outputs.push_back(io(6));
        outputs.event(event(7));
        assert_eq!(outputs.pop_front().map(name), Some(name(io(6))));
    }

    #[test]
    fn what_goes_last_goes_in_bundles() {
        let datagram = |port: u16, length: usize| Output::Datagram {
            listener: crate::id::ListenerId::new(1),
            remote: SocketAddr::from(([192, 0, 2, 1], port)),
            payload: vec![0; length].into(),
        };
        let mut outputs = filled();
        for (port, length) in [(5, 10), (4, 9), (5, 11), (4, 9), (5, 10)] {
            outputs.push_last(datagram(port, length));
        }
        outputs.push_back(io(6));
        let mut popped: Vec<_> = std::iter::from_fn(|| outputs.pop_io()).map(name).collect();
        let last = [(4, 9), (4, 9), (5, 11), (5, 10), (5, 10)];
        let last = last.map(|(port, length)| datagram(port, length));
        let expected = [io(1), io(4), io(6)].into_iter().chain(last);
        assert_eq!(popped, expected.map(name).collect::<Vec<_>>());
        assert!(!outputs.is_empty(), "there are events");
        outputs.push_last(datagram(7, 1));
        popped = std::iter::from_fn(|| outputs.pop_front())
            .map(name)
            .collect();
        assert_eq!(popped.len(), 4);
        assert_eq!(popped.last(), Some(&name(datagram(7, 1))));
        assert!(outputs.is_empty());
    }

    #[test]
    fn events_and_the_rest_can_be_taken_apart() {
        let mut outputs = filled();
        for flow in [2, 3, 5] {
            let taken = outputs.pop_event().map(Output::Event).map(name);
            assert_eq!(taken, Some(name(Output::Event(event(flow)))));
        }
        assert!(outputs.pop_event().is_none() && !outputs.is_empty());
        outputs.event(event(6));
        assert_eq!(outputs.pop_front().map(name), Some(name(io(1))));
        assert_eq!(outputs.pop_io().map(name), Some(name(io(4))));
        assert!(outputs.pop_io().is_none());
        assert_eq!(
            outputs.pop_front().map(name),
            Some(name(Output::Event(event(6))))
        );
        assert!(outputs.is_empty());
    }
}
