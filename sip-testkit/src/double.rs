//! [`RecordingTransactions`]: a transaction layer that does nothing but remember.

use std::collections::HashSet;
use std::time::Instant;

use bytes::Bytes;
use sip_message::{HeaderName, Request, Response};
use sip_transaction::{
    Branch, ClientTransactionId, Gone, ServerTransactionId, TransactionId, TransactionLayer,
};
use sip_transport::{Flow, FlowId, TransportKind};

use crate::validate;

/// One call to a [`RecordingTransactions`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Call {
    /// [`TransactionLayer::request`].
    Request {
        /// The id that was returned.
        id: ClientTransactionId,
        /// The request, without our Via.
        request: Request,
        /// Its flow.
        flow: Flow,
    },
    /// [`TransactionLayer::forward`].
    Forward {
        /// The id that was returned.
        id: ClientTransactionId,
        /// The request, without our Via.
        request: Request,
        /// Its flow.
        flow: Flow,
        /// The loop hash.
        loop_hash: u64,
    },
    /// [`TransactionLayer::respond`], also through [`TransactionLayer::answer_cancel`].
    Respond {
        /// The transaction.
        id: ServerTransactionId,
        /// The response.
        response: Response,
    },
    /// [`TransactionLayer::cancel`].
    Cancel {
        /// The transaction.
        id: ClientTransactionId,
        /// The added header fields.
        headers: Vec<(HeaderName, String)>,
    },
    /// [`TransactionLayer::send_ack`].
    Ack {
        /// The ACK, without our Via.
        ack: Request,
        /// Its flow.
        flow: Flow,
    },
    /// [`TransactionLayer::retransmit`].
    Retransmit {
        /// The message.
        payload: Bytes,
        /// Its flow.
        flow: FlowId,
    },
    /// [`TransactionLayer::forward_response`].
    ForwardResponse {
        /// The response.
        response: Response,
        /// Its flow.
        flow: FlowId,
    },
    /// [`TransactionLayer::forward_request`].
    ForwardRequest {
        /// The request, without our Via.
        request: Request,
        /// Its flow.
        flow: Flow,
    },
}

/// A [`TransactionLayer`] for tests of the layers above: it records the calls in order and hands out ids
/// (`ClientTransaction(0.0)`, `ClientTransaction(1.0)`, ...). Events are made by the test.
///
/// ```
/// use sip_testkit::{Call, RecordingTransactions};
/// use sip_transaction::{Gone, ServerTransactionId, TransactionLayer};
/// # use sip_message::{Message, ParserConfig, Response, StatusCode};
/// # let text = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\n\r\n";
/// # let Ok(Message::Request(request)) = Message::parse(text.into(), &ParserConfig::default()) else { panic!() };
/// # let now = sip_testkit::Clock::new().now();
/// let mut layer = RecordingTransactions::default();
/// let id = ServerTransactionId::from_parts(7, 0);
/// let response = Response::to(&request, StatusCode::OK).to_tag("b").build().unwrap();
/// layer.respond(id, &response, now).unwrap();
/// assert!(matches!(layer.take().as_slice(), [Call::Respond { response, .. }] if response.status() == StatusCode::OK));
/// layer.end(id);
/// assert_eq!(layer.respond(id, &response, now), Err(Gone));
/// ```
#[derive(Debug, Default)]
pub struct RecordingTransactions {
    calls: Vec<Call>,
    strictness: Strictness,
    clients: u32,
    ended: HashSet<TransactionId>,
}

/// What is checked of the messages that are recorded.
#[derive(Debug, Default, Clone, Copy)]
enum Strictness {
    #[default]
    Everything,
    Hop,
    Nothing,
}

impl RecordingTransactions {
    /// The calls since the last time.
    #[must_use]
    pub fn take(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// The calls since the last time, without taking them.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// From now on the transaction is gone.
    pub fn end(&mut self, id: impl Into<TransactionId>) {
        self.ended.insert(id.into());
    }

    /// Takes wrong messages too: what is recorded is then not checked.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.strictness = Strictness::Nothing;
        self
    }

    /// Is used by one who passes on what others send: only what is right or wrong from hop to hop is checked.
    #[must_use]
    pub fn passing_on(mut self) -> Self {
        self.strictness = Strictness::Hop;
        self
    }

    /// That a request is one which may leave once the layer has put its Via on top.
    #[track_caller]
    fn check_request(&self, request: &Request) {
        let mut request = request.clone();
        let via = "SIP/2.0/UDP testkit.invalid;branch=z9hG4bKdouble";
        request.headers_mut().push_front(HeaderName::Via, via);
        self.check(&request.to_bytes());
    }

    #[track_caller]
    fn check(&self, payload: &[u8]) {
        let report = match self.strictness {
            Strictness::Everything => validate::report(payload, TransportKind::Udp),
            Strictness::Hop => validate::report_passed_on(payload, TransportKind::Udp),
            Strictness::Nothing => None,
        };
        if let Some(report) = report {
            panic!("{report}");
        }
    }

    fn live(&self, id: impl Into<TransactionId>) -> Result<(), Gone> {
        if self.ended.contains(&id.into()) {
            Err(Gone)
        } else {
            Ok(())
        }
    }

    fn next_client(&mut self) -> ClientTransactionId {
        self.clients += 1;
        ClientTransactionId::from_parts(self.clients - 1, 0)
    }
}

impl TransactionLayer for RecordingTransactions {
    #[track_caller]
    fn request(&mut self, request: &Request, flow: Flow, _now: Instant) -> ClientTransactionId {
        self.check_request(request);
        let id = self.next_client();
        let request = request.clone();
        self.calls.push(Call::Request { id, request, flow });
        id
    }

    fn forward(
        &mut self,
        request: &Request,
        flow: Flow,
        loop_hash: u64,
        _now: Instant,
    ) -> ClientTransactionId {
        self.check_request(request);
        let id = self.next_client();
        self.calls.push(Call::Forward {
            id,
            request: request.clone(),
            flow,
            loop_hash,
        });
        id
    }

    fn respond(
        &mut self,
        id: ServerTransactionId,
        response: &Response,
        _now: Instant,
    ) -> Result<(), Gone> {
        self.live(id)?;
        self.check(&response.to_bytes());
        let response = response.clone();
        self.calls.push(Call::Respond { id, response });
        Ok(())
    }

    fn cancel(
        &mut self,
        id: ClientTransactionId,
        headers: &[(HeaderName, &str)],
        _now: Instant,
    ) -> Result<(), Gone> {
        self.live(id)?;
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), (*value).to_owned()))
            .collect();
        self.calls.push(Call::Cancel { id, headers });
        Ok(())
    }

    fn send_ack(&mut self, ack: &Request, flow: Flow, _now: Instant) -> Bytes {
        self.check_request(ack);
        let payload = ack.to_bytes();
        let ack = ack.clone();
        self.calls.push(Call::Ack { ack, flow });
        payload
    }

    fn retransmit(&mut self, payload: Bytes, flow: FlowId, _now: Instant) {
        self.calls.push(Call::Retransmit { payload, flow });
    }

    fn forward_response(&mut self, response: &Response, flow: FlowId, _now: Instant) {
        self.check(&response.to_bytes());
        let response = response.clone();
        self.calls.push(Call::ForwardResponse { response, flow });
    }

    fn forward_request(&mut self, request: &Request, flow: Flow, _: &Branch, _now: Instant) {
        self.check_request(request);
        let request = request.clone();
        self.calls.push(Call::ForwardRequest { request, flow });
    }
}
