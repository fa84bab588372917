//! What is to be done next, in order.

use std::collections::VecDeque;

use sip_message::BoxedMessage;

use crate::flow::Flow;
use crate::io::{Event, Output};

/// A queue of [`Output`]s.
#[derive(Debug, Default)]
pub(super) struct Outputs(VecDeque<Output>);

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(super) fn message(&mut self, message: BoxedMessage, flow: Flow, reply: Flow) {
        self.push_back(Output::Event(Event::Message {
            message,
            flow,
            reply,
        }));
    }

    /// Inlined, so that the output is made in its place.
    #[inline]
    pub(super) fn push_back(&mut self, output: Output) {
        self.0.push_back(output);
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Output> {
        self.0.pop_front()
    }
}
