//! Runs that end in the middle of things: a kill at any moment, a full disk, a folder that goes away, a second
//! run in the same folder.

use std::{
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use super::*;

const CHECKPOINT: &str = "run/checkpoint.safetensors";
/// What is written last of a first epoch's files.
const LAST: &str = "run/recipe.toml";
const ENDLESS: &str = "--out run --epochs 1000000000";

/// How often the run is killed. `ELBO_KILLS=200 cargo test --test command_line killed` asks for more.
fn kills() -> u64 {
    std::env::var("ELBO_KILLS").map_or(12, |kills| kills.parse().expect("ELBO_KILLS is a number"))
}

fn start(place: &Place, arguments: &str) -> Child {
    let arguments = format!("train --recipe small.toml {arguments}");
    place.spawn(&arguments).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until `is_so`, for as long as the child runs.
fn wait(child: &mut Child, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the run ended by itself: {status}");
        }
    }
}

fn is_half_written(place: &Place) -> bool {
    place.path("run").is_dir() && place.names("run").iter().any(|name| name.starts_with(".elbo-"))
}

/// The run, from its checkpoint or, where it was killed before the first one, from the start.
fn go_on(place: &Place) -> Child {
    let how = if place.path(CHECKPOINT).exists() { "--resume" } else { "--overwrite" };
    start(place, &format!("{ENDLESS} {how}"))
}

/// Waits until there is another checkpoint than at first.
fn wait_for_a_checkpoint(place: &Place, child: &mut Child) {
    let checkpoint = || fs::read(place.path(CHECKPOINT)).ok();
    let before = checkpoint();
    wait(child, || checkpoint().is_some_and(|now| before.as_ref() != Some(&now)));
}

/// One kill in four comes when the first file is being written, one when a file is that follows a checkpoint, the
/// others after some milliseconds. What comes of all that is the checkpoint and the model of a run that nobody
/// disturbed.
#[test]
fn a_run_killed_at_any_moment_goes_on_from_its_last_epoch_as_if_nothing_had_happened() {
    let place = Place::new();
    for kill in 0..kills() {
        let mut child = go_on(&place);
        if kill % 2 == 0 {
            if kill % 4 == 2 {
                wait_for_a_checkpoint(&place, &mut child);
            }
            wait(&mut child, || is_half_written(&place));
            thread::sleep(Duration::from_micros(97 * kill % 900));
        } else {
            thread::sleep(Duration::from_millis(7 * kill % 40));
        }
        assert!(child.try_wait().unwrap().is_none(), "alive until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut child = go_on(&place);
    wait_for_a_checkpoint(&place, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();

    let info = place.elbo("info run/model.safetensors").succeeds();
    assert!(!info.stdout.is_empty());
    let epochs = place.text("run/metrics.csv").lines().count() - 1;
    let more = format!("train --out run --resume --epochs {}", epochs + 1);
    place.elbo(&more).succeeds();
    place.train(&format!("--out whole --epochs {}", epochs + 1)).succeeds();
    for name in ["model.safetensors", "checkpoint.safetensors"] {
        let [whole, killed] = ["whole", "run"].map(|run| place.read(&format!("{run}/{name}")));
        assert!(whole == killed, "{name} after {} epochs and {} kills", epochs + 1, kills());
    }
    assert_eq!(place.names("run"), place.names("whole"), "nothing half written is left");
}

#[test]
#[cfg(unix)]
fn a_second_run_in_a_folder_is_refused_while_the_first_goes_on() {
    let place = Place::new();
    let mut child = start(&place, ENDLESS);
    wait(&mut child, || place.path(CHECKPOINT).exists());
    for arguments in ["--overwrite", "--resume", ""] {
        let second = place.train(&format!("{ENDLESS} {arguments}"));
        second.fails(1, &["another run is going on in run", "another folder"]);
    }
    place.train("--out elsewhere").succeeds();
    child.kill().unwrap();
    child.wait().unwrap();
    place.train("--out run --overwrite").succeeds();
}

/// A limit on the size of files stands for the full disk: none may be written, or all but the larger ones, the
/// checkpoint among them.
#[test]
#[cfg(unix)]
fn on_a_full_disk_the_run_says_which_file_and_its_last_checkpoint_stays_good() {
    let place = Place::trained();
    let before = place.read(CHECKPOINT);
    let train = "train --out run --resume --epochs 3";
    for (blocks, command, expected) in [
        (0, train, "error: the run in run failed: cannot write run/recipe.toml: "),
        (4, train, ".safetensors: "),
        (0, "sample run/model.safetensors --out run/s.png", "error: cannot write run/s.png: "),
        (0, "encode run/model.safetensors --out run/z.npy", "error: cannot write run/z.npy: "),
        (0, "--help > help", "error: cannot write to standard output: "),
    ] {
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" {command}")])
            .arg(cargo_bin!("elbo"))
            .current_dir(place.path(""))
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {stderr}");
        assert!(stderr.contains(expected), "{command}: {stderr}");
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
        assert!(!is_half_written(&place), "{command}");
    }
    assert!(place.read(CHECKPOINT) == before);

    place.elbo("train --out run --resume --epochs 3").succeeds();
    place.train("--out whole --epochs 3").succeeds();
    assert!(place.read(CHECKPOINT) == place.read("whole/checkpoint.safetensors"));
}

#[test]
fn a_checkpoint_that_goes_away_under_the_run_is_written_again() {
    let place = Place::new();
    let mut child = start(&place, ENDLESS);
    wait(&mut child, || place.path(CHECKPOINT).exists());
    fs::remove_file(place.path(CHECKPOINT)).unwrap();
    wait(&mut child, || place.path(CHECKPOINT).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let epochs = place.text("run/metrics.csv").lines().count();
    place.elbo(&format!("train --out run --resume --epochs {epochs}")).succeeds();
}

#[test]
fn a_folder_that_goes_away_under_the_run_stops_it_by_name() {
    let place = Place::new();
    let child = place.spawn(&format!("train --recipe small.toml {ENDLESS}"));
    let mut child = { child }.stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, || place.path(LAST).exists());
    fs::rename(place.path("run"), place.path("moved")).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: the run in run failed: cannot write run/"), "{stderr}");
    place.elbo("evaluate moved/model.safetensors").succeeds();
}

#[test]
#[cfg(unix)]
fn a_run_stops_where_another_folder_takes_the_place_of_its_own() {
    let place = Place::new();
    place.train("--out other").succeeds();
    let before = place.read("other/checkpoint.safetensors");
    let child = place.spawn(&format!("train --recipe small.toml {ENDLESS}"));
    let mut child = { child }.stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, || place.path(LAST).exists());
    fs::rename(place.path("run"), place.path("moved")).unwrap();
    fs::rename(place.path("other"), place.path("run")).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    // It may have looked between the two moves.
    let told = ["run is no longer the folder that the run began in", "cannot write run/"];
    assert!(told.iter().any(|told| stderr.contains(told)), "{stderr}");
    assert!(place.read(CHECKPOINT) == before);
}

/// Nobody can write there, whoever they are.
#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_written_is_named_before_an_epoch_is_spent() {
    let place = Place::new();
    place.train("--out /proc/elbo").fails(1, &["cannot create the folder /proc/elbo"]);
    place.train("--out /sys").fails(1, &["cannot create the folder /sys or a file in it"]);
}
