//! The criterion group of this layer; its cases are in `src/message.rs`.

fn main() {
    sip_bench::measure("message");
}
