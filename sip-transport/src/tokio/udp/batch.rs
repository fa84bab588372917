//! Sending many datagrams by one call to the system.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sendmsg,
};
use socket2::SockRef;
use tokio::net::UdpSocket;

use super::{Datagram, Merges};

/// Sends from the front of the queue and takes out what was sent: how many. An error is about the first. Where it `merges`,
/// those to one peer come first together, in their order: datagrams to different peers have none.
pub(super) fn send(
    socket: &UdpSocket,
    queue: &mut VecDeque<Datagram>,
    merges: &mut Merges,
) -> io::Result<usize> {
    if merges.are_on() && queue.len() > 1 {
        let queue = queue.make_contiguous();
        let most = queue.len().min(super::BATCH);
        group(queue.get_mut(..most).unwrap_or_default());
    }
    let sent = retry(|| send_once(socket, queue, merges))?;
    queue.drain(..sent);
    Ok(sent)
}

/// Brings the datagrams to each peer together, and keeps their order.
fn group(mut queue: &mut [Datagram]) {
    while let Some(((remote, _), rest)) = queue.split_first_mut() {
        let mut same = 0;
        for at in 0..rest.len() {
            if rest.get(at).is_some_and(|(other, _)| other == remote) {
                if at > same {
                    rest.get_mut(same..=at).unwrap_or_default().rotate_right(1);
                }
                same += 1;
            }
        }
        queue = rest.get_mut(same..).unwrap_or_default();
    }
}

/// How many at the front the system takes as one, to cut them apart itself: they go to one peer and are of one length, but for
/// the last, which may be shorter.
fn run(queue: &[Datagram]) -> usize {
    let Some((remote, first)) = queue.first() else {
        return 0;
    };
    let length = first.len();
    if length == 0 || length > super::MERGED {
        return 1;
    }
    let mut count = 1;
    for (other, payload) in queue.iter().take(super::BATCH).skip(1) {
        if other != remote || payload.is_empty() || payload.len() > length {
            break;
        }
        count += 1;
        if payload.len() < length {
            break;
        }
    }
    count
}

/// How many at the front go one by one, up to those that go as one.
fn singles(queue: &[Datagram]) -> usize {
    let most = queue.len().min(super::BATCH);
    (1..most)
        .find(|&at| queue.get(at..).is_some_and(|rest| run(rest) > 1))
        .unwrap_or(most)
}

/// Linux hands out the errors of earlier datagrams first, whoever they were for; these were not tried. More may come
/// meanwhile.
fn retry(mut send: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    let mut errors = 0;
    loop {
        match send() {
            Err(error) if errors < most_earlier(&error) => errors += 1,
            other => return other,
        }
    }
}

/// How many errors of this kind in a row may be those of earlier datagrams.
fn most_earlier(error: &io::Error) -> u32 {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable};
    let kind = error.kind();
    if kind == super::EARLIER {
        1000
    } else if matches!(kind, HostUnreachable | NetworkUnreachable) {
        // The system itself says so too, and then again.
        2
    } else {
        0
    }
}

fn send_once(
    socket: &UdpSocket,
    queue: &VecDeque<Datagram>,
    merges: &mut Merges,
) -> io::Result<usize> {
    let (first, second) = queue.as_slices();
    // What merges is in one piece.
    if merges.are_on() && second.is_empty() {
        let count = run(first);
        if count > 1 {
            let one = || send_as_one(socket, first.get(..count).unwrap_or_default());
            match one() {
                Err(error) if refuses_merged(&error) => {
                    tracing::debug!(%error, "datagrams are sent one by one from now on");
                    merges.able = false;
                }
                other => return other.map(|()| count),
            }
        } else {
            let count = singles(first);
            return send_each(socket, first.get(..count).unwrap_or_default(), &[]);
        }
    }
    send_each(socket, first, second)
}

/// Is this about the way in which they were handed over? A device that cannot cut them, a system that does not, a path with an
/// MTU too low for it.
fn refuses_merged(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::EINVAL | Errno::EIO | Errno::EMSGSIZE | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)
    )
}

/// Sends a [`run`]: one call, one way through the system.
fn send_as_one(socket: &UdpSocket, run: &[Datagram]) -> io::Result<()> {
    let Some((remote, first)) = run.first() else {
        return Ok(());
    };
    let length = u16::try_from(first.len()).unwrap_or(u16::MAX);
    let mut payloads = run.iter().map(|(_, payload)| payload);
    let slices: [IoSlice<'_>; super::BATCH] =
        std::array::from_fn(|_| IoSlice::new(payloads.next().map_or(&[], |payload| payload)));
    sendmsg(
        socket.as_raw_fd(),
        slices.get(..run.len()).unwrap_or_default(),
        &[ControlMessage::UdpGsoSegments(&length)],
        MsgFlags::MSG_DONTWAIT,
        Some(&SockaddrStorage::from(*remote)),
    )?;
    Ok(())
}

fn send_each(socket: &UdpSocket, first: &[Datagram], second: &[Datagram]) -> io::Result<usize> {
    if let ([(remote, payload)], []) = (first, second) {
        return SockRef::from(socket)
            .send_to(payload, &(*remote).into())
            .map(|_| 1);
    }
    if first.len() + second.len() <= super::FEW {
        send_up_to::<{ super::FEW }>(socket, first, second)
    } else {
        send_up_to::<{ super::BATCH }>(socket, first, second)
    }
}

fn send_up_to<const MOST: usize>(
    socket: &UdpSocket,
    first: &[Datagram],
    second: &[Datagram],
) -> io::Result<usize> {
    // In arrays, and not in something that is dropped: the borrows below would have to outlive it.
    let mut datagrams = first.iter().chain(second);
    let mut addrs = [None::<SockaddrStorage>; MOST];
    let mut addr = addrs.iter_mut();
    let slices: [[IoSlice<'_>; 1]; MOST] = std::array::from_fn(|_| {
        let datagram = datagrams.next();
        if let (Some((remote, _)), Some(addr)) = (datagram, addr.next()) {
            *addr = Some((*remote).into());
        }
        [IoSlice::new(datagram.map_or(&[], |(_, payload)| payload))]
    });
    let count = (first.len() + second.len()).min(MOST);
    let mut headers = MultiHeaders::preallocate(count, None);
    let flags = MsgFlags::MSG_DONTWAIT;
    let sent = sendmmsg(
        socket.as_raw_fd(),
        &mut headers,
        &slices,
        addrs.as_slice(),
        [],
        flags,
    )?;
    Ok(sent.count())
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use bytes::Bytes;
    use nix::errno::Errno;

    use super::{Datagram, group, refuses_merged, retry, run, singles};

    /// Datagrams to ports, of lengths.
    fn queue(of: &[(u16, usize)]) -> Vec<Datagram> {
        of.iter()
            .map(|&(port, len)| (([127, 0, 0, 1], port).into(), Bytes::from(vec![0; len])))
            .collect()
    }

    fn summary(queue: &[Datagram]) -> Vec<(u16, usize)> {
        queue
            .iter()
            .map(|(remote, payload)| (remote.port(), payload.len()))
            .collect()
    }

    #[test]
    fn those_to_one_peer_come_together_in_their_order() {
        for (before, after) in [
            (vec![], vec![]),
            (vec![(1, 10)], vec![(1, 10)]),
            (
                vec![(1, 10), (2, 20), (1, 11), (3, 30), (2, 21), (1, 12)],
                vec![(1, 10), (1, 11), (1, 12), (2, 20), (2, 21), (3, 30)],
            ),
            (
                vec![(1, 10), (1, 11), (2, 20), (2, 21)],
                vec![(1, 10), (1, 11), (2, 20), (2, 21)],
            ),
            (
                vec![(3, 1), (2, 1), (1, 1), (1, 2), (2, 2), (3, 2)],
                vec![(3, 1), (3, 2), (2, 1), (2, 2), (1, 1), (1, 2)],
            ),
        ] {
            let mut queue = queue(&before);
            group(&mut queue);
            assert_eq!(summary(&queue), after, "{before:?}");
        }
    }

    #[test]
    fn as_one_go_equal_lengths_and_a_shorter_last() {
        for (of, as_one, one_by_one) in [
            (vec![], 0, 0),
            (vec![(1, 500)], 1, 1),
            (vec![(1, 500), (1, 500)], 2, 0),
            (vec![(1, 500), (1, 500), (1, 499), (1, 499)], 3, 0),
            (vec![(1, 500), (1, 501), (1, 501)], 1, 1),
            (vec![(1, 500), (1, 501), (1, 502), (1, 502)], 1, 2),
            (vec![(1, 500), (2, 500), (3, 500)], 1, 3),
            (vec![(1, 500), (1, 500), (2, 500)], 2, 0),
            // Nothing at all cannot be told from nothing more.
            (vec![(1, 0), (1, 0)], 1, 2),
            (vec![(1, 500), (1, 0)], 1, 2),
            // Too long for the least of MTUs.
            (vec![(1, 1232), (1, 1232)], 2, 0),
            (vec![(1, 1233), (1, 1233)], 1, 2),
            (vec![(1, 500); 40], 32, 0),
            ((0..40).map(|n| (1, 500 + n)).collect(), 1, 32),
        ] {
            let queue = queue(&of);
            assert_eq!(run(&queue), as_one, "{of:?}");
            if as_one < 2 {
                assert_eq!(singles(&queue), one_by_one, "{of:?}");
            }
        }
    }

    #[test]
    fn only_what_is_about_merging_ends_it() {
        let refuses = |errno: Errno| refuses_merged(&errno.into());
        for errno in [Errno::EINVAL, Errno::EIO, Errno::EMSGSIZE] {
            assert!(refuses(errno), "{errno}");
        }
        for errno in [
            Errno::EAGAIN,
            Errno::ECONNREFUSED,
            Errno::EHOSTUNREACH,
            Errno::EPERM,
            Errno::ENOBUFS,
        ] {
            assert!(!refuses(errno), "{errno}");
        }
    }

    /// What comes after so many errors of this kind, and how often it was tried.
    fn after(errors: u32, kind: ErrorKind) -> (io::Result<usize>, u32) {
        let mut tries = 0;
        let result = retry(|| {
            tries += 1;
            if tries <= errors {
                Err(kind.into())
            } else {
                Ok(1)
            }
        });
        (result, tries)
    }

    #[test]
    fn rfc3261_18_4_the_errors_of_earlier_datagrams_are_not_those_of_this_one() {
        for (errors, kind) in [
            (0, ErrorKind::ConnectionRefused),
            (1, ErrorKind::ConnectionRefused),
            (40, ErrorKind::ConnectionRefused),
            (2, ErrorKind::HostUnreachable),
            (1, ErrorKind::NetworkUnreachable),
        ] {
            let (result, tries) = after(errors, kind);
            assert_eq!((result.ok(), tries), (Some(1), errors + 1), "{kind}");
        }
    }

    #[test]
    fn an_error_that_stays_is_one() {
        for (kind, expected) in [
            (ErrorKind::HostUnreachable, 3),
            (ErrorKind::PermissionDenied, 1),
            (ErrorKind::WouldBlock, 1),
            (ErrorKind::ConnectionRefused, 1001),
        ] {
            let (result, tries) = after(u32::MAX, kind);
            assert_eq!(result.map_err(|error| error.kind()), Err(kind));
            assert_eq!(tries, expected, "{kind}");
        }
    }
}
