//! Anomalies, from normal images to a table of scores.

use serde_json::Value;

use super::{models::number, *};

const MODEL: &str = "run/model.safetensors";
const CALIBRATION: &str = "run/anomaly-elbo.json";
const FIT: &str = "anomaly fit --recipe small.toml";

/// Enough images that 36 normal ones are held back where one label of ten is left out.
fn place() -> Place {
    let place = Place::without_data();
    place.write_idx("data/mnist", 400, 60, [HEIGHT, WIDTH]);
    place
}

/// With a detector of label 7 in `run`.
fn fitted() -> Place {
    let place = place();
    place.elbo(&format!("{FIT} --held-out 7 --out run")).succeeds();
    place
}

/// The one JSON object on standard output, whatever is said beside it.
fn printed(place: &Place, arguments: &str) -> Value {
    serde_json::from_str(&place.elbo(arguments).succeeds().stdout).unwrap()
}

/// The share of pairs in which the anomaly scores higher, ties half.
fn area(of_anomalies: &[f64], of_normal: &[f64]) -> f64 {
    let pairs = of_anomalies.iter().flat_map(|a| of_normal.iter().map(move |b| (a, b)));
    let won: f64 = pairs.map(|(a, b)| if a == b { 0.5 } else { f64::from(u8::from(a > b)) }).sum();
    won / (of_anomalies.len() * of_normal.len()) as f64
}

/// The images of the training part that `keep` names, as IDX files under MNIST's names for `part`.
fn write_some(place: &Place, part: &str, keep: &[usize]) {
    let all = pixels(400, HEIGHT * WIDTH);
    let image = |&n: &usize| all[n * HEIGHT * WIDTH..(n + 1) * HEIGHT * WIDTH].to_vec();
    let images: Vec<u8> = keep.iter().flat_map(image).collect();
    let file = idx(&[keep.len(), HEIGHT, WIDTH], &images);
    place.write(&format!("some/{part}-images-idx3-ubyte"), file);
}

#[test]
fn fit_trains_on_normal_images_alone_and_holds_every_tenth_back() {
    let place = fitted();
    let normal: Vec<usize> = (0..400).filter(|n| n % 10 != 7).collect();
    let (held_back, known): (Vec<_>, Vec<_>) =
        normal.iter().enumerate().partition(|(place, _)| place % 10 == 9);
    let images = |of: Vec<(usize, &usize)>| of.into_iter().map(|(_, &n)| n).collect::<Vec<_>>();
    write_some(&place, "train", &images(known));
    write_some(&place, "t10k", &images(held_back));
    place.train("--data some --out plain").succeeds();
    assert!(place.read(MODEL) == place.read("plain/model.safetensors"));
    let names = place.names("run");
    for name in ["anomaly-elbo.json", "checkpoint.safetensors", "metrics.csv", "samples.png"] {
        assert!(names.contains(&name.into()), "{name} is not among {names:?}");
    }
}

#[test]
fn fit_says_what_it_calibrated_as_one_json_object() {
    let place = place();
    let options =
        "--normal 0,1,2,3,4 --out run --score reconstruction --samples 3 --false-positives 0.2";
    let report = printed(&place, &format!("{FIT} {options} --json"));
    assert_eq!(report["score"], "reconstruction");
    assert_eq!(report["normal"], serde_json::json!([0, 1, 2, 3, 4]));
    assert_eq!((number(&report, "images"), number(&report, "samples")), (20.0, 3.0));
    assert_eq!(number(&report, "false_positives"), 0.2);
    assert!(number(&report, "threshold").is_finite());
    let written: Value =
        serde_json::from_str(&place.text("run/anomaly-reconstruction.json")).unwrap();
    assert_eq!(written["threshold"], report["threshold"]);
}

#[test]
fn a_given_model_is_calibrated_like_one_just_trained_on_any_number_of_threads() {
    let place = fitted();
    let trained = place.read(CALIBRATION);
    place.elbo(&format!("anomaly fit {MODEL} --held-out 7 --threads 1")).succeeds();
    assert!(place.read(CALIBRATION) == trained);
    for score in ["reconstruction", "log-likelihood", "latent", "typicality", "likelihood-ratio"] {
        place.elbo(&format!("anomaly fit {MODEL} --held-out 7 --score {score}")).succeeds();
        let report = printed(&place, &format!("anomaly score run/anomaly-{score}.json --json"));
        assert_eq!(report["score"], score);
        assert!((0.0..=1.0).contains(&number(&report, "roc_auc")), "{report}");
    }
}

#[test]
fn a_fit_that_stops_and_goes_on_is_the_one_that_never_stopped() {
    let place = fitted();
    let fit = |more: &str| place.elbo(&format!("{FIT} --held-out 7 --out cut {more}")).succeeds();
    fit("--epochs 1");
    fit("--epochs 2 --resume");
    for name in ["model.safetensors", "anomaly-elbo.json"] {
        assert!(place.read(&format!("run/{name}")) == place.read(&format!("cut/{name}")), "{name}");
    }
}

/// The area and the rates anew, from the table that was written.
#[test]
fn the_figures_are_those_of_the_scores_in_the_table() {
    let place = fitted();
    let report = printed(&place, &format!("anomaly score {CALIBRATION} --out s.csv --json"));
    let threshold = number(&report, "threshold");
    let csv = place.text("s.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("index,score,anomalous,label"));
    let (mut of_anomalies, mut of_normal) = (vec![], vec![]);
    for (n, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let score: f64 = fields[1].parse().unwrap();
        assert_eq!(fields[0], n.to_string());
        assert_eq!(fields[2], (score > threshold).to_string());
        assert_eq!(fields[3], (n % 10).to_string());
        if n % 10 == 7 { of_anomalies.push(score) } else { of_normal.push(score) }
    }
    assert_eq!((of_anomalies.len(), of_normal.len()), (6, 54));
    let area = area(&of_anomalies, &of_normal);
    assert!((number(&report, "roc_auc") - area).abs() < 1e-12, "{report}");
    let above = |scores: &[f64]| scores.iter().filter(|&&score| score > threshold).count() as f64;
    assert_eq!(number(&report, "flagged"), above(&of_anomalies) + above(&of_normal));
    assert_eq!(number(&report, "true_positive_rate"), above(&of_anomalies) / 6.0);
    assert_eq!(number(&report, "false_positive_rate"), above(&of_normal) / 54.0);
    assert_eq!((number(&report, "images"), number(&report, "anomalies")), (60.0, 6.0));
}

#[test]
fn score_says_the_same_to_people() {
    let place = fitted();
    let done = place.elbo(&format!("anomaly score {CALIBRATION}")).succeeds();
    for word in ["elbo, 10 samples", "threshold", "0.05", "ROC AUC", "average precision", "of 54"] {
        assert!(done.stdout.contains(word), "`{word}` is not in {}", done.stdout);
    }
    assert_eq!(done.stderr, "");
}

#[test]
fn what_is_an_anomaly_is_what_fit_was_not_told_is_normal_unless_score_is_told() {
    let place = place();
    place.elbo(&format!("{FIT} --out run")).succeeds();
    let score = format!("anomaly score {CALIBRATION} --json");
    assert!(printed(&place, &score).get("roc_auc").is_none());
    assert_eq!(number(&printed(&place, &format!("{score} --anomalous 3,4")), "anomalies"), 12.0);
    place.elbo(&format!("anomaly fit {MODEL} --held-out 1,2,3")).succeeds();
    assert_eq!(number(&printed(&place, &score), "anomalies"), 18.0);
    fs::remove_file(place.path("data/mnist/t10k-labels-idx1-ubyte")).unwrap();
    place.elbo(&format!("{score} --out s.csv")).succeeds();
    assert!(place.text("s.csv").starts_with("index,score,anomalous\n0,"));
    assert!(printed(&place, &score).get("roc_auc").is_none());
}

#[test]
fn a_second_folder_of_anomalies_is_set_against_the_first() {
    let place = fitted();
    place.write_idx("others", 20, 14, [HEIGHT, WIDTH]);
    let images = idx(&[14, HEIGHT, WIDTH], &[128; 14 * HEIGHT * WIDTH]);
    place.write("others/t10k-images-idx3-ubyte", images);
    let score = format!("anomaly score {CALIBRATION} --anomalies others --out s.csv --json");
    let report = printed(&place, &score);
    assert_eq!((number(&report, "images"), number(&report, "anomalies")), (74.0, 14.0));
    let csv = place.text("s.csv");
    let score = |line: &str| line.split(',').nth(1).unwrap().parse().unwrap();
    let scores: Vec<f64> = csv.lines().skip(1).map(score).collect();
    let (of_normal, of_anomalies) = scores.split_at(60);
    assert!((number(&report, "roc_auc") - area(of_anomalies, of_normal)).abs() < 1e-12, "{report}");
}

#[test]
fn the_picture_has_three_rows_for_ten_of_the_strangest() {
    let place = fitted();
    let draw = |n: usize| {
        let score = format!("anomaly score {CALIBRATION} --picture strange.png -n {n}");
        let said = place.elbo(&score).succeeds().stderr;
        assert!(said.contains("nats") && said.contains("wrote strange.png"), "{said}");
        let bytes = place.read("strange.png");
        let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let info = reader.info();
        (f64::from(info.height) / HEIGHT as f64) / (f64::from(info.width) / WIDTH as f64)
    };
    for (n, columns, rows) in [(4, 4.0, 3.0), (20, 10.0, 6.0), (1000, 10.0, 18.0)] {
        assert!((draw(n) / (rows / columns) - 1.0).abs() < 0.08, "{n}: {}", draw(n));
    }
}

#[test]
fn arguments_that_do_not_fit_are_status_2() {
    let place = fitted();
    let fit = format!("anomaly fit {MODEL}");
    let score = format!("anomaly score {CALIBRATION}");
    for (arguments, parts) in [
        (format!("{fit} --held-out 10"), &["data/mnist", "label 10", "0, 1, 2"][..]),
        (format!("{fit} --normal 7,12"), &["label 12"]),
        (format!("{fit} --normal 256"), &["--normal"]),
        (format!("{fit} --normal 1 --held-out 2"), &["--held-out"]),
        (format!("{fit} --held-out 0,1,2,3,4,5,6,7,8,9"), &["no image is left that is normal"]),
        (format!("{fit} --false-positives 0"), &["between 0 and 1"]),
        (format!("{fit} --false-positives 1"), &["between 0 and 1"]),
        (format!("{fit} --false-positives nan"), &["between 0 and 1"]),
        (format!("{fit} --false-positives -0.1"), &["between 0 and 1"]),
        (format!("{fit} --false-positives 0.01"), &["40 images are too few", "99 or more"]),
        (format!("{fit} --samples 0"), &["--samples"]),
        (format!("{fit} --score odd"), &["--score", "likelihood-ratio"]),
        (format!("{fit} --epochs 3"), &["MODEL", "--epochs"]),
        (format!("{FIT} --out new --false-positives 0.01"), &["too few", "99 or more"]),
        (format!("{FIT} --out new --held-out 10"), &["label 10"]),
        (format!("{score} --anomalous 12"), &["data/mnist", "label 12"]),
        (format!("{score} --anomalous 1 --anomalies others"), &["--anomalies"]),
        (format!("{score} --picture f.jpg"), &[".png"]),
        (format!("{score} --out {CALIBRATION}"), &["--out", "end in .csv"]),
        (format!("{score} -n 5"), &["--picture"]),
    ] {
        place.refuses(&arguments, 2, parts);
    }
    for part in ["train", "t10k"] {
        fs::remove_file(place.path(&format!("data/mnist/{part}-labels-idx1-ubyte"))).unwrap();
    }
    place.refuses(&format!("{fit} --held-out 7"), 2, &["data/mnist", "no labels"]);
    place.refuses(&format!("{score} --anomalous 7"), 2, &["data/mnist", "no labels"]);
}

#[test]
fn models_without_a_score_for_single_images_are_refused_before_any_training() {
    let place = fitted();
    for (set, score, part) in [
        ("conditional=true", "elbo", "conditional"),
        ("likelihood=gaussian-optimal", "latent", "images at hand"),
        ("likelihood=gaussian", "likelihood-ratio", "Bernoulli"),
    ] {
        let fit = format!("{FIT} --set {set} --score {score} --out other");
        place.refuses(&fit, 2, &[part]);
    }
    place.train("--set conditional=true --out labelled").succeeds();
    let model = "labelled/model.safetensors";
    place.refuses(&format!("anomaly fit {model}"), 2, &[model, "conditional"]);
}

#[test]
fn images_of_another_size_and_too_few_of_them_are_refused() {
    let place = fitted();
    place.write_idx("wide", 400, 60, [HEIGHT, WIDTH + 1]);
    place.refuses(&format!("anomaly fit {MODEL} --data wide"), 1, &["wide", "6 x 6", "6 x 5"]);
    let score = format!("anomaly score {CALIBRATION}");
    place.refuses(&format!("{score} --data wide"), 1, &["wide", "6 x 6", "6 x 5"]);
    place.refuses(&format!("{score} --anomalies wide"), 1, &["wide", "6 x 6", "6 x 5"]);
    place.write_idx("few", 9, 9, [HEIGHT, WIDTH]);
    place.refuses(&format!("{FIT} --out new --data few"), 2, &["few", "9 normal images"]);
}

#[test]
fn a_calibration_of_another_model_or_none_at_all_is_refused() {
    let place = fitted();
    let score = format!("anomaly score {CALIBRATION}");
    place.refuses("anomaly score nowhere.json", 1, &["nowhere.json"]);
    place.refuses(&format!("anomaly score {MODEL}"), 1, &[MODEL, "not a calibration"]);
    place.write("run/empty.json", "{}");
    place.refuses("anomaly score run/empty.json", 1, &["run/empty.json", "missing field"]);
    place.train("--out run --seed 5").succeeds();
    place.refuses(&score, 1, &[CALIBRATION, "another model", MODEL]);
    fs::remove_file(place.path(MODEL)).unwrap();
    place.refuses(&score, 1, &[MODEL, "cannot read"]);
}

#[test]
fn a_run_that_another_one_left_unfinished_is_not_replaced_unasked() {
    let place = fitted();
    place.patch("run/checkpoint.safetensors", r#"\"epochs\":2"#, r#"\"epochs\":9"#);
    let fit = format!("{FIT} --out run");
    place.refuses(&fit, 1, &["run", "--resume", "--overwrite"]);
    place.elbo(&format!("{fit} --overwrite")).succeeds();
}
