//! `segmentation-offload`: when datagrams to one peer go through the system as one.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use sip_stack::transport::tokio::SegmentationOffload;

/// `true`, `false`, or `busy`: while a worker has hardly any time left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offload(SegmentationOffload);

impl Offload {
    pub(crate) const fn when(self) -> SegmentationOffload {
        self.0
    }
}

impl<'de> de::Deserialize<'de> for Offload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Offload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or \"busy\"")
            }

            fn visit_bool<E: de::Error>(self, always: bool) -> Result<Offload, E> {
                Ok(Offload(if always {
                    SegmentationOffload::Always
                } else {
                    SegmentationOffload::Never
                }))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Offload, E> {
                match text {
                    "busy" => Ok(Offload(SegmentationOffload::OnDemand)),
                    _ => Err(E::custom(format!(
                        "segmentation-offload: {text:?} is neither true nor false nor \"busy\""
                    ))),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn always_never_or_while_busy() {
        let read =
            |text: &str| Config::parse(text).map(|config| config.segmentation_offload.when());
        for (value, expected) in [
            ("true", SegmentationOffload::Always),
            ("false", SegmentationOffload::Never),
            ("\"busy\"", SegmentationOffload::OnDemand),
        ] {
            let text = format!("segmentation-offload = {value}");
            assert_eq!(read(&text).unwrap(), expected);
        }
        assert_eq!(read("").unwrap(), SegmentationOffload::OnDemand);
        let fault = read("segmentation-offload = \"often\"").unwrap_err();
        assert!(
            fault.what.contains("segmentation-offload: "),
            "{}",
            fault.what
        );
    }
}
