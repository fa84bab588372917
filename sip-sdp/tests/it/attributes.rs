//! Typed attributes: the RFCs' examples, and what is refused where.

use sip_sdp::attribute::*;

/// Decodes, prints the same, and hands the value to a check.
macro_rules! reads {
    ($type:ty, $text:expr, $check:expr) => {{
        let attribute =
            <$type>::decode($text).unwrap_or_else(|error| panic!("{error} in {:?}", $text));
        let mut printed = String::new();
        attribute.encode(&mut printed);
        assert_eq!(printed, $text);
        let check: fn($type) = $check;
        check(attribute);
    }};
}

/// Is refused at these offsets.
macro_rules! refuses {
    ($type:ty, $($text:expr => $offset:expr),* $(,)?) => {$(
        assert_eq!(<$type>::decode($text).map_err(|error| error.offset).err(), Some($offset), "{:?}", $text);
    )*};
}

#[test]
fn rfc8866_6_6_rtpmap() {
    reads!(Rtpmap<'_>, "99 h263-1998/90000", |map| assert_eq!(
        map.clock_rate,
        90_000
    ));
    reads!(Rtpmap<'_>, "111 opus/48000/2", |map| assert_eq!(
        (map.encoding, map.channels),
        ("opus", 2)
    ));
    refuses!(Rtpmap<'_>, "" => 0, "x PCMU/8000" => 0, "128 a/1" => 0, "0" => 1, "0 PCMU" => 6, "0 PCMU/" => 7, "0 /8000" => 2,
        "0 PCMU/8000/x" => 12, "0 PCMU/8000 x" => 12, "0 PCMU/99999999999" => 7);
}

#[test]
fn rfc8866_6_15_fmtp() {
    reads!(
        Fmtp<'_>,
        "96 profile-level-id=42e016;max-mbps=108000",
        |fmtp| {
            assert_eq!(
                (fmtp.payload_type(), fmtp.parameter("MAX-MBPS")),
                (Some(96), Some("108000"))
            );
        }
    );
    reads!(Fmtp<'_>, "t38 x", |fmtp| assert_eq!(
        fmtp.payload_type(),
        None
    ));
}

#[test]
fn rfc8866_6_numbers_and_words() {
    reads!(Ptime, "20", |ptime| assert_eq!(ptime.0, 20));
    assert_eq!(Ptime::decode("20.5"), Ok(Ptime(20)));
    refuses!(Ptime, "x" => 0, "" => 0, "20." => 3, "-1" => 0);
    reads!(MaxPtime, "240", |ptime| assert_eq!(ptime.0, 240));
    reads!(FrameRate<'_>, "29.97", |rate| assert_eq!(rate.0, "29.97"));
    refuses!(FrameRate<'_>, "0" => 0, "1.2.3" => 0, "a" => 0);
    reads!(Quality, "10", |quality| assert_eq!(quality.0, 10));
    reads!(Charset<'_>, "ISO-8859-1", |charset| assert_eq!(
        charset.0,
        "ISO-8859-1"
    ));
    reads!(SdpLanguage<'_>, "fr", |_| {});
    reads!(Language<'_>, "de", |_| {});
    reads!(Category<'_>, "a.b", |_| {});
    reads!(Keywords<'_>, "x y", |_| {});
    reads!(Tool<'_>, "sip 1", |_| {});
}

#[test]
fn rfc3605_2_1_rtcp() {
    reads!(Rtcp<'_>, "53020", |rtcp| assert_eq!(
        (rtcp.port, rtcp.connection),
        (53020, None)
    ));
    reads!(
        Rtcp<'_>,
        "53020 IN IP6 2001:2345:6789:abcd:ef01:2345:6789:abcd",
        |rtcp| {
            assert!(
                rtcp.connection
                    .is_some_and(|connection| connection.ip().is_some())
            );
        }
    );
    refuses!(Rtcp<'_>, "x" => 0, "70000" => 0, "53020 IN" => 8, "53020x" => 5);
}

#[test]
fn rfc5761_5_1_1_and_other_flags() {
    reads!(RtcpMux, "", |_| {});
    reads!(RtcpMuxOnly, "", |_| {});
    reads!(RtcpReducedSize, "", |_| {});
    reads!(BundleOnly, "", |_| {});
    reads!(EndOfCandidates, "", |_| {});
    reads!(IceLite, "", |_| {});
    reads!(IceMismatch, "", |_| {});
    reads!(ExtMapAllowMixed, "", |_| {});
    refuses!(RtcpMux, "x" => 0);
}

#[test]
fn rfc4585_4_2_rtcp_fb() {
    reads!(RtcpFeedback<'_>, "* nack pli", |feedback| assert_eq!(
        (feedback.payload_type, feedback.kind, feedback.parameters),
        (None, "nack", "pli")
    ));
    reads!(RtcpFeedback<'_>, "98 trr-int 100", |feedback| assert_eq!(
        feedback.payload_type,
        Some(98)
    ));
    refuses!(RtcpFeedback<'_>, "x nack" => 0, "98" => 2, "200 nack" => 0);
}

#[test]
fn rfc8285_8_extmap() {
    reads!(
        ExtMap<'_>,
        "2/sendrecv http://example.com/082005/ext.htm#xmeta short",
        |map| {
            assert_eq!(
                (map.id, map.direction, map.attributes),
                (2, Some(Direction::SendRecv), "short")
            );
        }
    );
    reads!(ExtMap<'_>, "4096 urn:x", |map| assert_eq!(map.uri, "urn:x"));
    refuses!(ExtMap<'_>, "0 urn:x" => 0, "300 urn:x" => 0, "1/both urn:x" => 2, "1" => 1);
}

#[test]
fn rfc5888_5_and_rfc8843_groups() {
    reads!(Group<'_>, "BUNDLE foo bar", |group| {
        assert_eq!(
            (group.semantics, group.mids().count(), group.contains("bar")),
            (GroupSemantics::Bundle, 2, true)
        );
    });
    reads!(Group<'_>, "LS 1 2", |group| assert_eq!(
        group.semantics,
        GroupSemantics::LipSync
    ));
    reads!(Group<'_>, "BUNDLE", |group| assert_eq!(
        group.mids().count(),
        0
    ));
    reads!(Group<'_>, "DUP S1 S2", |group| assert_eq!(
        group.semantics.as_str(),
        "DUP"
    ));
    refuses!(Group<'_>, "" => 0, "LS a(b" => 3);
    reads!(Mid<'_>, "audio", |mid| assert_eq!(mid.0, "audio"));
    refuses!(Mid<'_>, "" => 0, "a b" => 0);
}

#[test]
fn rfc8830_2_msid() {
    reads!(Msid<'_>, "examplefoo examplebar", |msid| assert_eq!(
        msid.track,
        Some("examplebar")
    ));
    reads!(Msid<'_>, "-", |msid| assert_eq!(msid.track, None));
    reads!(MsidSemantic<'_>, " WMS a b", |semantic| assert_eq!(
        semantic.streams().count(),
        2
    ));
    refuses!(Msid<'_>, "" => 0, "a b c" => 4);
}

#[test]
fn rfc5576_4_sources() {
    reads!(
        Ssrc<'_>,
        "11111 cname:user3@example.com",
        |ssrc| assert_eq!((ssrc.ssrc, ssrc.value), (11111, Some("user3@example.com")))
    );
    reads!(SsrcGroup<'_>, "FID 1 2", |group| assert_eq!(
        group.sources().collect::<Vec<_>>(),
        [1, 2]
    ));
    refuses!(Ssrc<'_>, "x a:b" => 0, "1" => 1, "4294967296 a:b" => 0);
    refuses!(SsrcGroup<'_>, "FID x" => 4);
}

#[test]
fn rfc8853_5_1_simulcast_and_rfc8851_rid() {
    reads!(Simulcast<'_>, "send 1,~4;2;3 recv a", |simulcast| {
        let send: Vec<Vec<_>> = simulcast
            .send
            .expect("send")
            .streams()
            .map(Iterator::collect)
            .collect();
        assert_eq!(send.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(
            send[0][1],
            SimulcastAlternative {
                rid: "4",
                paused: true
            }
        );
        assert!(simulcast.receive.is_some());
    });
    refuses!(Simulcast<'_>, "" => 0, "send" => 4, "send 1 send 2" => 7, "both 1" => 0, "send 1;;2" => 0);
    reads!(
        Rid<'_>,
        "1 send pt=97,98;max-width=1280;max-fps=30",
        |rid| {
            assert_eq!(rid.payload_types().collect::<Vec<_>>(), [97, 98]);
            assert_eq!(rid.restrictions().last(), Some(("max-fps", Some("30"))));
        }
    );
    refuses!(Rid<'_>, "" => 0, "a.b send" => 0, "a both" => 1);
}

#[test]
fn rfc4568_9_1_crypto() {
    reads!(
        Crypto<'_>,
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
        |crypto| {
            assert_eq!(
                (crypto.tag, crypto.suite),
                (1, CryptoSuite::AesCm128HmacSha1_80)
            );
            let key = crypto.key_parameters().next().expect("a key");
            assert_eq!((key.lifetime, key.mki), (Some(1 << 20), Some((1, 4))));
            assert!(crypto.has_unknown_mandatory_parameter());
            assert_eq!(crypto.suite.key_and_salt_len(), Some(30));
        }
    );
    reads!(
        Crypto<'_>,
        "2 AEAD_AES_256_GCM inline:a;inline:b -OWN",
        |crypto| {
            assert_eq!(crypto.key_parameters().count(), 2);
            assert!(!crypto.has_unknown_mandatory_parameter());
        }
    );
    refuses!(Crypto<'_>, "" => 0, "x A inline:b" => 0, "1" => 1, "1 A" => 3, "1 A inline" => 3, "1234567890 A inline:b" => 0);
}

#[test]
fn rfc8122_5_fingerprint_and_rfc4145_setup() {
    reads!(Fingerprint<'_>, "SHA-1 4A:AD:B9", |print| assert_eq!(
        print.bytes().collect::<Vec<_>>(),
        [0x4a, 0xad, 0xb9]
    ));
    refuses!(Fingerprint<'_>, "" => 0, "sha-1" => 5, "sha-1 4A:A" => 6, "sha-1 4A:AG" => 6, "sha-1 4A B" => 9);
    reads!(Setup, "actpass", |setup| assert_eq!(setup, Setup::ActPass));
    refuses!(Setup, "both" => 0);
    reads!(ConnectionReuse, "existing", |reuse| assert_eq!(
        reuse,
        ConnectionReuse::Existing
    ));
    refuses!(ConnectionReuse, "old" => 0);
    reads!(TlsId<'_>, "abc3de65cddef001be82", |_| {});
    refuses!(TlsId<'_>, "short" => 0);
    reads!(KeyManagement<'_>, "mikey AQAF", |key| assert_eq!(
        key.protocol,
        "mikey"
    ));
}

#[test]
fn rfc8839_5_ice() {
    reads!(
        Candidate<'_>,
        "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
        |candidate| {
            assert_eq!(candidate.related, Some(("203.0.113.141", 8998)));
            assert_eq!(candidate.socket_addr(), "192.0.2.3:45664".parse().ok());
        }
    );
    // RFC 6544 §4.5.
    reads!(
        Candidate<'_>,
        "1 1 TCP 2128609279 10.0.1.1 9 typ host tcptype active generation 0",
        |candidate| {
            assert_eq!(
                (candidate.tcp_kind(), candidate.extension("generation")),
                (Some(TcpKind::Active), Some("0"))
            );
        }
    );
    reads!(
        Candidate<'_>,
        "1 1 UDP 1 f0b1c2d3.local 9 typ host",
        |candidate| assert_eq!(candidate.socket_addr(), None)
    );
    refuses!(Candidate<'_>, "" => 0, "1 0 UDP 1 a 1 typ host" => 2, "1 1 UDP 4294967296 a 1 typ host" => 8,
        "1 1 UDP 1 a 65536 typ host" => 12, "1 1 UDP 1 a 1 host" => 13, "1 1 UDP 1 a 1 typ host x" => 23,
        "1 1 UDP 1 a 1 typ host raddr b" => 30);
    reads!(
        RemoteCandidates<'_>,
        "1 192.0.2.3 45664 2 192.0.2.3 45665",
        |list| assert_eq!(list.list().count(), 2)
    );
    refuses!(RemoteCandidates<'_>, "" => 0, "1 192.0.2.3" => 0);
    reads!(IceUfrag<'_>, "8hhY", |_| {});
    refuses!(IceUfrag<'_>, "abc" => 0);
    reads!(IcePassword<'_>, "asd88fgpdd777uzjYhagZg", |_| {});
    refuses!(IcePassword<'_>, "short" => 0);
    reads!(IceOptions<'_>, "ice2 trickle", |options| assert!(
        options.contains("trickle")
    ));
    refuses!(IceOptions<'_>, "" => 0);
    reads!(IcePacing, "50", |_| {});
}

#[test]
fn rfc8841_data_channels() {
    reads!(SctpPort, "5000", |port| assert_eq!(port.0, 5000));
    reads!(MaxMessageSize, "18446744073709551615", |size| assert_eq!(
        size.0,
        u64::MAX
    ));
    refuses!(MaxMessageSize, "18446744073709551616" => 0, "184467440737095516150" => 0);
    reads!(
        SctpMap<'_>,
        "5000 webrtc-datachannel 1024",
        |map| assert_eq!(map.streams, Some(1024))
    );
    refuses!(SctpPort, "70000" => 0);
}

#[test]
fn rfc4574_label_and_rfc4796_content() {
    reads!(Label<'_>, "speaker-1", |_| {});
    reads!(Content<'_>, "slides,main", |content| assert_eq!(
        content.tags().count(),
        2
    ));
    refuses!(Content<'_>, "a,,b" => 0);
}

#[test]
fn rfc3312_4_preconditions() {
    reads!(CurrentStatus<'_>, "qos e2e none", |status| assert_eq!(
        status.direction,
        PreconditionDirection::None
    ));
    reads!(
        DesiredStatus<'_>,
        "qos mandatory e2e sendrecv",
        |status| assert_eq!(status.strength, PreconditionStrength::Mandatory)
    );
    reads!(ConfirmStatus<'_>, "qos remote recv", |status| assert_eq!(
        status.status,
        PreconditionStatusType::Remote
    ));
    refuses!(DesiredStatus<'_>, "qos must e2e sendrecv" => 3, "qos" => 3);
    refuses!(CurrentStatus<'_>, "qos e2e both" => 7, "qos e2e none x" => 13);
}

#[test]
fn rfc5939_3_capability_negotiation() {
    reads!(
        AttributeCapability<'_>,
        "1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        |capability| assert_eq!(capability.number, 1)
    );
    reads!(
        TransportCapability<'_>,
        "1 RTP/SAVP RTP/AVPF",
        |capability| {
            assert_eq!(
                capability.protocols().collect::<Vec<_>>(),
                [(1, "RTP/SAVP"), (2, "RTP/AVPF")]
            );
        }
    );
    reads!(
        PotentialConfiguration<'_>,
        "1 t=1 a=1,2|3 +x=4",
        |configuration| {
            let parts: Vec<_> = configuration.parts().collect();
            assert_eq!(
                parts[1],
                ConfigurationPart {
                    name: "a",
                    required: false,
                    value: "1,2|3"
                }
            );
            assert!(parts[2].required);
        }
    );
    reads!(
        ActualConfiguration<'_>,
        "1 t=1 a=1",
        |configuration| assert_eq!(configuration.number, 1)
    );
    reads!(CapabilitySet<'_, true>, "cap-v0,med-v0", |set| assert_eq!(
        set.tags().count(),
        2
    ));
    reads!(CapabilitySet<'_, false>, "cap-v0", |_| {});
    refuses!(PotentialConfiguration<'_>, "x" => 0, "1 t" => 2);
    refuses!(TransportCapability<'_>, "1" => 1);
    refuses!(AttributeCapability<'_>, "1" => 1);
}

#[test]
fn rfc4975_8_msrp() {
    reads!(
        MsrpPath<'_>,
        "msrp://a.example:7394/2s93i93idj;tcp msrps://b.example:7394/x;tcp",
        |path| assert_eq!(path.uris().count(), 2)
    );
    reads!(
        AcceptTypes<'_>,
        "message/cpim text/plain *",
        |types| assert_eq!(types.types().count(), 3)
    );
    reads!(AcceptWrappedTypes<'_>, "*", |_| {});
    refuses!(MsrpPath<'_>, "sip:a" => 0, "" => 0);
    refuses!(AcceptTypes<'_>, "text" => 0);
}

#[test]
fn t38_attributes_are_read_and_printed() {
    let lines = "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxMaxBuffer:262\r\na=T38FaxMaxDatagram:90\r\n\
        a=T38FaxFillBitRemoval\r\na=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=image 4000 udptl t38\r\n{lines}"
    );
    let description: sip_sdp::SessionDescription = text.parse().expect("parses");
    let fax = T38::of(description.media_at(0).expect("image").attributes());
    assert_eq!(
        (fax.max_bit_rate, fax.fill_bit_removal, fax.transcoding_mmr),
        (Some(14_400), true, false)
    );
    assert_eq!(fax.error_correction, Some(UdpErrorCorrection::Redundancy));
    let mut printed = String::new();
    fax.encode_lines(&mut printed);
    assert_eq!(printed, lines);
}

#[test]
fn attribute_errors_carry_line_and_column() {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 1 RTP/AVP 96\r\na=rtpmap:96 opus\r\n";
    let description: sip_sdp::SessionDescription = text.parse().expect("parses");
    let error = description
        .media_at(0)
        .expect("audio")
        .attribute::<Rtpmap<'_>>()
        .expect_err("no clock rate");
    assert_eq!((error.name, error.line, error.column), ("rtpmap", 7, 17));
    assert_eq!(
        error.to_string(),
        "line 7, column 17: `a=rtpmap`: a slash and the clock rate must follow the encoding name"
    );
}
