//! The `elbo` command; see [`elbo::cli`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    elbo::cli::main()
}
