//! Runs of many epochs: what they hold on to does not grow.

use std::process::Stdio;

use super::*;

/// What the kernel says of a process: bytes of memory in use, and open files.
fn in_use(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    (1024 * kilobytes, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

/// How many epochs it goes on. `ELBO_EPOCHS=1000 cargo test --test command_line long_runs -- --nocapture` asks
/// for more, and shows the figures.
fn epochs() -> usize {
    std::env::var("ELBO_EPOCHS").map_or(100, |n| n.parse().expect("ELBO_EPOCHS is a number"))
}

#[test]
#[cfg(target_os = "linux")]
fn memory_and_open_files_stay_flat_and_the_log_has_a_line_per_epoch() {
    use std::io::{BufRead, BufReader};
    let place = Place::new();
    let mut run = place.spawn("train --recipe small.toml --out run --epochs 1000000000");
    let mut child = run.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let is_epoch = |line: &String| line.starts_with("epoch ");
    // What is said before the first epoch, and of latent dimensions that die in the first ones.
    assert_eq!(lines.by_ref().filter(is_epoch).take(30).count(), 30, "the run goes on");
    let (memory, files) = in_use(child.id());
    let log: Vec<String> = lines.by_ref().take(epochs()).collect();
    assert_eq!(log.len(), epochs(), "the run goes on");
    let (later, open) = in_use(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    // Some may be open at that moment; one left open by each epoch would be a hundred.
    assert!(open < files + 10, "{files} open files became {open}");
    let told = log.iter().filter(|line| is_epoch(line)).count();
    assert!(told + 2 >= log.len(), "at most both latent dimensions die: {log:?}");
    println!("{memory} bytes in use became {later} in {told} epochs, with {open} open files");
    // A row and the latent dimensions of an epoch are some hundred bytes.
    let grown = later.saturating_sub(memory);
    assert!(grown < 500_000 + 1000 * epochs() as u64, "{memory} bytes in use became {later}");
}
