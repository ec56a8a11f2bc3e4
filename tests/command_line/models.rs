//! What can be done with a trained model.

use std::process::Stdio;

use ndarray::Array2;
use ndarray_npy::read_npy;
use serde_json::Value;

use super::*;

const MODEL: &str = "run/model.safetensors";

/// The one JSON object that the command prints, with nothing else anywhere.
pub(super) fn json(place: &Place, arguments: &str) -> Value {
    let done = place.elbo(arguments).succeeds();
    assert_eq!(done.stderr, "");
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    assert!(value.is_object());
    value
}

pub(super) fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("no number `{key}` in {object}"))
}

/// The command writes a grid of so many columns and rows of images and says so.
#[track_caller]
pub(super) fn draws(place: &Place, arguments: &str, columns: u32, rows: u32) -> Vec<u8> {
    let done = place.elbo(&format!("{arguments} --out picture.png")).succeeds();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", "wrote picture.png\n"));
    let bytes = place.read("picture.png");
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    // A separator before each image and one at the end; every image enlarged alike.
    let per_image = |side: u32, count: u32| f64::from(side) / f64::from(count);
    let (width, height) = (per_image(info.width, columns), per_image(info.height, rows));
    let ratio = height / width;
    assert!((ratio - 1.2).abs() < 0.06, "{} x {}", info.width, info.height);
    bytes
}

#[test]
fn evaluate_prints_one_json_object_whose_parts_add_up() {
    let place = Place::trained();
    let report = json(&place, &format!("evaluate {MODEL} --json"));
    let [elbo, reconstruction, kl] =
        ["elbo", "reconstruction", "kl"].map(|key| number(&report, key));
    assert!((elbo - (reconstruction - kl)).abs() < 1e-9, "{report}");
    assert_eq!(number(&report, "images"), TEST as f64);
    assert!((0.0..=2.0).contains(&number(&report, "active_units")));
    assert!(report.get("log_likelihood").is_none());
}

#[test]
fn evaluate_repeats_the_test_figures_of_the_last_epoch_closely() {
    let place = Place::trained();
    let report = json(&place, &format!("evaluate {MODEL} --json"));
    let metrics = place.text("run/metrics.csv");
    let last: Vec<f64> =
        metrics.lines().last().unwrap().split(',').map(|v| v.parse().unwrap()).collect();
    // Only the latent samples differ; KL and active units do not depend on them.
    assert!((number(&report, "kl") - last[7]).abs() < 1e-6);
    assert_eq!(number(&report, "active_units"), last[8]);
    assert!(
        (number(&report, "elbo") - last[5]).abs() < 5.0 * number(&report, "elbo_standard_error")
    );
}

#[test]
fn importance_samples_bring_the_likelihood_above_the_elbo() {
    let place = Place::trained();
    let report = json(&place, &format!("evaluate {MODEL} --json --importance-samples 5"));
    let noise = number(&report, "elbo_standard_error");
    assert!(number(&report, "log_likelihood") >= number(&report, "elbo") - noise, "{report}");
    assert_eq!(number(&report, "importance_samples"), 5.0);
}

#[test]
fn evaluate_can_look_at_the_training_images() {
    let place = Place::trained();
    let report = json(&place, &format!("evaluate {MODEL} --part train --json"));
    assert_eq!(number(&report, "images"), TRAIN as f64);
    assert_eq!((&report["data"], &report["part"]), (&"data/mnist".into(), &"train".into()));
}

#[test]
fn evaluate_without_json_is_a_table_for_people() {
    let place = Place::trained();
    let done = place.elbo(&format!("evaluate {MODEL} --importance-samples 2")).succeeds();
    let source = "the test images of data/mnist";
    for word in ["elbo", "reconstruction", "kl", "active units", "log-likelihood", "nats", source] {
        assert!(done.stdout.contains(word), "{}", done.stdout);
    }
    assert_eq!(done.stderr, "");
}

#[test]
fn sample_draws_as_many_as_asked_for_and_depends_on_the_seed() {
    let place = Place::trained();
    let first = draws(&place, &format!("sample {MODEL} -n 7"), 3, 3);
    assert_eq!(first, draws(&place, &format!("sample {MODEL} -n 7 --threads 1"), 3, 3));
    assert_ne!(first, draws(&place, &format!("sample {MODEL} -n 7 --seed 1"), 3, 3));
    draws(&place, &format!("sample {MODEL} -n 1"), 1, 1);
    let hundred = draws(&place, &format!("sample {MODEL}"), 10, 10);
    assert_eq!(hundred, place.read("run/samples.png"));
}

#[test]
fn reconstruct_draws_pairs_also_of_fewer_images_than_asked_for() {
    let place = Place::trained();
    draws(&place, &format!("reconstruct {MODEL} -n 4"), 4, 2);
    let all = draws(&place, &format!("reconstruct {MODEL} -n 30"), 10, 4);
    assert_eq!(all, place.read("run/reconstructions.png"));
}

#[test]
fn manifold_draws_the_plane_of_the_recipe_or_of_the_option() {
    let place = Place::trained();
    let square = draws(&place, &format!("manifold {MODEL}"), 10, 10);
    assert_eq!(square, place.read("run/manifold.png"));
    assert_ne!(square, draws(&place, &format!("manifold {MODEL} --grid quantiles"), 10, 10));
    draws(&place, &format!("manifold {MODEL} -n 3"), 3, 3);
}

#[test]
fn manifold_refuses_a_model_without_a_plane() {
    let place = Place::new();
    place.train("--out run --latent 3").succeeds();
    place.refuses(&format!("manifold {MODEL} --out m.png"), 1, &[MODEL, "2 dimensions", "3"]);
}

#[test]
fn interpolate_goes_from_one_image_to_another() {
    let place = Place::trained();
    draws(&place, &format!("interpolate {MODEL} --from 0 --to 11"), 10, 1);
    draws(&place, &format!("interpolate {MODEL} --from 3 --to 3 --steps 4"), 4, 1);
}

#[test]
fn encode_writes_the_latent_means_and_the_labels() {
    let place = Place::trained();
    place.elbo(&format!("encode {MODEL} --out z.npy")).succeeds();
    place.elbo(&format!("encode {MODEL} --out z.csv")).succeeds();
    let mu: Array2<f32> = read_npy(place.path("z.npy")).unwrap();
    assert_eq!(mu.dim(), (TEST, 2));
    let csv = place.text("z.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("label,mu_1,mu_2,log_var_1,log_var_2"));
    let rows: Vec<Vec<f32>> =
        lines.map(|line| line.split(',').map(|v| v.parse().unwrap()).collect()).collect();
    assert_eq!(rows.len(), TEST);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row.len(), 5);
        assert_eq!(row[0], (n % 10) as f32);
        assert_eq!(row[1..3], mu.row(n).to_vec());
    }
}

#[test]
fn encode_leaves_the_label_empty_where_there_is_none() {
    let place = Place::trained();
    fs::remove_file(place.path("data/mnist/t10k-labels-idx1-ubyte")).unwrap();
    place.elbo(&format!("encode {MODEL} --out z.csv")).succeeds();
    assert!(place.text("z.csv").lines().skip(1).all(|line| line.starts_with(',')));
}

#[test]
fn info_tells_recipe_and_tensors() {
    let place = Place::trained();
    let report = json(&place, &format!("info {MODEL} --json"));
    // 30-8-2 and back: two layers of 30 x 8, three of 8 x 2, and biases.
    let expected = (30 * 8 + 8) + 2 * (8 * 2 + 2) + (2 * 8 + 8) + (8 * 30 + 30);
    assert_eq!(number(&report, "parameters"), f64::from(expected));
    assert_eq!(report["recipe"]["image"], serde_json::json!([HEIGHT, WIDTH]));
    let tensors = report["tensors"].as_array().unwrap();
    let weight = tensors.iter().find(|t| t["name"] == "encoder.hidden.0.weight").unwrap();
    assert_eq!(weight["shape"], serde_json::json!([8, 30]));

    let text = place.elbo(&format!("info {MODEL}")).succeeds().stdout;
    assert!(text.contains("latent = 2") && text.contains("encoder.mu.weight"), "{text}");
}

#[test]
fn a_reader_that_closes_its_pipe_is_no_failure() {
    let place = Place::trained();
    for arguments in ["info", "info --json", "evaluate", "evaluate --json"] {
        let mut command = place.spawn(&format!("{arguments} {MODEL}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
