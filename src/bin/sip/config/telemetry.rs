//! `[telemetry]`: where spans are exported to.

use serde::Deserialize;
use toml::Spanned;

use super::Fault;

/// `[telemetry]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct TelemetryTable {
    otlp: Option<Spanned<String>>,
    share: Option<Spanned<f64>>,
}

/// What it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Telemetry {
    /// The collector.
    pub(crate) otlp: Option<String>,
    /// How many of the spans go there, from 0 to 1.
    pub(crate) share: Option<f64>,
}

impl TelemetryTable {
    pub(super) fn read(&self) -> Result<Telemetry, Fault> {
        if let Some(url) = &self.otlp {
            let fault = |what: &str| Err(Fault::new(&url.span(), format!("telemetry: {what}")));
            if cfg!(not(feature = "otel")) {
                return fault("this program was built without the feature `otel`");
            }
            let host = url.get_ref().strip_prefix("http://");
            if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
                return fault(
                    "a collector is reached by http:// and its host, such as http://127.0.0.1:4318",
                );
            }
        }
        if let Some(share) = self
            .share
            .as_ref()
            .filter(|share| !(0.0..=1.0).contains(share.get_ref()))
        {
            let what = "telemetry: share is a number from 0 to 1";
            return Err(Fault::new(&share.span(), what));
        }
        Ok(Telemetry {
            otlp: self.otlp.as_ref().map(|url| url.get_ref().clone()),
            share: self.share.as_ref().map(|share| *share.get_ref()),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[cfg(feature = "otel")]
    #[test]
    fn where_spans_go_and_how_many() {
        let text = "[telemetry]\notlp = \"http://127.0.0.1:4318\"\nshare = 0.1";
        let telemetry = Config::parse(text).unwrap().telemetry;
        assert_eq!(telemetry.otlp.as_deref(), Some("http://127.0.0.1:4318"));
        assert_eq!(telemetry.share, Some(0.1));
        for wrong in [
            "https://127.0.0.1:4318",
            "127.0.0.1:4318",
            "http://",
            "http:///v1",
        ] {
            let text = format!("[telemetry]\notlp = \"{wrong}\"");
            let fault = Config::parse(&text).unwrap_err();
            assert!(fault.what.contains("telemetry: "), "{}", fault.what);
            assert_eq!(fault.at.map(|at| at.start), Some(19), "{wrong}");
        }
    }

    #[cfg(not(feature = "otel"))]
    #[test]
    fn a_program_that_exports_nothing_says_so() {
        let text = "[telemetry]\notlp = \"http://127.0.0.1:4318\"";
        let fault = Config::parse(text).unwrap_err();
        assert!(fault.what.contains("without the feature"), "{}", fault.what);
    }

    #[test]
    fn a_share_is_from_nothing_to_all() {
        for wrong in ["1.5", "-0.1", "nan"] {
            let fault = Config::parse(&format!("[telemetry]\nshare = {wrong}")).unwrap_err();
            assert!(fault.what.contains("telemetry: share"), "{}", fault.what);
        }
        let telemetry = Config::parse("[telemetry]\nshare = 1.0").unwrap().telemetry;
        assert_eq!((telemetry.otlp, telemetry.share), (None, Some(1.0)));
    }
}
