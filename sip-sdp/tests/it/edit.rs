//! Edits: what was not touched is printed as it came.

use sip_sdp::attribute::{Candidate, Mid, Ptime};
use sip_sdp::fields::{Connection, Origin};
use sip_sdp::{MediaLine, ParserConfig, Section, SessionDescription};

const TEXT: &str = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nt=0 0\na=odd:  spaces \n\
    m=audio 4000 RTP/AVP 0 8\nc=IN IP4 10.0.0.1\na=ptime:20\na=candidate:1 1 UDP 1 10.0.0.1 4000 typ host\n\
    a=candidate:2 1 UDP 1 10.0.0.2 4000 typ host\na=sendrecv\nm=video 0 RTP/AVP 31\nc=IN IP4 10.0.0.1\n";

fn parsed() -> SessionDescription {
    SessionDescription::parse_with(TEXT.as_bytes(), &ParserConfig::deployed()).expect("parses")
}

/// The lines that differ from the original: removed with `-`, added with `+`.
fn difference(description: &SessionDescription) -> Vec<String> {
    let printed = description.to_string();
    let before: Vec<&str> = TEXT.lines().collect();
    let after: Vec<&str> = printed.lines().collect();
    let removed = before
        .iter()
        .filter(|line| !after.contains(line))
        .map(|line| format!("-{line}"));
    let added = after
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| format!("+{line}"));
    removed.chain(added).collect()
}

#[test]
fn a_session_border_controller_edits_addresses() {
    let mut description = parsed();
    let public = Connection::unicast("192.0.2.1");
    description
        .set_connection(Section::Media(0), &public)
        .expect("an address");
    description
        .set_connection(Section::Session, &public)
        .expect("an address");
    description.set_port(0, 30_000).expect("a port");
    let origin = Origin {
        address: "192.0.2.1",
        ..parsed_origin()
    };
    description.set_origin(&origin).expect("an origin");
    description.remove_attributes(Section::Media(0), "candidate");
    assert_eq!(
        description.to_string(),
        "v=0\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\nc=IN IP4 192.0.2.1\r\nt=0 0\na=odd:  spaces \n\
         m=audio 30000 RTP/AVP 0 8\r\nc=IN IP4 192.0.2.1\r\na=ptime:20\na=sendrecv\nm=video 0 RTP/AVP 31\nc=IN IP4 10.0.0.1\n"
    );
    let again = SessionDescription::parse_with(&description.to_vec(), &ParserConfig::deployed())
        .expect("parses");
    assert_eq!(again.media_at(0).map(|media| media.port()), Some(30_000));
}

fn parsed_origin() -> Origin<'static> {
    Origin {
        username: "-",
        session_id: "1",
        session_version: "1",
        net_type: "IN",
        addr_type: "IP4",
        address: "10.0.0.1",
    }
}

#[test]
fn attributes_are_added_and_replaced_in_their_section() {
    let mut description = parsed();
    description
        .replace(Section::Media(0), &Ptime(30))
        .expect("an attribute");
    description
        .add(Section::Media(1), &Mid("v"))
        .expect("an attribute");
    description
        .add_attribute(Section::Session, "tool", Some("x"))
        .expect("an attribute");
    assert_eq!(
        difference(&description),
        ["-a=ptime:20", "+a=tool:x", "+a=ptime:30", "+a=mid:v"]
    );
    let audio = description.media_at(0).expect("audio");
    assert_eq!(audio.attribute::<Ptime>(), Ok(Some(Ptime(30))));
    assert_eq!(audio.attributes_of::<Candidate<'_>>().count(), 2);
    assert_eq!(
        description.media_by_mid("v").map(|media| media.index()),
        Some(1)
    );
}

#[test]
fn media_lines_are_changed_and_added() {
    let mut description = parsed();
    let line = MediaLine {
        kind: "video",
        port: 5000,
        port_count: None,
        protocol: "RTP/AVP",
        formats: "31 34",
    };
    description.set_media_line(1, &line).expect("a line");
    description
        .push_media("m=text 6000 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n")
        .expect("a media description");
    assert_eq!(description.media_len(), 3);
    assert_eq!(
        difference(&description),
        [
            "-m=video 0 RTP/AVP 31",
            "+m=video 5000 RTP/AVP 31 34",
            "+m=text 6000 RTP/AVP 98",
            "+a=rtpmap:98 t140/1000"
        ]
    );
}

#[test]
fn what_is_no_line_is_refused_and_changes_nothing() {
    let mut description = parsed();
    let before = description.clone();
    assert!(
        description
            .add_attribute(Section::Session, "a", Some("x\r\nm=audio 1 RTP/AVP 0"))
            .is_err()
    );
    assert!(
        description
            .add_attribute(Section::Session, "no token", None)
            .is_err()
    );
    assert!(
        description
            .set_connection(Section::Media(0), &Connection::unicast("a\nb"))
            .is_err()
    );
    assert!(description.set_port(7, 1).is_err());
    assert!(description.push_media("a=x").is_err());
    assert!(
        description
            .push_media("m=audio 1 RTP/AVP 0\r\nnonsense")
            .is_err()
    );
    assert!(description.insert_line(0, "").is_err());
    let line = MediaLine {
        kind: "audio",
        port: 1,
        port_count: None,
        protocol: "RTP AVP",
        formats: "",
    };
    assert!(description.set_media_line(0, &line).is_err());
    assert_eq!(description, before);
}
