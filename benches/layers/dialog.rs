//! The criterion group of this layer; its cases are in `src/dialog.rs`.

fn main() {
    sip_bench::measure("dialog");
}
