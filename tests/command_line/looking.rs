//! Looking into the latent space: the plane, probes, paths, walks, and codes of one's own.

use ndarray::{Array1, Array2};
use ndarray_npy::read_npy;
use serde_json::Value;

use super::{
    models::{draws, json, number},
    *,
};

const MODEL: &str = "run/model.safetensors";
const FLOW: &str = "flow_steps = 2\nflow_width = 9\n";

/// A small flow, trained into `run`.
fn flow() -> Place {
    let place = Place::new();
    place.write("small.toml", format!("{SMALL}{FLOW}"));
    place.train("--out run").succeeds();
    place
}

fn without_labels(place: &Place) {
    for part in ["train", "t10k"] {
        fs::remove_file(place.path(&format!("data/mnist/{part}-labels-idx1-ubyte"))).unwrap();
    }
}

// --- project ---

/// What the command wrote into a file of this name, and nothing else anywhere.
fn projects(place: &Place, arguments: &str, name: &str) -> Vec<u8> {
    let done = place.elbo(&format!("project {MODEL} --out {name} {arguments}")).succeeds();
    assert_eq!((done.stdout, done.stderr), (String::new(), format!("wrote {name}\n")));
    place.read(name)
}

#[test]
fn project_draws_the_plane_that_training_draws() {
    let place = Place::trained();
    assert_eq!(projects(&place, "", "plane.svg"), place.read("run/latent.svg"));
    let train = String::from_utf8(projects(&place, "--part train", "plane.svg")).unwrap();
    assert!(train.contains("training set"));
    assert_eq!(train.matches("<circle").count(), TRAIN + 10);
}

#[test]
fn project_draws_one_dimension_three_and_a_flow_as_svg_and_png() {
    let place = Place::new();
    for latent in [1, 3] {
        place.train(&format!("--out run --latent {latent} --overwrite")).succeeds();
        let svg = String::from_utf8(projects(&place, "", "plane.svg")).unwrap();
        assert!(svg.contains(if latent == 1 { "σ" } else { "principal component 2" }));
        assert!(projects(&place, "", "plane.png").starts_with(b"\x89PNG"));
    }
    assert!(projects(&flow(), "", "plane.png").starts_with(b"\x89PNG"));
}

#[test]
fn project_puts_small_images_in_place_of_points() {
    let place = Place::trained();
    let [points, original, decoded, bare] =
        ["", "--thumbnails original", "--thumbnails decoded", "--thumbnails"]
            .map(|arguments| projects(&place, arguments, "plane.png"));
    assert!(points != original && original != decoded);
    assert_eq!(original, bare);
    let svg = String::from_utf8(projects(&place, "--thumbnails", "plane.svg")).unwrap();
    assert!(svg.contains("<image ") && svg.matches("<circle").count() == 10);
    without_labels(&place);
    projects(&place, "--thumbnails", "plane.svg");
}

#[test]
fn project_refuses_other_endings_and_other_images() {
    let place = Place::trained();
    place.refuses(&format!("project {MODEL} --out plane.pdf"), 2, &["end in .svg or .png"]);
    place.refuses(&format!("project {MODEL} --out p.svg --thumbnails small"), 2, &["original"]);
    place.write_idx("other", TRAIN, TEST, [WIDTH, HEIGHT]);
    let parts = ["other", "5 x 6", "6 x 5"];
    place.refuses(&format!("project {MODEL} --out plane.svg --data other"), 1, &parts);
}

// --- probe ---

#[test]
fn probe_prints_an_accuracy_for_each_number_of_labels() {
    let place = Place::trained();
    let arguments = format!("probe {MODEL} --labels 10,20,all --neighbours 1 --pixels --json");
    let report = json(&place, &arguments);
    assert_eq!(number(&report, "train_images"), TRAIN as f64);
    assert_eq!(number(&report, "test_images"), TEST as f64);
    assert_eq!((number(&report, "latent_dimensions"), number(&report, "neighbours")), (2.0, 1.0));
    let rows = |key: &str| report[key].as_array().unwrap().clone();
    let labels =
        |rows: Vec<Value>| rows.iter().map(|row| number(row, "labels")).collect::<Vec<_>>();
    assert_eq!(labels(rows("latent")), [10.0, 20.0, TRAIN as f64]);
    assert_eq!(labels(rows("pixels")), [10.0, 20.0, TRAIN as f64]);
    for row in rows("latent") {
        assert!((0.0..=1.0).contains(&number(&row, "nearest_neighbours")), "{row}");
        assert!((0.0..=1.0).contains(&number(&row, "linear")), "{row}");
    }
    // Images n and n + 5 are alike, and of neighbours equally near the first in the choice counts, which is
    // of the smaller class: of the 12 images, those with labels 5 to 9 are called by another one.
    assert_eq!(number(&rows("pixels")[2], "nearest_neighbours"), 7.0 / 12.0);
    assert!(rows("pixels").iter().all(|row| row.get("linear").is_none()));
}

#[test]
fn probe_repeats_itself_on_any_threads_and_other_seeds_choose_other_labels() {
    let place = Place::trained();
    // Unlike the images of the model, no two of a class are alike.
    let pixel = |n: usize, j: usize| ((31 * n * n + 7 * n * j + 17 * j) % 256) as u8;
    let size = HEIGHT * WIDTH;
    let pixels: Vec<u8> = (0..TRAIN).flat_map(|n| (0..size).map(move |j| pixel(n, j))).collect();
    place.write("data/mnist/train-images-idx3-ubyte", idx(&[TRAIN, HEIGHT, WIDTH], &pixels));
    let probe = |more: &str| {
        json(&place, &format!("probe {MODEL} --labels 11,25 --neighbours 2 --json {more}"))
    };
    assert_eq!(probe(""), probe("--threads 1"));
    assert_ne!(probe("")["seed"], probe("--seed 4")["seed"]);
    let found: Vec<Value> =
        (0..8).map(|seed| probe(&format!("--seed {seed}"))["latent"].clone()).collect();
    assert!(found.iter().any(|row| *row != found[0]), "{found:?}");
}

#[test]
fn probe_without_json_is_a_table_for_people_also_of_a_flow() {
    let place = flow();
    let done = place.elbo(&format!("probe {MODEL} --labels all")).succeeds();
    let last: Vec<&str> = done.stdout.lines().last().unwrap().split_whitespace().collect();
    assert_eq!((last.len(), last[0], last[3]), (4, "40", "-"), "{}", done.stdout);
    assert_eq!(done.stderr, "");
}

#[test]
fn probe_refuses_what_it_cannot_learn_from() {
    let place = Place::trained();
    let refuses = |arguments: &str, status, parts: &[&str]| {
        place.refuses(&format!("probe {MODEL} {arguments}"), status, parts);
    };
    refuses("--labels 41", 2, &["41 labels", "there are 40"]);
    refuses("--labels 0", 2, &["--labels", "positive number"]);
    refuses("--labels some", 2, &["--labels", "`all`"]);
    refuses("--labels 3 --neighbours 4", 2, &["4 neighbours", "3 images"]);
    refuses("--neighbours 0", 2, &["--neighbours"]);
    refuses("--penalty 0", 2, &["--penalty", "positive"]);
    place.write_idx("other", TRAIN, TEST, [WIDTH, HEIGHT]);
    refuses("--data other", 1, &["other", "5 x 6", "6 x 5"]);
    without_labels(&place);
    refuses("--labels 10", 1, &["data/mnist", "the train images have no labels"]);
}

// --- sample ---

#[test]
fn a_low_temperature_makes_samples_alike_and_a_high_one_does_not() {
    let place = Place::trained();
    let sample = |more: &str| draws(&place, &format!("sample {MODEL} -n 4 {more}"), 2, 2);
    assert_eq!(sample(""), sample("--temperature 1"));
    assert_ne!(sample(""), sample("--temperature 2"));
    assert_eq!(sample("--temperature 1e-12"), sample("--temperature 1e-12 --seed 5"));
    assert_ne!(sample("--temperature 1"), sample("--temperature 1 --seed 5"));
}

#[test]
fn a_given_z_is_decoded_one_picture_each() {
    let place = Place::trained();
    let origin = draws(&place, &format!("sample {MODEL} --z 0,0"), 1, 1);
    assert_eq!(origin, draws(&place, &format!("sample {MODEL} -n 1 --temperature 1e-12"), 1, 1));
    let pair = draws(&place, &format!("sample {MODEL} --z -1.5,2 --z 0,0"), 2, 1);
    assert_ne!(pair, draws(&place, &format!("sample {MODEL} --z 1.5,2 --z 0,0"), 2, 1));
}

#[test]
fn a_z_of_another_width_and_a_temperature_that_is_none_are_refused() {
    let place = Place::trained();
    let refuses = |arguments: &str, parts: &[&str]| {
        place.refuses(&format!("sample {MODEL} --out s.png {arguments}"), 2, parts);
    };
    refuses("--z 1,2,3", &["--z has 3 numbers", "2"]);
    refuses("--z 1,2 --z 1", &["--z has 1 numbers", "2"]);
    refuses("--z 1,x", &["--z", "`x` is not a number"]);
    refuses("--z 1,nan", &["--z", "`nan` is not a number"]);
    refuses("--z 1,2 --temperature 2", &["--temperature", "--z"]);
    for temperature in ["0", "-1", "nan", "inf", "warm"] {
        refuses(&format!("--temperature={temperature}"), &["--temperature", "positive number"]);
    }
}

#[test]
fn a_conditional_model_takes_z_and_classes_with_their_labels_and_is_not_probed() {
    let place = Place::new();
    place.write("small.toml", format!("{SMALL}conditional = true\n"));
    place.train("--out run").succeeds();
    let given = |more: &str, columns| {
        draws(&place, &format!("sample {MODEL} --z 0.5,-1 {more}"), columns, 1)
    };
    assert_ne!(given("--label 3", 1), given("--label 4", 1));
    given("--per-class", 10);
    place.refuses(&format!("sample {MODEL} --z 0.5,-1 --out s.png"), 2, &[MODEL, "--label", "--z"]);
    let cold = format!("sample {MODEL} -n 4 --temperature 1e-12");
    let pictures = draws(&place, &format!("{cold} --label 2"), 2, 2);
    assert_eq!(draws(&place, &format!("{cold} --label 2 --seed 9"), 2, 2), pictures);
    draws(&place, &format!("interpolate {MODEL} --from class:2 --to 7 --spherical"), 10, 1);
    walks(&place, "--classes 1,2 --steps 3");
    projects(&place, "--thumbnails decoded", "plane.svg");

    write_image(&place, "mine.png", 7);
    let interpolate = format!("interpolate {MODEL} --from mine.png --to 3 --out p.png");
    place.refuses(&interpolate, 2, &[MODEL, "labels", "--from mine.png"]);
    place.refuses(&format!("probe {MODEL}"), 2, &[MODEL, "conditional"]);
}

// --- interpolate ---

/// Image `index` of the test set as a file.
fn write_image(place: &Place, name: &str, index: usize) {
    let size = HEIGHT * WIDTH;
    place.write(name, png_bytes(WIDTH, HEIGHT, &pixels(TEST, size)[index * size..][..size]));
}

#[test]
fn a_png_file_is_an_end_like_the_image_of_the_data() {
    let place = Place::trained();
    write_image(&place, "mine.png", 7);
    let path = |ends: &str| draws(&place, &format!("interpolate {MODEL} {ends}"), 10, 1);
    let expected = path("--from 7 --to 3");
    assert_eq!(path("--from mine.png --to 3"), expected);
    let over = format!("interpolate {MODEL} --from mine.png --to 3 --out run/../mine.png");
    place.refuses(&over, 2, &["--out would replace run/../mine.png"]);
    // Between two files, no data are needed.
    write_image(&place, "other.PNG", 3);
    fs::rename(place.path("data"), place.path("away")).unwrap();
    assert_eq!(path("--from mine.png --to other.PNG"), expected);
}

#[test]
fn the_mean_of_a_class_of_one_image_is_that_image_and_of_two_is_neither() {
    let place = Place::trained();
    // Class 5 is of image 5 alone, class 1 of images 1 and 3.
    let labels = idx(&[TEST], &[0, 1, 2, 1, 4, 5, 6, 7, 8, 9, 0, 2]);
    place.write("data/mnist/t10k-labels-idx1-ubyte", labels);
    let path = |ends: &str| draws(&place, &format!("interpolate {MODEL} {ends}"), 10, 1);
    let expected = path("--from 5 --to 8");
    assert_eq!(path("--from class:5 --to class:8"), expected);
    let two = path("--from class:1 --to 8");
    assert!(two != path("--from 1 --to 8") && two != path("--from 3 --to 8"));
}

#[test]
fn a_spherical_course_has_the_ends_of_the_straight_one_and_another_middle() {
    let place = Place::trained();
    let path = |steps: u32, more: &str| {
        draws(
            &place,
            &format!("interpolate {MODEL} --from 0 --to 3 --steps {steps} {more}"),
            steps,
            1,
        )
    };
    assert_eq!(path(2, "--spherical"), path(2, ""));
    assert_ne!(path(3, "--spherical"), path(3, ""));
}

#[test]
fn ends_that_do_not_exist_are_refused() {
    let place = Place::trained();
    place.write("wide.png", png_bytes(HEIGHT, WIDTH, &[0; HEIGHT * WIDTH]));
    place.write("broken.png", "no PNG at all");
    let refuses = |from: &str, status, parts: &[&str]| {
        let arguments = format!("interpolate {MODEL} --from {from} --to 0 --out p.png");
        place.refuses(&arguments, status, parts);
    };
    refuses("12", 2, &["--from is 12", "0 to 11"]);
    refuses("wide.png", 1, &["wide.png is 5 x 6 pixels", "6 x 5"]);
    refuses("broken.png", 1, &["broken.png", "PNG"]);
    refuses("none.png", 1, &["none.png", "no such file"]);
    refuses("class:10", 2, &["class 10", "there are 0, 1, 2"]);
    refuses("class:256", 2, &["--from", "0 to 255"]);
    refuses("-1", 2, &["-1"]);
    refuses("mine.jpg", 2, &["--from", ".png", "class:"]);
    without_labels(&place);
    refuses("class:1", 1, &["data/mnist", "the test images have no labels"]);
}

// --- walk ---

/// The animation, and how many frames it has.
fn walks(place: &Place, arguments: &str) -> (Vec<u8>, u32) {
    let done = place.elbo(&format!("walk {MODEL} --out walk.png {arguments}")).succeeds();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", "wrote walk.png\n"));
    let bytes = place.read("walk.png");
    let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    (bytes.clone(), reader.info().animation_control().unwrap().num_frames)
}

#[test]
fn a_walk_leads_through_draws_or_classes_with_steps_between_them() {
    let place = Place::trained();
    let (first, frames) = walks(&place, "-n 3 --steps 5");
    assert_eq!(frames, 15);
    assert_eq!(walks(&place, "-n 3 --steps 5 --threads 1").0, first);
    assert_ne!(walks(&place, "-n 3 --steps 5 --seed 1").0, first);
    assert_ne!(walks(&place, "-n 3 --steps 5 --temperature 2").0, first);
    assert_eq!(walks(&place, "--classes all --steps 2").1, 20);
    assert_eq!(walks(&place, "--classes 3,8,5 --steps 4").1, 12);
}

#[test]
fn walks_that_lead_nowhere_are_refused() {
    let place = Place::trained();
    let refuses = |arguments: &str, status, parts: &[&str]| {
        place.refuses(&format!("walk {MODEL} --out w.png {arguments}"), status, parts);
    };
    refuses("--classes 3,11", 2, &["class 11", "there are 0, 1, 2"]);
    refuses("--classes 3,", 2, &["--classes", "0 to 255"]);
    refuses("--classes all -n 3", 2, &["--classes", "-n"]);
    refuses("--temperature -0.5", 2, &["-0"]);
    refuses("--temperature=0", 2, &["--temperature", "positive"]);
    refuses("--steps 0", 2, &["--steps"]);
    place.refuses(&format!("walk {MODEL} --out w.gif"), 2, &["end in .png"]);
    without_labels(&place);
    refuses("--classes all", 1, &["data/mnist", "the test images have no labels"]);
}

// --- encode ---

#[test]
fn encode_writes_log_variances_and_labels_as_arrays_too() {
    let place = Place::trained();
    let files = "--out z.npy --log-var v.npy --labels y.npy";
    let done = place.elbo(&format!("encode {MODEL} {files}")).succeeds();
    assert_eq!(done.stderr, "wrote z.npy\nwrote v.npy\nwrote y.npy\n");
    place.elbo(&format!("encode {MODEL} --out z.csv")).succeeds();
    let log_var: Array2<f32> = read_npy(place.path("v.npy")).unwrap();
    let y: Array1<u8> = read_npy(place.path("y.npy")).unwrap();
    assert_eq!((log_var.dim(), y.to_vec()), ((TEST, 2), labels(TEST)));
    for (line, row) in place.text("z.csv").lines().skip(1).zip(log_var.rows()) {
        let csv: Vec<f32> = line.split(',').skip(3).map(|v| v.parse().unwrap()).collect();
        assert_eq!(csv, row.to_vec());
    }
}

#[test]
fn encode_refuses_arrays_of_what_there_is_not() {
    let place = Place::trained();
    let encode = format!("encode {MODEL} --out z.npy");
    place.refuses(&format!("{encode} --log-var v.csv"), 2, &["--log-var", "end in .npy"]);
    place.write("arrays/images.npy", "numbers");
    let over = format!("encode {MODEL} --data arrays --out ./arrays/images.npy");
    place.refuses(&over, 2, &["--out would replace ./arrays/images.npy, which is read"]);
    let twice = format!("{encode} --labels ./z.npy");
    place.refuses(&twice, 2, &["--out and --labels are the same file"]);
    without_labels(&place);
    place.refuses(&format!("{encode} --labels y.npy"), 1, &["data/mnist", "have no labels"]);
    let parts = [MODEL, "flow", "--log-var"];
    flow().refuses(&format!("{encode} --log-var v.npy"), 1, &parts);
}
