//! What the process does about the signals that reach it.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
};
#[cfg(unix)]
use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use signal_hook::consts::{SIGINT, SIGTERM};
#[cfg(unix)]
use signal_hook::{iterator::Signals, low_level::emulate_default_handler};

/// What asks a process to end: Ctrl-C, `kill` or the machine's shutdown, and a terminal that goes away.
#[cfg(unix)]
const ENDING: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
/// Ctrl-C and Ctrl-Break; a console that is closed ends the process unseen.
#[cfg(not(unix))]
const ENDING: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGBREAK];

/// A flag that the first signal sets. Once it is set, whoever set it, a signal ends the process at once.
///
/// A signal that the process was started to ignore is still ignored: SIGHUP under `nohup`, SIGINT in the background of
/// a script.
///
/// # Errors
///
/// If the system refuses.
pub fn watch_for_the_end() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    watch(ENDING.into_iter().filter(|&signal| !is_ignored(signal)), asked.clone())?;
    Ok(asked)
}

/// How soon after the first signal another is the same wish: `timeout` sends one to the process and one to its group,
/// and a machine that shuts down may send two of different kinds.
#[cfg(unix)]
const TOGETHER: Duration = Duration::from_millis(500);

#[cfg(unix)]
fn watch(signals: impl Iterator<Item = i32>, asked: Arc<AtomicBool>) -> io::Result<()> {
    let mut signals = Signals::new(signals)?;
    let wait = move || {
        let mut first: Option<Instant> = None;
        for signal in signals.forever() {
            if !asked.swap(true, Ordering::Relaxed) {
                first = Some(Instant::now());
            } else if first.is_none_or(|first| first.elapsed() > TOGETHER) {
                // By the signal itself, so that whoever waits for the process learns what ended it.
                let _ = emulate_default_handler(signal);
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

#[cfg(not(unix))]
fn watch(signals: impl Iterator<Item = i32>, asked: Arc<AtomicBool>) -> io::Result<()> {
    for signal in signals {
        // In this order: the first signal finds the flag unset, and sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 1, asked.clone())?;
        signal_hook::flag::register(signal, asked.clone())?;
    }
    Ok(())
}

/// Has a write beyond the largest file that `ulimit -f` allows fail, with an error that names the file, where the
/// system would end the process.
///
/// # Errors
///
/// If the system refuses.
pub fn survive_the_limit_on_files() -> io::Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// Whether the process was started to ignore the signal. Only Linux says so without unsafe code; elsewhere none is
/// taken to be ignored.
fn is_ignored(signal: i32) -> bool {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = signal;
        false
    }
}
