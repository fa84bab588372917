//! The criterion group of this layer; its cases are in `src/transport.rs`.

fn main() {
    sip_bench::measure("transport");
}
