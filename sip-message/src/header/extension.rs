//! Headers of extensions that are a word or parameters: caller preferences, security agreement, session identifiers,
//! locations, info packages, answer modes, flows, user-to-user data, and those of the IMS.

use super::list::token_list;
use super::number::number_header;
use super::valued::{params_header, valued_header};
use super::{NameAddr, newtype_header};

valued_header! {
    /// `*` and the features that the recipient should have (RFC 3841 §9.2).
    AcceptContact, Token
}

valued_header! {
    /// `*` and the features that the recipient should not have (RFC 3841 §9.2).
    RejectContact, Token
}

token_list! {
    /// How the caller wishes the request to be treated: `proxy`, `no-fork`, `parallel`, ... (RFC 3841 §9.1).
    RequestDisposition
}

valued_header! {
    /// `*` and the features that the element that added it has (RFC 6809 §6).
    FeatureCaps, Token
}

valued_header! {
    /// One security mechanism that the client has (RFC 3329 §2.2).
    SecurityClient, Token
}

valued_header! {
    /// One security mechanism that the server has (RFC 3329 §2.2).
    SecurityServer, Token
}

valued_header! {
    /// One security mechanism that the server said it has (RFC 3329 §2.2).
    SecurityVerify, Token
}

token_list! {
    /// Priorities, each a namespace and a value: `dsn.flash` (RFC 4412 §3.1).
    ResourcePriority
}

token_list! {
    /// Priorities that the server understands (RFC 4412 §3.2).
    AcceptResourcePriority
}

valued_header! {
    /// One name of the session for both ends and all on the way: 32 hexadecimal digits, and those of the other end as
    /// `remote` (RFC 7989 §5).
    ///
    /// ```
    /// use sip_message::header::SessionId;
    /// let id = SessionId::parse("ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2").unwrap();
    /// assert_eq!(id.remote(), Some("47755a9de7794ba387653f2099600ef2"));
    /// ```
    SessionId, Token
}

impl SessionId<'_> {
    /// The part of the other end.
    #[must_use]
    pub fn remote(&self) -> Option<&str> {
        self.params()
            .get("remote")
            .filter(|remote| !remote.is_empty())
    }
}

valued_header! {
    /// Data from user to user, by default in hexadecimal digits (RFC 7433 §4.1).
    UserToUser, TokenOrQuoted
}

newtype_header! {
    /// One reference to a location (RFC 6442 §4.1).
    Geolocation(NameAddr) = Geolocation
}

valued_header! {
    /// May elements on the way route by the location: `yes` or `no` (RFC 6442 §4.2).
    GeolocationRouting, Token
}

valued_header! {
    /// What was wrong with the location: a code, and `code=` text (RFC 6442 §4.3).
    GeolocationError, Token
}

valued_header! {
    /// The package of an INFO (RFC 6086 §8).
    InfoPackage, Token
}

valued_header! {
    /// One package that the sender takes (RFC 6086 §8).
    RecvInfo, Token
}

valued_header! {
    /// Should the call be answered by a person or by itself: `Manual` or `Auto` (RFC 5373 §4).
    AnswerMode, Token
}

valued_header! {
    /// The same with the privilege to override the callee's wish (RFC 5373 §4).
    PrivAnswerMode, Token
}

number_header! {
    /// After how many seconds without traffic the server takes the flow for dead (RFC 5626 §10).
    FlowTimer(u32), "bad Flow-Timer"
}

number_header! {
    /// How many branches the request may still fork into at once (RFC 5393 §5.3.3).
    MaxBreadth(u32), "bad Max-Breadth"
}

newtype_header! {
    /// Where the notifications of a REFER can be subscribed to (RFC 7614 §4).
    ReferEventsAt(NameAddr) = ReferEventsAt
}

newtype_header! {
    /// One policy server (RFC 6794 §4.5).
    PolicyContact(NameAddr) = PolicyContact
}

newtype_header! {
    /// One policy that was used (RFC 6794 §4.5).
    PolicyId(NameAddr) = PolicyId
}

newtype_header! {
    /// One recipient whose consent is missing (RFC 5360 §5.9.3).
    PermissionMissing(NameAddr) = PermissionMissing
}

newtype_header! {
    /// One document to ask a recipient for consent with (RFC 5360 §5.11).
    TriggerConsent(NameAddr) = TriggerConsent
}

valued_header! {
    /// One access network: its type, and where the user is in it (RFC 7315 §4.4).
    PAccessNetworkInfo, Token
}

valued_header! {
    /// One cell of an access network that is not the one in use (3GPP TS 24.229 §7.2.15).
    CellularNetworkInfo, Token
}

valued_header! {
    /// One network that the user visits (RFC 7315 §4.3).
    PVisitedNetworkId, TokenOrQuoted
}

params_header! {
    /// The charging identifiers of the call: `icid-value`, `orig-ioi`, ... (RFC 7315 §4.6).
    PChargingVector
}

params_header! {
    /// Where charging data go: `ccf`, `ecf` (RFC 7315 §4.5).
    PChargingFunctionAddresses
}

token_list! {
    /// Whether early media is authorized: `sendrecv`, `inactive`, `supported`, ... (RFC 5009 §8).
    PEarlyMedia
}

token_list! {
    /// Tokens that authorize media, in hexadecimal digits (RFC 3313 §5.1).
    PMediaAuthorization
}

valued_header! {
    /// One service that was asserted, a URN (RFC 6050 §4.1).
    PAssertedService, Uri
}

valued_header! {
    /// One service that the user wishes for, a URN (RFC 6050 §4.2).
    PPreferredService, Uri
}

valued_header! {
    /// The private network that the request belongs to, a domain (RFC 7316 §6).
    PPrivateNetworkIndication, Token
}

valued_header! {
    /// Whether the answer of a push-to-talk server is the user's: `Confirmed` or `Unconfirmed` (RFC 4964 §3).
    PAnswerState, Token
}

valued_header! {
    /// The billing record of a PacketCable call (RFC 5503 §7.1).
    PDcsBillingInfo, Uri
}

valued_header! {
    /// Where a PacketCable call is surveilled (RFC 5503 §8.1).
    PDcsLaes, Uri
}

valued_header! {
    /// What an operator wants of a PacketCable call: `BLV`, `EI`, `RING` (RFC 5503 §6.1).
    PDcsOsps, Token
}

valued_header! {
    /// The redirections of a surveilled PacketCable call (RFC 5503 §8.1).
    PDcsRedirect, UriOrQuoted
}

params_header! {
    /// Which element made the response: `fe=<urn>` (3GPP TS 24.229 §7.2.17).
    ResponseSource
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    /// Each text is an example of the RFC that the type names, and comes out as it went in.
    macro_rules! same {
        ($($header:ty = $text:literal),* $(,)?) => {
            $(check_reencode!($header, [($text, Some($text)), ("", None)]);)*
        };
    }

    #[test]
    fn every_extension_header_reads_its_rfc_example() {
        same! {
            AcceptContact<'_> = "*;audio;require",
            RejectContact<'_> = "*;actor=\"msg-taker\";video",
            FeatureCaps<'_> = "*;+sip.feature=\"<a,b>\"",
            SecurityClient<'_> = "ipsec-ike;q=0.1",
            SecurityServer<'_> = "tls;q=0.2",
            SecurityVerify<'_> = "digest;d-alg=MD5;d-qop=auth;d-ver=\"0000000000000000000000000000abcd\"",
            SessionId<'_> = "ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000",
            UserToUser<'_> = "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar",
            Geolocation<'_> = "<cid:target123@atlanta.example.com>",
            GeolocationRouting<'_> = "yes",
            GeolocationError<'_> = "100; code=\"Cannot Process Location\"",
            InfoPackage<'_> = "foo",
            RecvInfo<'_> = "P;x=y",
            AnswerMode<'_> = "Auto;require",
            PrivAnswerMode<'_> = "Manual",
            ReferEventsAt<'_> = "<sips:vPT3izGmo8NTxL@refer-explicit.example.com>",
            PolicyContact<'_> = "<sip:policy@example.com>;non-cacheable",
            PermissionMissing<'_> = "<sip:C@example.com>",
            TriggerConsent<'_> = "<sip:123@relay.example.com>;target-uri=\"sip:friends@relay.example.com\"",
            PAccessNetworkInfo<'_> = "3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11",
            PVisitedNetworkId<'_> = "\"Visited network number 1\"",
            PChargingVector<'_> = "icid-value=1234bc9876e;icid-generated-at=192.0.6.8;orig-ioi=home1.net",
            PChargingFunctionAddresses<'_> = "ccf=192.1.1.1; ccf=192.1.1.2; ecf=192.1.1.3",
            PAssertedService<'_> = "urn:urn-7:3gpp-service.exampletelephony.version1",
            PPreferredService<'_> = "urn:urn-7:3gpp-service.exampletelephony.version1",
            PPrivateNetworkIndication<'_> = "example.com",
            PAnswerState<'_> = "Unconfirmed",
            PDcsBillingInfo<'_> = "0123456789ABCDEF/0123456789ABCDEF@h.net;charge=tel:+12125551212",
            PDcsLaes<'_> = "192.0.2.1:5060;content=192.0.2.2:9",
            PDcsOsps<'_> = "BLV",
            PDcsRedirect<'_> = "\"tel:+1\";num-redirects=1",
            FlowTimer = "120",
            MaxBreadth = "60",
        }
        check_reencode!(
            ResponseSource<'_>,
            [(
                "fe=<urn:3gpp:fe:p-cscf.orig>",
                Some("fe=<urn:3gpp:fe:p-cscf.orig>")
            )]
        );
        check_reencode!(
            ResourcePriority<'_>,
            [("dsn.flash, wps.3", Some("dsn.flash, wps.3"))]
        );
        check_reencode!(
            AcceptResourcePriority<'_>,
            [("dsn.flash-override", Some("dsn.flash-override"))]
        );
        check_reencode!(
            RequestDisposition<'_>,
            [("no-fork, parallel", Some("no-fork, parallel"))]
        );
        check_reencode!(
            PEarlyMedia<'_>,
            [("supported, sendrecv", Some("supported, sendrecv"))]
        );
        check_reencode!(PMediaAuthorization<'_>, [("0123AF", Some("0123AF"))]);
        check_reencode!(
            CellularNetworkInfo<'_>,
            [(
                "3GPP-E-UTRAN-FDD;cell-info-age=5",
                Some("3GPP-E-UTRAN-FDD;cell-info-age=5")
            )]
        );
        check_reencode!(
            PolicyId<'_>,
            [("<sip:policy@h>;token=1", Some("<sip:policy@h>;token=1"))]
        );
    }

    #[test]
    fn first_parameters_are_found() {
        let vector = PChargingVector::parse("icid-value=\"a;b\" ;orig-ioi=x").unwrap();
        assert_eq!(
            vector.params().unquoted("ICID-value").as_deref(),
            Some("a;b")
        );
        assert_eq!(vector.params().get("orig-ioi"), Some("x"));
    }
}
