use super::*;

/// RFC 3680 §5.3 and the second contact of RFC 5628 §8, with what else a document may have.
const EXAMPLE: &str = r#"<?xml version="1.0"?>
<!-- A comment -->
<r:reginfo xmlns:r="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" xmlns:x="urn:x"
   version="7" state="partial" x:state="full">
  <r:registration aor="sip:user@example.com" id="as9" state="active">
    <r:contact id="76" state="active" event="shortened" duration-registered="7322" expires="60" q="0.8" callid="a&amp;b"
        cseq="12">
      <r:uri>
         sip:user@pc887.example.com?a=1&amp;b=&#50;
      </r:uri>
      <r:display-name>Ü <![CDATA[<User>]]></r:display-name>
      <r:unknown-param name="+sip.instance">"&lt;urn:uuid:1&gt;"</r:unknown-param>
      <r:unknown-param name="audio"/>
      <gr:pub-gruu uri="sip:user@example.com;gr=urn:uuid:1"/>
      <gr:temp-gruu uri="sip:tgruu.x@example.com;gr" first-cseq="54301"/>
      <x:uri>sip:no@example.com</x:uri>
    </r:contact>
    <contact id="79" state="active" event="registered"><uri>sip:other</uri></contact>
    <r:contact id="77" state="terminated" event="expired"><r:uri>sip:user@university.edu</r:uri></r:contact>
  </r:registration>
  <x:more><r:registration aor="sip:no" id="1" state="active"/></x:more>
</r:reginfo>"#;

#[test]
fn rfc3680_5_1_a_document_is_read_by_its_namespaces() {
    let info = RegInfo::parse(EXAMPLE).unwrap();
    assert_eq!((info.version, info.is_full), (7, false));
    assert_eq!(info.registrations.len(), 1);
    let registration = &info.registrations[0];
    assert_eq!(registration.state, RegistrationState::Active);
    let ids: Vec<&str> = registration
        .contacts
        .iter()
        .map(|contact| &*contact.id)
        .collect();
    assert_eq!(ids, ["76", "77"], "what has no namespace is another thing");
    let contact = &registration.contacts[0];
    assert_eq!(contact.uri, "sip:user@pc887.example.com?a=1&b=2");
    assert_eq!(contact.display_name.as_deref(), Some("Ü <User>"));
    assert_eq!(contact.event, ContactEvent::Shortened);
    assert_eq!(
        (contact.expires, contact.duration, contact.cseq),
        (Some(60), Some(7322), Some(12))
    );
    assert_eq!(contact.call_id.as_deref(), Some("a&b"));
    assert_eq!(
        contact.parameters,
        [
            ("+sip.instance".to_owned(), "\"<urn:uuid:1>\"".to_owned()),
            ("audio".to_owned(), String::new())
        ]
    );
    assert_eq!(
        contact.pub_gruu.as_deref(),
        Some("sip:user@example.com;gr=urn:uuid:1")
    );
    assert_eq!(
        contact.temp_gruu,
        Some(("sip:tgruu.x@example.com;gr".to_owned(), 54301))
    );
    assert!(!registration.contacts[1].event.is_active());
    // And what is written is read again, whatever stands in it.
    assert_eq!(RegInfo::parse(&info.to_xml()).unwrap(), info);
}

#[test]
fn rfc3680_5_4_the_written_document() {
    let mut contact = ContactInfo::new("76", ContactEvent::Registered, "sip:a@h;x=\"<&\"");
    contact.expires = Some(59);
    contact.q = Some("0.8".to_owned());
    contact.parameters.push(("audio".to_owned(), String::new()));
    let mut info = RegInfo {
        version: 0,
        is_full: true,
        registrations: vec![Registration {
            aor: "sip:a@h".to_owned(),
            id: "1".to_owned(),
            state: RegistrationState::Active,
            contacts: vec![contact],
        }],
    };
    assert_eq!(
        info.to_xml(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"full\">\
         <registration aor=\"sip:a@h\" id=\"1\" state=\"active\">\
         <contact id=\"76\" state=\"active\" event=\"registered\" expires=\"59\" q=\"0.8\">\
         <uri>sip:a@h;x=&quot;&lt;&amp;&quot;</uri><unknown-param name=\"audio\"></unknown-param>\
         </contact></registration></reginfo>"
    );
    info.registrations[0].contacts[0].pub_gruu = Some("sip:a@h;gr=1".to_owned());
    let text = info.to_xml();
    assert!(text.contains(" xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\""));
    assert!(text.contains("<gr:pub-gruu uri=\"sip:a@h;gr=1\"/>"));
}

#[test]
fn documents_that_are_none_are_refused() {
    let deep = format!(
        "<reginfo xmlns=\"{NAMESPACE}\" version=\"0\" state=\"full\">{}",
        "<a>".repeat(100)
    );
    for text in [
        "",
        "reginfo",
        "<reginfo version=\"0\" state=\"full\"/>",
        "<x:reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"full\"/>",
        "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"-1\" state=\"full\"/>",
        "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"half\"/>",
        "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"full\">",
        "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"full\"></x>",
        "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"full\"><registration/></reginfo>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"full\"/>",
        "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"0\" state=\"full\">&a;</reginfo>",
        deep.as_str(),
    ] {
        assert!(RegInfo::parse(text).is_err(), "{text}");
    }
    let large = " ".repeat((1 << 20) + 1);
    assert_eq!(RegInfo::parse(&large), Err(RegInfoError::TooLarge));
}

fn document(version: u32, is_full: bool, contacts: &[(&str, ContactEvent, u64)]) -> RegInfo {
    let contacts: Vec<ContactInfo> = contacts
        .iter()
        .map(|&(id, event, cseq)| {
            let mut contact = ContactInfo::new(id, event, format!("sip:{id}@h"));
            contact.cseq = Some(cseq);
            contact
        })
        .collect();
    let is_active = contacts.iter().any(|contact| contact.event.is_active());
    RegInfo {
        version,
        is_full,
        registrations: vec![Registration {
            aor: "sip:a@h".to_owned(),
            id: "1".to_owned(),
            state: if is_active {
                RegistrationState::Active
            } else {
                RegistrationState::Terminated
            },
            contacts,
        }],
    }
}

#[test]
fn rfc3680_5_2_documents_come_to_a_table() {
    use ContactEvent::{Expired, Refreshed, Registered};
    let mut table = RegTable::default();
    let mut apply = |info: RegInfo| {
        let applied = table.apply(&info);
        let ids: Vec<String> = table
            .contacts()
            .map(|(_, contact)| contact.id.clone())
            .collect();
        match applied {
            Applied::Stale => (None, false, ids),
            Applied::Taken { changes, has_gap } => {
                let changed: Vec<String> = changes.into_iter().map(|(_, c)| c.id).collect();
                (Some(changed.join(" ")), has_gap, ids)
            }
        }
    };
    let full = document(3, true, &[("a", Registered, 1), ("b", Registered, 1)]);
    let ids = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(apply(full), (Some("a b".to_owned()), false, ids("a b")));
    // One more; one that is gone.
    let partial = document(4, false, &[("b", Refreshed, 2), ("c", Registered, 1)]);
    assert_eq!(
        apply(partial),
        (Some("b c".to_owned()), false, ids("a b c"))
    );
    let gone = document(5, false, &[("c", Registered, 1), ("a", Expired, 1)]);
    assert_eq!(apply(gone), (Some("a".to_owned()), false, ids("b c")));
    // An old one is left out, one that comes too early shows that others are missing.
    let old = document(4, false, &[("d", Registered, 1)]);
    assert_eq!(apply(old), (None, false, ids("b c")));
    let early = document(8, false, &[("d", Registered, 1)]);
    assert_eq!(apply(early), (Some("d".to_owned()), true, ids("b c d")));
    // Full state says all; only what differs is new.
    let full = document(9, true, &[("d", Registered, 1), ("e", Registered, 1)]);
    assert_eq!(apply(full), (Some("e".to_owned()), false, ids("d e")));
}
