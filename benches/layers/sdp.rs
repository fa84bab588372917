//! The criterion group of this layer; its cases are in `src/sdp.rs`.

fn main() {
    sip_bench::measure("sdp");
}
