//! Text of the RFCs' examples and of deployed peers, read and printed.

use alloc::string::String;

use super::{Amr, G729, H264, Opus, ProfileLevelId, TelephoneEvents, Vp8};

#[test]
fn rfc7587_6_1_opus() {
    let text = "maxplaybackrate=16000;sprop-maxcapturerate=16000;maxaveragebitrate=20000;stereo=1;useinbandfec=1;usedtx=0";
    let opus = Opus::decode(text);
    assert_eq!(
        (
            opus.max_playback_rate,
            opus.stereo,
            opus.use_inband_fec,
            opus.cbr
        ),
        (Some(16_000), Some(true), Some(true), None)
    );
    let mut printed = String::new();
    opus.encode(&mut printed);
    assert_eq!(printed, text);
    assert_eq!(
        Opus::decode("minptime=10; useinbandfec=1").min_ptime,
        Some(10)
    );
}

#[test]
fn rfc4733_7_1_1_event_lists() {
    for (text, printed) in [
        ("0-15,66,70", "0-15,66,70"),
        ("", "0-15"),
        ("0-11, 13", "0-11,13"),
        ("events=0-15", "0-15"),
        ("255", "255"),
    ] {
        let events = TelephoneEvents::decode(text).expect("a list of events");
        let mut out = String::new();
        events.encode(&mut out);
        assert_eq!(out, printed, "{text:?}");
        assert_eq!(TelephoneEvents::decode(&out), Some(events));
    }
    for bad in ["0-", "a", "256", "1--2", ","] {
        assert_eq!(TelephoneEvents::decode(bad), None, "{bad:?}");
    }
    let few = TelephoneEvents::decode("0-11,66").expect("a list of events");
    let mut both = String::new();
    few.intersection(&TelephoneEvents::DTMF).encode(&mut both);
    assert_eq!(both, "0-11");
    assert!(
        TelephoneEvents::decode("66")
            .expect("a list")
            .intersection(&TelephoneEvents::DTMF)
            .is_empty()
    );
}

#[test]
fn rfc4856_2_1_9_g729_annex_b_is_the_default() {
    assert!(G729::decode("").uses_annex_b());
    assert!(!G729::decode("annexb=no").uses_annex_b());
    assert!(G729::decode("annexb=YES").uses_annex_b());
    let mut out = String::new();
    G729 {
        annex_b: Some(false),
    }
    .encode(&mut out);
    assert_eq!(out, "annexb=no");
}

#[test]
fn rfc4867_8_3_1_amr_payload_forms() {
    let text = "octet-align=1;mode-set=0,2,5,7;mode-change-period=2;mode-change-capability=2;mode-change-neighbor=1;max-red=0";
    let amr = Amr::decode(text);
    assert_eq!(amr.mode_set, Some(0b1010_0101));
    let mut out = String::new();
    amr.encode(&mut out);
    assert_eq!(out, text);
    assert!(!amr.is_compatible(&Amr::decode("mode-set=0,2")));
    assert!(amr.is_compatible(&Amr::decode("octet-align=1")));
    assert!(!amr.is_compatible(&Amr::decode("octet-align=1;mode-set=1,3")));
    assert!(Amr::decode("").is_compatible(&Amr::decode("octet-align=0")));
    assert!(!Amr::decode("crc=1").is_compatible(&Amr::decode("")));
}

#[test]
fn rfc6184_8_2_2_h264_profile_and_mode_are_the_format() {
    let text = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1";
    let h264 = H264::decode(text);
    assert_eq!(
        h264.profile_level_id,
        Some(ProfileLevelId {
            profile: 0x42,
            constraints: 0xe0,
            level: 0x1f
        })
    );
    let mut out = String::new();
    h264.encode(&mut out);
    assert_eq!(out, text);
    for (other, same) in [
        ("profile-level-id=42c00a;packetization-mode=1", true),
        ("profile-level-id=42e01f", false),
        ("profile-level-id=42001f;packetization-mode=1", false),
        ("profile-level-id=4d001f;packetization-mode=1", false),
        ("profile-level-id=4d801f;packetization-mode=1", true),
        ("profile-level-id=640c1f;packetization-mode=1", false),
    ] {
        assert_eq!(h264.is_compatible(&H264::decode(other)), same, "{other}");
    }
    assert!(H264::decode("").is_compatible(&H264::decode(
        "profile-level-id=42000a;packetization-mode=0"
    )));
}

#[test]
fn rfc7741_6_1_vp8() {
    let vp8 = Vp8::decode("max-fr=30; max-fs=3600");
    assert_eq!((vp8.max_fr, vp8.max_fs), (Some(30), Some(3600)));
    let mut out = String::new();
    vp8.encode(&mut out);
    assert_eq!(out, "max-fr=30;max-fs=3600");
}
