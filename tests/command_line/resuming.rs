//! A run that stops and goes on is the run that never stopped.

use super::*;

/// Three epochs and three more are six, also where the last batch of an epoch is a smaller one.
#[test]
fn three_epochs_and_three_more_are_six_byte_for_byte() {
    let place = Place::new();
    for batch_size in [7, 16, 20] {
        let batch = format!("--batch-size {batch_size}");
        place.train(&format!("{batch} --epochs 6 --out whole")).succeeds();
        place.train(&format!("{batch} --epochs 3 --out cut")).succeeds();
        let stderr = place.elbo("train --out cut --resume --epochs 6").succeeds().stderr;
        assert!(stderr.contains("resumed after 3 epochs"), "{stderr}");
        assert_eq!(place.names("whole"), place.names("cut"));
        for name in ["model.safetensors", "checkpoint.safetensors", "recipe.toml", "samples.png"] {
            let [whole, cut] = ["whole", "cut"].map(|run| place.read(&format!("{run}/{name}")));
            assert!(whole == cut, "{name} with {batch}");
        }
        let [whole, cut] = ["whole", "cut"].map(|run| figures(&place, run));
        assert_eq!(cut.len(), 6);
        assert_eq!(whole, cut);
    }
}

/// The rows of the metrics without the two columns of the clock.
fn figures(place: &Place, run: &str) -> Vec<Vec<String>> {
    let text = place.text(&format!("{run}/metrics.csv"));
    text.lines().skip(1).map(|row| row.split(',').take(10).map(String::from).collect()).collect()
}

#[test]
fn the_same_recipe_may_be_named_again_to_resume() {
    let place = Place::trained();
    place.train("--out run --resume --epochs 3").succeeds();
    assert_eq!(figures(&place, "run").len(), 3);
}

#[test]
fn the_largest_seed_can_be_read_back_and_resumed() {
    let place = Place::new();
    place.train("--out run --epochs 1 --seed 9223372036854775807").succeeds();
    place.elbo("train --out run --resume --epochs 2").succeeds();
    place.elbo("train --recipe run/recipe.toml --out again").succeeds();
    assert_eq!(place.read("run/model.safetensors"), place.read("again/model.safetensors"));
}

#[test]
fn to_resume_a_finished_run_brings_back_its_files_and_draws_its_pictures_again() {
    let place = Place::trained();
    let before = place.everything();
    fs::remove_file(place.path("run/samples.png")).unwrap();
    fs::remove_file(place.path("run/model.safetensors")).unwrap();
    place.write("run/recipe.toml", "");
    place.elbo("train --out run --resume").succeeds();
    let after = place.everything();
    let changed = |path: &&PathBuf| after.get(*path) != before.get(*path);
    let changed: Vec<_> = before.keys().chain(after.keys()).filter(changed).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn a_run_without_the_metrics_of_its_earlier_epochs_says_so() {
    let place = Place::trained();
    fs::remove_file(place.path("run/metrics.csv")).unwrap();
    let stderr = place.train("--out run --resume --epochs 3").succeeds().stderr;
    assert!(stderr.contains("run/metrics.csv lacks rows"), "{stderr}");
    assert_eq!(figures(&place, "run").len(), 1);
    fs::remove_file(place.path("run/metrics.csv")).unwrap();
    let stderr = place.train("--out run --resume --epochs 3").succeeds().stderr;
    assert!(!stderr.contains("wrote run/metrics.csv"), "{stderr}");
}

#[test]
fn an_unfinished_run_is_neither_replaced_nor_forgotten() {
    let place = Place::trained();
    place.patch("run/checkpoint.safetensors", r#"\"epochs\":2"#, r#"\"epochs\":3"#);
    let arguments = "train --recipe small.toml --out run";
    place.refuses(arguments, 1, &["run", "2 of 3 epochs", "--resume", "--overwrite"]);
    place.elbo("train --out run --resume").succeeds();
    assert_eq!(figures(&place, "run").len(), 3);

    place.patch("run/checkpoint.safetensors", r#"\"epochs\":3"#, r#"\"epochs\":4"#);
    place.train("--out run --overwrite").succeeds();
    assert_eq!(figures(&place, "run").len(), 2);
}

#[test]
fn a_run_whose_checkpoint_is_damaged_is_not_replaced_unasked() {
    let place = Place::trained();
    let bytes = place.read("run/checkpoint.safetensors");
    place.write("run/checkpoint.safetensors", &bytes[..bytes.len() - 3]);
    let parts = ["run/checkpoint.safetensors", "--overwrite", "--out"];
    place.refuses("train --recipe small.toml --out run", 1, &parts);
    place.train("--out run --overwrite").succeeds();
    assert_eq!(place.read("run/checkpoint.safetensors"), bytes);
}

#[cfg(unix)]
mod interrupted {
    use std::{
        io::{BufRead, BufReader},
        os::unix::process::ExitStatusExt,
        process::{Child, Stdio},
        thread,
        time::Duration,
    };

    use super::*;

    /// The command, heeding the signals that these tests may have been started to ignore, as in the background of
    /// a script.
    #[cfg(target_os = "linux")]
    fn heeding(place: &Place, arguments: &str) -> Command {
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP,INT,TERM").arg(cargo_bin!("elbo"));
        command.current_dir(place.path("")).args(arguments.split_whitespace());
        command
    }

    #[cfg(not(target_os = "linux"))]
    fn heeding(place: &Place, arguments: &str) -> Command {
        place.spawn(arguments)
    }

    /// Starts a run without end and waits for its first epoch.
    fn start(place: &Place, arguments: &str) -> (Child, impl Iterator<Item = String>) {
        let arguments = format!("train --recipe small.toml --epochs 1000000000 {arguments}");
        let mut child = heeding(place, &arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with("epoch ")), "no epoch was finished");
        (child, lines)
    }

    fn interrupt(child: &Child) {
        signal(child, "-INT");
    }

    fn signal(child: &Child, signal: &str) {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// SIGHUP is what a terminal sends that goes away; then nobody reads what the run says.
    #[test]
    fn a_run_ends_in_order_when_the_machine_shuts_down_or_the_terminal_vanishes() {
        for (name, read) in [("-TERM", true), ("-HUP", false)] {
            let place = Place::new();
            let (mut child, lines) = start(&place, "--out run");
            if read {
                signal(&child, name);
                let last = lines.last().unwrap();
                assert!(last.contains("--resume` goes on from there"), "{last}");
            } else {
                drop(lines);
                signal(&child, name);
            }
            assert_eq!(child.wait().unwrap().code(), Some(1), "{name}");
            let done = figures(&place, "run").len();
            place.elbo(&format!("train --out run --resume --epochs {}", done + 1)).succeeds();
        }
    }

    /// The stopped run says in which epoch it is and how to go on; sent on to the end of that
    /// epoch, it must have the model of a run of so many epochs that nobody stopped.
    #[test]
    fn a_run_stopped_by_ctrl_c_goes_on_as_if_nothing_had_happened() {
        let place = Place::without_data();
        place.write_idx("some/images", TRAIN, TEST, [HEIGHT, WIDTH]);
        let (mut child, lines) = start(&place, "--data some/images --out cut --batch-size 3");
        interrupt(&child);
        let message = lines.last().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{message}");
        let [said, command, _] = message.split('`').collect::<Vec<_>>()[..] else {
            panic!("no command in: {message}");
        };
        let epoch = said.strip_prefix("error: stopped in epoch ").unwrap();
        let epoch = epoch.split(' ').next().unwrap();
        let resume = command.strip_prefix("elbo ").unwrap();
        let stderr = place.elbo(&format!("{resume} --epochs {epoch}")).succeeds().stderr;
        assert!(stderr.contains("resumed after"), "{stderr}");

        let whole = format!("--data some/images --out whole --batch-size 3 --epochs {epoch}");
        place.train(&whole).succeeds();
        for name in ["model.safetensors", "checkpoint.safetensors"] {
            let [whole, cut] = ["whole", "cut"].map(|run| place.read(&format!("{run}/{name}")));
            assert!(whole == cut, "{name} after {epoch} epochs");
        }
        assert_eq!(figures(&place, "whole"), figures(&place, "cut"));
    }

    /// A long step is under way when the two signals come, which are of two kinds, so that the system delivers
    /// both. Between them the process is stopped: time goes on, and the step does not.
    #[test]
    fn a_second_signal_ends_a_run_before_its_step_is_done() {
        let place = Place::new();
        let slow = "--threads 1 --batch-size 40 --hidden 1024,1024,1024 --set objective=iwae --set samples=200";
        let arguments = format!("--out run {slow}");
        let (mut child, lines) = start(&place, &arguments);
        let before = place.read("run/checkpoint.safetensors");
        interrupt(&child);
        thread::sleep(Duration::from_millis(200));
        signal(&child, "-STOP");
        thread::sleep(Duration::from_millis(700));
        signal(&child, "-TERM");
        signal(&child, "-CONT");
        let status = child.wait().unwrap();
        assert!(status.signal().is_some(), "{status}");
        assert_eq!(lines.last(), None);
        assert!(place.read("run/checkpoint.safetensors") == before);
    }

    /// As `timeout` sends it, to the process and to its group.
    #[test]
    fn a_wish_that_comes_twice_is_one() {
        for _ in 0..10 {
            let place = Place::new();
            let (mut child, lines) = start(&place, "--out run");
            // By one shell, whose own command is as quick as `timeout`.
            let kill = "kill -INT $0; kill -TERM $0; kill -INT $0";
            let killed = Command::new("sh").args(["-c", kill, &child.id().to_string()]).status();
            assert!(killed.unwrap().success());
            let last = lines.last().unwrap();
            assert!(last.contains("--resume` goes on from there"), "{last}");
            assert_eq!(child.wait().unwrap().code(), Some(1));
        }
    }

    /// As under `nohup`, and in the background of a script.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_run_goes_on_through_the_signals_that_it_was_started_to_ignore() {
        let place = Place::new();
        let run =
            "trap '' HUP INT; exec \"$0\" train --recipe small.toml --out run --epochs 1000000000";
        let mut child = Command::new("sh")
            .args(["-c", run])
            .arg(cargo_bin!("elbo"))
            .current_dir(place.path(""))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut an_epoch = || assert!(lines.any(|line| line.starts_with("epoch ")));
        for name in ["-HUP", "-INT"] {
            an_epoch();
            signal(&child, name);
        }
        (0..3).for_each(|_| an_epoch());
        signal(&child, "-TERM");
        let last = lines.last().unwrap();
        assert!(last.contains("--resume` goes on from there"), "{last}");
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }

    #[test]
    fn a_stopped_run_keeps_a_model_that_can_be_used() {
        let place = Place::new();
        let (mut child, lines) = start(&place, "--out run");
        interrupt(&child);
        lines.for_each(drop);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        place.elbo("evaluate run/model.safetensors").succeeds();
    }
}
