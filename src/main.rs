//! The `elbo` command.
fn main() {}
