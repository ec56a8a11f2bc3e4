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
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
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

const ENDLESS: &str = "train --recipe small.toml --out run --epochs 1000000000";

#[test]
fn a_progress_bar_survives_a_terminal_of_any_size() {
    let place = Place::new();
    let mut terminal = Terminal::new(&place, ENDLESS);
    let reader = terminal.reader();
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

#[test]
fn a_run_goes_on_when_its_terminal_is_gone() {
    let place = Place::new();
    let Terminal { screen, mut child } = Terminal::new(&place, ENDLESS);
    let epochs =
        || fs::read_to_string(place.path("run/metrics.csv")).map_or(0, |t| t.lines().count());
    while epochs() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it still runs");
    }
    drop(screen);
    let then = epochs();
    while epochs() < then + 20 {
        assert!(child.try_wait().unwrap().is_none(), "it still runs");
    }
    child.kill().unwrap();
    child.wait().unwrap();
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
