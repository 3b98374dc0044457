//! Every demo.
fn main() {}
