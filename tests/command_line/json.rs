//! `--json`, of every command.

use serde_json::Value;

use super::*;

const MODEL: &str = "run/model.safetensors";

/// The names of the commands that `elbo help COMMAND` lists.
fn commands(place: &Place, command: &str) -> Vec<String> {
    let help = place.elbo(&format!("help {command}")).succeeds().stdout;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty());
    let names = names.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.filter(|name| *name != "help").map(Into::into).collect()
}

/// The one JSON object on standard output, whatever the messages are.
#[track_caller]
fn object(place: &Place, arguments: &str) -> Value {
    let done = place.elbo(&format!("{arguments} --json")).succeeds();
    let value: Value = serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("{arguments}: {error}: {}", done.stdout));
    assert!(value.is_object(), "{arguments}: {value}");
    value
}

#[test]
fn every_command_has_it_in_its_help() {
    let place = Place::without_data();
    let nested = |name: String| match &commands(&place, &name)[..] {
        [] => vec![name],
        inner => inner.iter().map(|inner| format!("{name} {inner}")).collect(),
    };
    let all: Vec<String> = commands(&place, "").into_iter().flat_map(nested).collect();
    for known in ["train", "walk", "study", "anomaly score"] {
        assert!(all.iter().any(|name| name == known), "{known} is not among {all:?}");
    }
    for command in all {
        let help = place.elbo(&format!("help {command}")).succeeds().stdout;
        assert!(help.contains("--json"), "{command} has no --json");
    }
}

#[test]
fn every_command_prints_one_object_that_names_the_files_it_wrote() {
    let place = Place::new();
    for arguments in [
        "train --recipe small.toml --out run".into(),
        format!("evaluate {MODEL}"),
        format!("sample {MODEL} --out a.png"),
        format!("reconstruct {MODEL} --out a.png"),
        format!("manifold {MODEL} --out a.png"),
        format!("encode {MODEL} --out a.npy --log-var b.npy --labels c.npy"),
        format!("project {MODEL} --out a.svg"),
        format!("probe {MODEL} --labels 10"),
        format!("repair {MODEL} --hide top --steps 2 --out a.png"),
        format!("interpolate {MODEL} --from 1 --to 2 --out a.png"),
        format!("walk {MODEL} -n 2 --steps 2 --out a.png"),
        format!("complete {MODEL} --given quadrants-1 --steps 2 --out a.png"),
        "semi --labels 10 --hidden 4 --latent 2 --epochs 1".into(),
        format!("info {MODEL}"),
        "study".into(),
        "study --html a.html".into(),
        "check --recipe small.toml".into(),
        format!("anomaly fit {MODEL} --part test --false-positives 0.5"),
        "anomaly score run/anomaly-elbo.json".into(),
    ] {
        let report = object(&place, &arguments);
        let Some((_, out)) = arguments.split_once("--out ") else { continue };
        let out = out.split(' ').next().unwrap();
        let files = report["files"].as_array().unwrap_or_else(|| panic!("{arguments}: {report}"));
        let files: Vec<&str> = files.iter().filter_map(Value::as_str).collect();
        assert!(files.iter().all(|file| place.path(file).is_file()), "{arguments}: {files:?}");
        assert!(files.iter().any(|file| file.starts_with(out)), "{arguments}: {files:?}");
    }
}

#[test]
fn a_training_run_reports_the_figures_of_its_last_epoch_and_all_its_files() {
    let place = Place::new();
    let report = object(&place, "train --recipe small.toml --out run --set validation=8");
    let metrics = place.text("run/metrics.csv");
    let mut lines = metrics.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    for (name, value) in names.iter().zip(lines.last().unwrap().split(',')) {
        assert_eq!(report[name].as_f64(), value.parse().ok(), "{name}: {report}");
    }
    let mut files: Vec<&str> =
        report["files"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    files.sort_unstable();
    let expected: Vec<String> = place.names("run").iter().map(|n| format!("run/{n}")).collect();
    assert_eq!(files, expected);
    assert!((1..=2).contains(&report["best_epoch"].as_u64().unwrap()));
    assert_eq!(report["model"], MODEL);
}

#[test]
fn a_study_reports_which_gradient_is_wrong_and_the_values_of_its_steps() {
    let place = Place::without_data();
    let right = object(&place, "study --layer sample");
    assert_eq!((&right["wrong"], &right["fault"]), (&Value::Array(vec![]), &Value::Null));
    let names: Vec<&str> = right["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert!(names.starts_with(&["sigma", "z"]), "{names:?}");
    let z = &right["steps"][1]["values"];
    assert_eq!((z.as_array().unwrap().len(), z[0].as_array().unwrap().len()), (2, 2));
    let wrong = object(&place, "study --break d_z");
    assert_eq!(wrong["wrong"][0], "d_z");
}
