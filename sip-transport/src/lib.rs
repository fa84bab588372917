//! SIP transport: flows, framing, target selection, and a tokio driver.
#![forbid(unsafe_code)]
