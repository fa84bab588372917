//! The criterion group of this layer; its cases are in `src/transaction.rs`.

fn main() {
    sip_bench::measure("transaction");
}
