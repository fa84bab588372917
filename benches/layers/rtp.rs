//! The criterion group of this layer; its cases are in `src/rtp.rs`.

fn main() {
    sip_bench::measure("rtp");
}
