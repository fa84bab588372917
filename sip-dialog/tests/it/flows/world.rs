//! [`World`]: all servers of a flow in one node. It forwards, forks, redirects and challenges as the flow has its proxies do, and repeats
//! what is lost on its way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_message::header::NameAddr;
use sip_message::{
    HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode, UriRef,
};
use sip_testkit::{Node, Packet};

use super::desk::Names;
use super::script::{Flow, Step};

/// Where one end is: its name in the flow and its address.
pub(super) type Place = (String, SocketAddr);

/// A copy of a request that went to an end.
struct Copy {
    to: SocketAddr,
    payload: Bytes,
    /// Whether it has a final response.
    ended: bool,
}

/// A request of an end.
struct Hop {
    from: SocketAddr,
    request: Request,
    call_id: String,
    copies: Vec<Copy>,
    /// The copies that are made when the one before is refused: where to, and the steps.
    later: VecDeque<(SocketAddr, usize)>,
    reply: Option<Bytes>,
}

/// What is sent again until it is answered: the branch, and when.
struct Repeat {
    branch: String,
    method: Method,
    to: SocketAddr,
    payload: Bytes,
    interval: Duration,
    at: Instant,
    rounds: u32,
}

pub(super) struct World {
    address: SocketAddr,
    places: Vec<Place>,
    steps: Vec<Step>,
    names: Rc<RefCell<Names>>,
    hops: Vec<Hop>,
    repeats: Vec<Repeat>,
    packets: VecDeque<Packet>,
    now: Instant,
}

impl World {
    pub(super) fn new(
        address: SocketAddr,
        places: &[Place],
        flow: &Flow,
        names: Rc<RefCell<Names>>,
        now: Instant,
    ) -> Self {
        Self {
            address,
            places: places.to_vec(),
            steps: flow.steps.clone(),
            names,
            hops: Vec::new(),
            repeats: Vec::new(),
            packets: VecDeque::new(),
            now,
        }
    }

    fn place(&self, name: &str) -> Option<SocketAddr> {
        let mut places = self.places.iter();
        places
            .find(|(known, _)| known == name)
            .map(|(_, address)| *address)
    }

    fn name(&self, address: SocketAddr) -> &str {
        let mut places = self.places.iter();
        places
            .find(|(_, known)| *known == address)
            .map_or("", |(name, _)| name)
    }

    fn send(&mut self, to: SocketAddr, payload: Bytes) {
        self.packets
            .push_back(Packet::datagram(self.address, to, payload));
    }

    fn repeat(&mut self, branch: &str, method: Method, to: SocketAddr, payload: Bytes) {
        self.send(to, payload.clone());
        let interval = Duration::from_millis(500);
        self.repeats.push(Repeat {
            branch: branch.to_owned(),
            method,
            to,
            payload,
            interval,
            at: self.now + interval,
            rounds: 0,
        });
    }

    fn on_request(&mut self, from: SocketAddr, request: Request) {
        let branch = branch(request.headers());
        let known = self
            .hops
            .iter()
            .position(|hop| self::branch(hop.request.headers()) == branch);
        match (known, request.method()) {
            (Some(index), Method::Ack) if *self.hops[index].request.method() != Method::Ack => {
                self.repeats.retain(|repeat| repeat.branch != branch);
                self.acknowledge(index, &request);
            }
            (Some(index), Method::Cancel) => {
                let ok = Response::to(&request, StatusCode::OK).to_tag("world");
                self.send(from, ok.build().unwrap().to_bytes());
                self.cancel(index);
            }
            (Some(index), _) => {
                // Again: so is all that was done for it.
                let hop = &self.hops[index];
                match hop.reply.clone() {
                    Some(reply) => self.send(from, reply),
                    None => {
                        let open: Vec<(SocketAddr, Bytes)> = hop
                            .copies
                            .iter()
                            .filter(|copy| !copy.ended)
                            .map(|copy| (copy.to, copy.payload.clone()))
                            .collect();
                        for (to, payload) in open {
                            self.send(to, payload);
                        }
                    }
                }
            }
            (None, _) => self.on_new(from, request),
        }
    }

    fn on_new(&mut self, from: SocketAddr, request: Request) {
        let method = request.method().to_string();
        let call_id = request.headers().call_id().unwrap().to_owned();
        let theirs = self.names.borrow().theirs(&call_id).map(str::to_owned);
        let theirs = theirs.unwrap_or_else(|| call_id.clone());
        let name = self.name(from).to_owned();
        let is = |step: &Step| {
            step.status().is_none()
                && step.method() == method
                && step.field("Call-ID") == Some(theirs.as_str())
        };
        let before = self
            .hops
            .iter()
            .filter(|hop| {
                hop.from == from
                    && hop.call_id == call_id
                    && hop.request.method() == request.method()
            })
            .count();
        let own: Vec<usize> = (0..self.steps.len())
            .filter(|index| self.steps[*index].from == name && is(&self.steps[*index]))
            .collect();
        let step = own.get(before).or_else(|| own.last()).copied();
        let next = own.get(before + 1).copied().unwrap_or(usize::MAX);
        let mut targets = VecDeque::new();
        if let Some(step) = step {
            if let Some(to) = self.place(&self.steps[step].to) {
                targets.push_back((to, step));
            } else {
                for (index, later) in self.steps.iter().enumerate().skip(step + 1) {
                    if index < next
                        && is(later)
                        && self.place(&later.from).is_none()
                        && let Some(to) = self.place(&later.to)
                    {
                        targets.push_back((to, index));
                    }
                }
            }
        }
        if (targets.is_empty() || request.headers().to_tag().is_some())
            && let Some(to) = self.contact(request.uri().unwrap())
        {
            targets = VecDeque::from([(to, usize::MAX)]);
        }
        if request.headers().to_tag().is_none() && *request.method() != Method::Invite {
            targets.truncate(1);
        }
        self.hops.push(Hop {
            from,
            request,
            call_id,
            copies: Vec::new(),
            later: targets,
            reply: None,
        });
        self.forward(self.hops.len() - 1);
    }

    /// Whose Contact it is: the address of an end, or what the flow says.
    fn contact(&self, uri: UriRef<'_>) -> Option<SocketAddr> {
        let host = uri.host_str()?;
        if let Some((_, address)) = self
            .places
            .iter()
            .find(|(_, address)| address.ip().to_string() == host)
        {
            return Some(*address);
        }
        self.steps.iter().find_map(|step| {
            let contact = step.field("Contact")?;
            let named = NameAddr::parse(contact).ok()?;
            let known = named.uri();
            (known.host_str() == Some(host) && known.user() == uri.user())
                .then(|| self.place(&step.from))?
        })
    }

    /// Sends the next copy of a request.
    fn forward(&mut self, index: usize) {
        let hop = &mut self.hops[index];
        let Some((to, step)) = hop.later.pop_front() else {
            return;
        };
        let number = hop.copies.len();
        let mut request = hop.request.clone();
        let own = format!("{}w{number}", branch(request.headers()));
        let via = format!("SIP/2.0/UDP {};branch={own}", self.address);
        let headers = request.headers_mut();
        headers.push_front(HeaderName::Via, via);
        // It is every proxy at once, and each that is named.
        headers.remove_all(HeaderName::Route);
        if let Some(step) = self
            .steps
            .get(step)
            .filter(|step| self.places.iter().all(|(name, _)| *name != step.from))
        {
            let mut routes: Vec<&str> = step.fields("Record-Route").collect();
            routes.reverse();
            for route in routes {
                request
                    .headers_mut()
                    .push_front(HeaderName::RecordRoute, route);
            }
            if request.headers().to_tag().is_none() {
                let uri = self.names.borrow().ours(step.uri());
                request.set_uri(uri).unwrap();
            }
        }
        let payload = request.to_bytes();
        self.hops[index].copies.push(Copy {
            to,
            payload: payload.clone(),
            ended: false,
        });
        if number == 0 {
            self.send(to, payload);
        } else {
            // Its sender has stopped repeating it.
            self.repeat(&own, request.method().clone(), to, payload);
        }
    }

    /// The ACK to a final response of a copy that is not a 2xx.
    fn acknowledge(&mut self, index: usize, ack: &Request) {
        let hop = &self.hops[index];
        let copies: Vec<(usize, SocketAddr)> = hop
            .copies
            .iter()
            .enumerate()
            .filter(|(_, copy)| copy.ended)
            .map(|(number, copy)| (number, copy.to))
            .collect();
        if let Some((number, to)) = copies.last() {
            let mut ack = ack.clone();
            let own = format!("{}w{number}", branch(hop.request.headers()));
            let via = format!("SIP/2.0/UDP {};branch={own}", self.address);
            ack.headers_mut().push_front(HeaderName::Via, via);
            self.send(*to, ack.to_bytes());
        }
    }

    /// Cancels what of a request is not answered.
    fn cancel(&mut self, index: usize) {
        let hop = &mut self.hops[index];
        hop.later.clear();
        let from = branch(hop.request.headers());
        let open: Vec<(String, SocketAddr, Bytes)> = hop
            .copies
            .iter()
            .enumerate()
            .filter(|(_, copy)| !copy.ended)
            .map(|(number, copy)| (format!("{from}w{number}"), copy.to, copy.payload.clone()))
            .collect();
        for (own, to, payload) in open {
            let Ok(Message::Request(invite)) = Message::parse(payload, &ParserConfig::default())
            else {
                panic!("what was sent is a request")
            };
            let headers = invite.headers();
            let (number, _) = headers.cseq().unwrap();
            let mut cancel = Request::builder(Method::Cancel, invite.uri_str())
                .header(
                    HeaderName::Via,
                    format!("SIP/2.0/UDP {};branch={own}", self.address),
                )
                .max_forwards(70);
            for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
                cancel = cancel.header(name.clone(), headers.get(name).unwrap());
            }
            let cancel = cancel.cseq(number).build().unwrap();
            self.repeat(&own, Method::Cancel, to, cancel.to_bytes());
        }
    }

    fn on_response(&mut self, mut response: Response) {
        let own = branch(response.headers());
        let (_, method) = response.headers().cseq().unwrap();
        let status = response.status();
        // A provisional response ends the repetition as well.
        self.repeats
            .retain(|repeat| repeat.branch != own || repeat.method != method);
        if method == Method::Cancel {
            return;
        }
        let Some((from, number)) = own.rsplit_once('w') else {
            return;
        };
        let Some(index) = self
            .hops
            .iter()
            .position(|hop| branch(hop.request.headers()) == from)
        else {
            return;
        };
        let number: usize = number.parse().unwrap();
        if status == StatusCode::TRYING {
            return;
        }
        let hop = &mut self.hops[index];
        hop.copies[number].ended |= status.is_final();
        let to = hop.from;
        if status.is_final() && !status.is_success() && method == Method::Invite {
            let wanted = !hop.later.is_empty();
            if wanted || hop.reply.is_some() || number + 1 < hop.copies.len() {
                // Of a branch that another one follows, or that came too late.
                let ack = self.ack_of(index, number, &response);
                let to = self.hops[index].copies[number].to;
                self.send(to, ack);
                if number + 1 == self.hops[index].copies.len() {
                    self.forward(index);
                }
                return;
            }
        }
        response.headers_mut().remove_first(HeaderName::Via);
        self.send(to, response.to_bytes());
    }

    fn ack_of(&self, index: usize, number: usize, response: &Response) -> Bytes {
        let hop = &self.hops[index];
        let headers = response.headers();
        let own = format!("{}w{number}", branch(hop.request.headers()));
        let mut ack = Request::builder(Method::Ack, hop.request.uri_str())
            .header(
                HeaderName::Via,
                format!("SIP/2.0/UDP {};branch={own}", self.address),
            )
            .max_forwards(70);
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
            ack = ack.header(name.clone(), headers.get(name).unwrap());
        }
        let (cseq, _) = headers.cseq().unwrap();
        ack.cseq(cseq).build().unwrap().to_bytes()
    }

    /// Does what a server does by itself in a step; whether there was something to do it to.
    pub(super) fn act(&mut self, step: &Step, now: Instant) -> bool {
        self.now = now;
        let call_id = self
            .names
            .borrow()
            .of(step.field("Call-ID").unwrap_or_default());
        let Some(to) = self.place(&step.to) else {
            return false;
        };
        let method: Method = step.method().parse().unwrap();
        let Some(status) = step.status() else {
            let index = self.hops.iter().rposition(|hop| {
                hop.call_id == call_id
                    && *hop.request.method() == Method::Invite
                    && hop.copies.iter().any(|copy| copy.to == to && !copy.ended)
            });
            let (Some(index), Method::Cancel) = (index, method) else {
                return false;
            };
            let later = std::mem::take(&mut self.hops[index].later);
            self.cancel(index);
            self.hops[index].later = later;
            return true;
        };
        let index = self.hops.iter().rposition(|hop| {
            hop.from == to
                && hop.call_id == call_id
                && *hop.request.method() == method
                && hop.reply.is_none()
        });
        let Some(index) = index else {
            return false;
        };
        let status = StatusCode::from_u16(status).unwrap();
        let request = &self.hops[index].request;
        let mut response = Response::to(request, status);
        if status.is_final() {
            response = response.to_tag("world");
        }
        for name in [
            HeaderName::WwwAuthenticate,
            HeaderName::ProxyAuthenticate,
            HeaderName::Contact,
            HeaderName::Expires,
        ] {
            for value in step.fields(name.as_str()) {
                response = response.header(name.clone(), value);
            }
        }
        let own = branch(request.headers());
        let reply = response.build().unwrap().to_bytes();
        if status.is_final() {
            self.hops[index].reply = Some(reply.clone());
            self.cancel(index);
        }
        if status.is_final() && method == Method::Invite {
            self.repeat(&own, Method::Invite, to, reply);
        } else {
            self.send(to, reply);
        }
        true
    }
}

/// The branch of the topmost Via.
fn branch(headers: &sip_message::Headers) -> String {
    let via = headers.get(HeaderName::Via).unwrap();
    let (_, rest) = via.split_once("branch=").unwrap();
    rest.split([';', ',']).next().unwrap().to_owned()
}

impl Node for World {
    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        self.now = now;
        match Message::parse(packet.payload, &ParserConfig::default()).unwrap() {
            Message::Request(request) => self.on_request(packet.from, request),
            Message::Response(response) => self.on_response(response),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let mut due = Vec::new();
        for repeat in &mut self.repeats {
            if repeat.at <= now {
                due.push((repeat.to, repeat.payload.clone()));
                repeat.interval = (repeat.interval * 2).min(Duration::from_secs(4));
                repeat.at += repeat.interval;
                repeat.rounds += 1;
            }
        }
        self.repeats.retain(|repeat| repeat.rounds < 12);
        for (to, payload) in due {
            self.send(to, payload);
        }
    }

    fn poll_packet(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.repeats.iter().map(|repeat| repeat.at).min()
    }
}
