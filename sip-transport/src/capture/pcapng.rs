//! [`PcapngWriter`]: captures that Wireshark reads.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use super::packet::Packets;
use crate::io::Captured;
use crate::kind::TransportKind;

/// Writes messages as pcapng (draft-ietf-opsawg-pcapng), with the addresses that they travelled between.
///
/// What goes over UDP and TCP becomes IP packets, with headers made up around the message. What is encrypted, inside
/// WebSockets or over SCTP is written as it is above that, in Wireshark's format for exported messages: there is no
/// packet that a reader could take apart. Such a file has two kinds of records, which libpcap (tcpdump, sngrep) does
/// not read; a file with UDP and TCP only is read by all.
///
/// ```
/// # use sip_transport::{Captured, PcapngWriter, TransportKind};
/// # use std::time::{Duration, SystemTime};
/// let mut writer = PcapngWriter::new(Vec::new())?;
/// let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5060".parse().unwrap());
/// let captured = Captured::new(true, TransportKind::Udp, local, remote, "OPTIONS sip:h SIP/2.0\r\n\r\n".into());
/// writer.write(&captured, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))?;
/// assert!(writer.into_inner().starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    packets: Packets,
    /// The number of each interface that was described: of IP packets, of exported messages.
    interfaces: [Option<u32>; 2],
    block: Vec<u8>,
    data: Vec<u8>,
}

/// The link types of the two interfaces: LINKTYPE_RAW, LINKTYPE_WIRESHARK_UPPER_PDU.
const LINK_TYPES: [(u16, &str); 2] = [(101, "sip"), (252, "sip-decoded")];
const IP: usize = 0;
const EXPORTED: usize = 1;

impl<W: io::Write> PcapngWriter<W> {
    /// Begins a capture.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            packets: Packets::default(),
            interfaces: [None; 2],
            block: Vec::new(),
            data: Vec::new(),
        };
        // Section Header Block: byte order, version 1.0, length unknown.
        writer.block.extend(0x1a2b_3c4d_u32.to_le_bytes());
        writer.block.extend(1_u16.to_le_bytes());
        writer.block.extend(0_u16.to_le_bytes());
        writer.block.extend((-1_i64).to_le_bytes());
        option(&mut writer.block, 4, b"sip-stack");
        writer.finish_block(0x0a0d_0d0a)?;
        // Even a capture of nothing says what it would have held.
        writer.interface(IP)?;
        Ok(writer)
    }

    /// Writes one message.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write(&mut self, captured: &Captured, at: SystemTime) -> io::Result<()> {
        let (from, to) = if captured.sent {
            (captured.local, captured.remote)
        } else {
            (captured.remote, captured.local)
        };
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        let result = match captured.kind {
            TransportKind::Udp => {
                self.packets.udp(from, to, &captured.payload, &mut data);
                self.packet(IP, captured, at, &data)
            }
            TransportKind::Tcp => {
                let mut packets = std::mem::take(&mut self.packets);
                let result = packets.tcp(from, to, &captured.payload, |segment| {
                    self.packet(IP, captured, at, segment)
                });
                self.packets = packets;
                result
            }
            TransportKind::Tls
            | TransportKind::Ws
            | TransportKind::Wss
            | TransportKind::Sctp
            | TransportKind::TlsSctp => {
                exported(captured.kind, from, to, &captured.payload, &mut data);
                self.packet(EXPORTED, captured, at, &data)
            }
        };
        self.data = data;
        result
    }

    /// Writes what is buffered to where it belongs.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The writer that was given.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// An Enhanced Packet Block.
    fn packet(
        &mut self,
        link: usize,
        captured: &Captured,
        at: SystemTime,
        data: &[u8],
    ) -> io::Result<()> {
        let interface = self.interface(link)?;
        let nanos = at
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        let [high, low] = [nanos >> 32, nanos & 0xffff_ffff].map(|half| half.to_le_bytes());
        self.block.extend(interface.to_le_bytes());
        self.block.extend_from_slice(&high[..4]);
        self.block.extend_from_slice(&low[..4]);
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.block.extend(len);
        self.block.extend(len);
        self.block.extend_from_slice(data);
        pad(&mut self.block, data.len());
        if link == EXPORTED {
            // opt_comment: the record itself does not say more than the address family.
            option(&mut self.block, 1, captured.kind.via_token().as_bytes());
        }
        // epb_flags: inbound or outbound.
        let direction = if captured.sent { 2_u32 } else { 1 };
        option(&mut self.block, 2, &direction.to_le_bytes());
        self.finish_block(6)
    }

    /// The number of an interface, described before its first packet.
    fn interface(&mut self, link: usize) -> io::Result<u32> {
        if let Some(number) = self.interfaces[link] {
            return Ok(number);
        }
        let number = u32::try_from(self.interfaces.iter().flatten().count()).unwrap_or(0);
        let (link_type, name) = LINK_TYPES[link];
        // Interface Description Block: link type, reserved, no limit to the length.
        self.block.extend(link_type.to_le_bytes());
        self.block.extend([0; 6]);
        option(&mut self.block, 2, name.as_bytes());
        // if_tsresol: nanoseconds.
        option(&mut self.block, 9, &[9]);
        self.finish_block(1)?;
        self.interfaces[link] = Some(number);
        Ok(number)
    }

    /// Writes the block whose body is there: type and length before it, end of options and length behind it.
    fn finish_block(&mut self, kind: u32) -> io::Result<()> {
        self.block.extend([0; 4]);
        let len = u32::try_from(self.block.len() + 12).unwrap_or(u32::MAX);
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&len.to_le_bytes())?;
        self.block.clear();
        Ok(())
    }
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

fn pad(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&[0; 3][..len.next_multiple_of(4) - len]);
}

/// A message for Wireshark's format of exported messages: tags of name, addresses and ports, then the message.
fn exported(
    kind: TransportKind,
    from: SocketAddr,
    to: SocketAddr,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    tag(out, 12, b"sip");
    for (addr, v4, v6) in [(from, 20, 22), (to, 21, 23)] {
        match addr.ip().to_canonical() {
            IpAddr::V4(ip) => tag(out, v4, &ip.octets()),
            IpAddr::V6(ip) => tag(out, v6, &ip.octets()),
        }
    }
    let is_sctp = matches!(kind, TransportKind::Sctp | TransportKind::TlsSctp);
    let ports = if is_sctp { 1_u32 } else { 2 };
    tag(out, 24, &ports.to_be_bytes());
    for (addr, code) in [(from, 25), (to, 26)] {
        tag(out, code, &u32::from(addr.port()).to_be_bytes());
    }
    tag(out, 0, &[]);
    out.extend_from_slice(payload);
}

fn tag(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_be_bytes());
    let len = value.len().next_multiple_of(4);
    out.extend(u16::try_from(len).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The types of the blocks, read by their lengths alone.
    fn blocks(mut file: &[u8]) -> Vec<u32> {
        let mut types = Vec::new();
        while !file.is_empty() {
            let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
            let len = word(4) as usize;
            assert_eq!(len % 4, 0);
            assert_eq!(
                word(len - 4) as usize,
                len,
                "the length stands at both ends"
            );
            types.push(word(0));
            file = &file[len..];
        }
        types
    }

    #[test]
    fn blocks_are_whole_and_interfaces_come_before_their_packets() {
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (local, remote) = (
            "192.0.2.1:5060".parse().unwrap(),
            "192.0.2.9:40000".parse().unwrap(),
        );
        for (kind, len) in [
            (TransportKind::Udp, 1),
            (TransportKind::Tcp, 70_000),
            (TransportKind::Tls, 3),
            (TransportKind::Wss, 4),
        ] {
            let captured = Captured::new(false, kind, local, remote, vec![b'x'; len].into());
            writer.write(&captured, at).unwrap();
        }
        const SHB: u32 = 0x0a0d_0d0a;
        assert_eq!(blocks(&writer.into_inner()), [SHB, 1, 6, 6, 6, 1, 6, 6]);
    }
}
