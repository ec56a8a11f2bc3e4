//! What is seen on a terminal, which may change its size or go away.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    os::fd::{AsFd, OwnedFd},
    process::Child,
    thread,
    time::Duration,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::*;

/// A terminal, and a process whose messages go there.
struct Terminal {
    screen: OwnedFd,
    child: Child,
}

impl Terminal {
    fn new(place: &Place, arguments: &str) -> Self {
        // Closed in the child, or the terminal would live for as long as that does.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let screen = openpt(flags).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        resize(&screen, 24, 80);
        let name = ptsname(&screen, vec![]).unwrap().into_string().unwrap();
        let terminal = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let mut command = place.spawn(arguments);
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        let child = command.stdout(terminal.try_clone().unwrap()).stderr(terminal).spawn();
        Self { screen, child: child.unwrap() }
    }

    /// All that is shown from now on, until the process has ended.
    fn reader(&self) -> thread::JoinHandle<String> {
        let mut screen = File::from(self.screen.try_clone().unwrap());
        thread::spawn(move || {
            let mut shown = vec![];
            // Linux ends a terminal that no process holds with an error.
            let _ = screen.read_to_end(&mut shown);
            String::from_utf8_lossy(&shown).into_owned()
        })
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }
}

fn resize(screen: impl AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(screen, size).unwrap();
}

/// Waits until so many epochs are done, and says how many are.
fn wait_for_epochs(place: &Place, child: &mut Child, epochs: usize) -> usize {
    loop {
        let metrics = fs::read_to_string(place.path("run/metrics.csv")).unwrap_or_default();
        match metrics.lines().skip(1).count() {
            done if done >= epochs => return done,
            _ => assert!(child.try_wait().unwrap().is_none(), "it ended by itself"),
        }
    }
}

const ENDLESS: &str = "train --recipe small.toml --out run --epochs 1000000000";

#[test]
fn a_progress_bar_survives_a_terminal_of_any_size() {
    let place = Place::new();
    let mut terminal = Terminal::new(&place, ENDLESS);
    let reader = terminal.reader();
    wait_for_epochs(&place, &mut terminal.child, 1);
    for (rows, columns) in [(24, 20), (1, 1), (24, 2), (0, 0), (1, 0), (500, 500), (2, 80)] {
        thread::sleep(Duration::from_millis(150));
        resize(&terminal.screen, rows, columns);
    }
    thread::sleep(Duration::from_millis(150));
    assert!(terminal.child.try_wait().unwrap().is_none(), "it still runs");
    terminal.terminate();
    assert_eq!(terminal.child.wait().unwrap().code(), Some(1));
    let shown = reader.join().unwrap();
    assert!(shown.contains("\u{1b}["), "no bar was drawn: {shown}");
    assert!(shown.contains("goes on from there"), "{shown}");
    assert!(!shown.contains("panicked"), "{shown}");
}

/// It is not the process's controlling terminal, whose end SIGHUP would tell it.
#[test]
fn a_run_goes_on_where_its_terminal_fails_and_no_signal_says_so() {
    let place = Place::new();
    let Terminal { screen, mut child } = Terminal::new(&place, ENDLESS);
    let done = wait_for_epochs(&place, &mut child, 1);
    drop(screen);
    wait_for_epochs(&place, &mut child, done + 20);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_argument_moves_its_cursor() {
    let place = Place::new();
    for arguments in
        ["info a b\u{1b}[2Jc", "\u{1b}[2J", "--\u{1b}[2J", "train --out \u{9b}2J --latent x"]
    {
        let mut terminal = Terminal::new(&place, arguments);
        let reader = terminal.reader();
        assert_eq!(terminal.child.wait().unwrap().code(), Some(2), "{arguments:?}");
        let shown = reader.join().unwrap();
        assert!(shown.contains("error: ") && !shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
    }
}

#[test]
fn a_study_is_in_colour_on_a_terminal() {
    let place = Place::new();
    let mut terminal = Terminal::new(&place, "study");
    let reader = terminal.reader();
    assert!(terminal.child.wait().unwrap().success());
    let shown = reader.join().unwrap();
    assert!(shown.contains("\u{1b}[1m"), "{shown}");
    assert!(!shown.contains(r"\u{1b}"), "{shown}");
}
