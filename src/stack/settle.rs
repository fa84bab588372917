//! The loop that moves what comes up and what goes down between the layers, until every machine is quiet.

use std::time::{Instant, SystemTime};

use sip_dialog::Dialogs;
use sip_message::{BoxedMessage, HeaderName, Message, Method, Response, StatusCode};
use sip_transaction::{Branch, ServerTransactionId, TransactionLayer as _};
use sip_transport::Flow;

use super::boundary::{Role, Selecting};
use super::stores::Asking;
use super::{Direction, LatencyRole, Output, Stack, Traced};
use crate::role::events::Events;
use crate::role::probe::Probes;
use crate::role::proxy::Proxy;
use crate::role::registrar::Registrar;
use crate::role::stateless::Stateless;

impl Stack {
    /// Moves outputs up and down until every machine is quiet. Each turn of the loop consumes what a machine has queued, and no
    /// machine queues without being told something, so it ends.
    pub(super) fn settle(&mut self, wall: SystemTime, now: Instant) {
        self.last_now = Some(now);
        // Dialogs and roles put something out only when they were told something.
        let mut told = true;
        loop {
            let mut quiet = true;
            // What goes to the sockets stays where it is, until `poll_output` takes it.
            while let Some(event) = self.transports.poll_event() {
                (quiet, told) = (false, true);
                self.on_transport(event, wall, now);
            }
            while let Some(output) = self.transactions.poll_output() {
                quiet = false;
                match output {
                    sip_transaction::Output::Transmit { flow, payload } => {
                        self.transmit(flow, payload, wall, now);
                    }
                    sip_transaction::Output::Event(event) => {
                        told = true;
                        self.on_transaction(event, wall, now);
                    }
                }
            }
            if told {
                told = self.drain_dialogs(wall, now) | self.drain_roles(wall, now);
                quiet &= !told;
            }
            if quiet {
                return;
            }
        }
    }

    fn on_transport(&mut self, event: sip_transport::Event, wall: SystemTime, now: Instant) {
        match event {
            sip_transport::Event::Message {
                message,
                flow,
                reply,
            } => {
                #[cfg(feature = "__judge")]
                self.judge.arrived(&message);
                if flow.kind.is_secure()
                    && self.peers.is_wanted()
                    && let Some(identity) = self.transports.peer_identity(flow.id)
                {
                    self.peers
                        .learn(flow.id, identity, |id| self.transports.flow(id).is_some());
                }
                match &message {
                    BoxedMessage::Response(response) => {
                        self.counts.received(flow.kind, response.status());
                    }
                    BoxedMessage::Request(request) => {
                        if !self.takes(request, &flow, &reply, now) {
                            return;
                        }
                    }
                }
                if !self.taps.is_empty() {
                    self.tap_received(&message, &flow, wall);
                }
                if self.tracing {
                    self.traced(Direction::Received, flow, &message.to_bytes(), now);
                }
                let Some(message) = self.keep(message, flow, reply) else {
                    return;
                };
                let Some(message) = self.statelessly(message, flow, reply, now) else {
                    return;
                };
                if let BoxedMessage::Request(request) = &message
                    && self.answers_apart(request, &flow, &reply, wall, now)
                {
                    self.transports.recycle(message);
                    return;
                }
                self.transactions.handle_input(
                    sip_transaction::Input::Message {
                        message,
                        flow,
                        reply,
                    },
                    now,
                );
            }
            sip_transport::Event::FlowFailed { flow, cause, .. } => {
                tracing::debug!(?flow, %cause, "a flow failed");
                self.lost(flow);
                self.transactions
                    .handle_input(sip_transaction::Input::FlowFailed { flow }, now);
                self.tell_failed(flow);
            }
            sip_transport::Event::Selected { id, result } => self.selected(id, result, wall, now),
            sip_transport::Event::Malformed {
                kind,
                remote,
                error,
                answered,
                ..
            } => {
                tracing::debug!(%kind, %remote, %error, ?answered, "not a message");
                if let (Some(guard), sip_transport::Malformed::Syntax(_)) = (&mut self.guard, error)
                {
                    guard.fault(remote, now);
                    self.tell_banned();
                }
            }
            sip_transport::Event::Captured(captured) => {
                self.outputs.push_back(Output::Captured(captured));
            }
            other => tracing::trace!(?other, "transport"),
        }
    }

    /// Offers a transaction event to the parts in order; each hands back what is not its own.
    fn on_transaction(&mut self, event: sip_transaction::Event, wall: SystemTime, now: Instant) {
        self.note_failure(&event, now);
        let mut event = event;
        let span = match &event {
            sip_transaction::Event::Request { request, .. } => {
                tracing::debug_span!("request", call_id = request.headers().call_id())
            }
            sip_transaction::Event::Response { response, .. } => {
                tracing::debug_span!("response", call_id = response.headers().call_id())
            }
            _ => tracing::Span::none(),
        };
        let _in_span = span.enter();
        if let sip_transaction::Event::Request {
            id, request, flow, ..
        } = &event
        {
            self.counts.request(flow.kind, request.method());
            self.latencies.begun(*id, request.method(), now);
        }
        if let (Some(retry_after), sip_transaction::Event::Request { id, request, .. }) =
            (self.draining, &event)
        {
            // A request within a dialog belongs to what is running; all others begin something.
            if request.headers().to_tag().is_none() {
                let response = Response::to(request, StatusCode::SERVICE_UNAVAILABLE)
                    .to_tag(&self.transactions.mint_tag())
                    .header(
                        HeaderName::RetryAfter,
                        retry_after.as_secs().max(1).to_string(),
                    )
                    .build();
                self.reply(*id, response, now);
                return;
            }
        }
        if let Some(probes) = &mut self.probes {
            match probes.handle_input(event, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        if let Some(dialogs) = &mut self.dialogs {
            match dialogs.handle_input(event, &mut self.transactions, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        if let Some(registrar) = &mut self.registrar {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Registrar);
            let stores = &mut self.stores;
            let ask = &mut Asking { stores, wall, now };
            match registrar.handle_input_asking(event, ask, t, wall, now) {
                Some(back) => event = back,
                None => {
                    if let Some(request) = registrar.take_spent() {
                        self.transports.recycle(BoxedMessage::Request(request));
                    }
                    return;
                }
            }
        }
        if let Some(events) = &mut self.events {
            match events.handle_input(event, &mut self.transactions, wall, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        if let Some(proxy) = &mut self.proxy {
            let t = &mut self
                .latencies
                .watch(&mut self.transactions, LatencyRole::Proxy);
            match proxy.handle_input(event, t, wall, now) {
                Some(back) => event = back,
                None => return,
            }
        }
        self.unclaimed(event, now);
    }

    /// What no part took: the application's, or refused.
    fn unclaimed(&mut self, event: sip_transaction::Event, now: Instant) {
        match event {
            sip_transaction::Event::Request {
                id, request, flow, ..
            } => {
                if self.handled.contains(request.method()) {
                    self.outputs
                        .push_back(Output::Request { id, request, flow });
                    return;
                }
                // RFC 3261 section 12.2.2: within a dialog that does not exist; section 8.2.1: a method that is not supported here.
                let status = if request.headers().to_tag().is_some() {
                    StatusCode::CALL_DOES_NOT_EXIST
                } else {
                    StatusCode::METHOD_NOT_ALLOWED
                };
                // RFC 3261 §8.2.6.2: a tag, and section 8.2.1: in a 405 what is taken, by any part.
                let mut response =
                    Response::to(&request, status).to_tag(&self.transactions.mint_tag());
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    response = response.header(HeaderName::Allow, self.allowed());
                }
                self.reply(id, response.build(), now);
            }
            sip_transaction::Event::Cancel {
                id,
                invite,
                request,
                ..
            } => {
                // RFC 3261 section 9.2; an INVITE that is the application's is left to it, the CANCEL is answered.
                // Section 8.2.6.2: also the answer to one that belongs to nothing has a tag.
                let tag = self.transactions.mint_tag();
                let _ = self
                    .transactions
                    .answer_cancel(id, &request, invite, &tag, now);
            }
            sip_transaction::Event::Stray { response, flow } => {
                // RFC 6026 §7.3 leaves these to the stateless proxy.
                if let Some(stateless) = &mut self.stateless {
                    stateless.handle_response(response, flow, now);
                }
            }
            other => tracing::trace!(?other, "an event of no part"),
        }
    }

    /// The methods that some part takes, each once.
    fn allowed(&self) -> String {
        let mut allowed: Vec<&str> = Vec::new();
        let of_server = self.proxy.as_ref().map(Proxy::allow);
        let of_agent = self.dialogs.as_ref().map(Dialogs::allow);
        let registers =
            (of_server.is_none() && self.registrar.is_some()).then_some(Method::Register.as_str());
        let all = [of_server, registers, of_agent];
        let all = all.into_iter().flatten().flat_map(|list| list.split(", "));
        for method in all.chain(self.handled.iter().map(Method::as_str)) {
            if !method.is_empty() && !allowed.contains(&method) {
                allowed.push(method);
            }
        }
        allowed.join(", ")
    }

    /// What is forwarded without a transaction never gets one.
    fn statelessly(
        &mut self,
        message: BoxedMessage,
        flow: Flow,
        reply: Flow,
        now: Instant,
    ) -> Option<BoxedMessage> {
        match (message, &mut self.stateless) {
            // Answers may come to another worker, which cannot know the connection that this came over.
            // No transaction of ours has such a branch.
            (BoxedMessage::Response(response), Some(stateless))
                if stateless.is_in_use() && Branch::is_of_stateless(&response) =>
            {
                stateless
                    .handle_response(response, flow, now)
                    .map(BoxedMessage::Response)
            }
            (BoxedMessage::Request(request), Some(stateless))
                if self.draining.is_none()
                    && !(self.neighbours.is_some() && reply.is_reliable()) =>
            {
                stateless
                    .handle_request(request, flow, reply, &mut self.transactions, now)
                    .map(BoxedMessage::Request)
            }
            (message, _) => Some(message),
        }
    }

    pub(super) fn reply(
        &mut self,
        id: ServerTransactionId,
        response: Result<Response, sip_message::BuildError>,
        now: Instant,
    ) {
        match response {
            // A transaction that has ended meanwhile needs no answer.
            Ok(response) => drop(
                self.latencies
                    .watch(&mut self.transactions, LatencyRole::Server)
                    .respond(id, &response, now),
            ),
            Err(error) => tracing::debug!(%error, "a response could not be built"),
        }
    }

    fn drain_dialogs(&mut self, wall: SystemTime, now: Instant) -> bool {
        let mut moved = false;
        while let Some(output) = self.dialogs.as_mut().and_then(Dialogs::poll_output) {
            moved = true;
            match output {
                sip_dialog::Output::SelectFlow {
                    token,
                    next_hop,
                    size,
                } => {
                    self.start_selecting(Selecting::Dialogs(token), &next_hop, size, wall, now);
                }
                sip_dialog::Output::Authenticate {
                    token,
                    account,
                    realm,
                    ..
                } => {
                    self.outputs.push_back(Output::Authenticate {
                        token,
                        account,
                        realm: realm.to_string(),
                    });
                }
                sip_dialog::Output::Event(event) => self.outputs.push_back(Output::Dialog(event)),
            }
        }
        moved
    }

    fn drain_roles(&mut self, wall: SystemTime, now: Instant) -> bool {
        let mut moved = false;
        while let Some(output) = self.registrar.as_mut().and_then(Registrar::poll_output) {
            moved = true;
            self.on_role(Role::Registrar, output, wall, now);
        }
        while let Some(output) = self.events.as_mut().and_then(Events::poll_output) {
            moved = true;
            self.on_role(Role::Events, output, wall, now);
        }
        while let Some(output) = self.proxy.as_mut().and_then(Proxy::poll_output) {
            moved = true;
            self.on_role(Role::Proxy, output, wall, now);
        }
        while let Some(output) = self.stateless.as_mut().and_then(Stateless::poll_output) {
            moved = true;
            self.on_role(Role::Stateless, output, wall, now);
        }
        while let Some(output) = self.probes.as_mut().and_then(Probes::poll_output) {
            moved = true;
            self.on_role(Role::Probes, output, wall, now);
        }
        moved
    }

    pub(super) fn traced(
        &mut self,
        direction: Direction,
        flow: Flow,
        payload: &[u8],
        now: Instant,
    ) {
        let line = payload
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let summary = line
            .strip_prefix("SIP/2.0 ")
            .or_else(|| line.strip_suffix(" SIP/2.0"))
            .unwrap_or(&line)
            .to_owned();
        let message = Message::parse(
            bytes::Bytes::copy_from_slice(payload),
            &sip_message::ParserConfig::default(),
        );
        let detail = message
            .ok()
            .and_then(|message| message.headers().get(HeaderName::CSeq).map(str::to_owned))
            .unwrap_or_default();
        self.outputs.push_back(Output::Traced(Traced {
            at: now,
            direction,
            transport: flow.kind.via_token(),
            local: flow.local,
            remote: flow.remote,
            summary,
            detail,
        }));
    }
}
