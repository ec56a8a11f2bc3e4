//! What recipes can ask for beyond the plain ELBO by Adam, and what they cannot.

use super::*;

/// `key=value` overrides that each make another run of the small recipe.
const CHOICES: [&str; 26] = [
    "gated=true",
    "prior=vampprior --set pseudo_inputs=5",
    "latent2=3 --set hidden2=[6]",
    "latent2=3 --set hidden2=[6] --set gated=true",
    "flow_steps=2 --set flow_width=9",
    "flow_steps=1 --set gated=true",
    "likelihood=continuous-bernoulli",
    "likelihood=gaussian",
    "likelihood=gaussian-shared",
    "likelihood=gaussian-per-pixel",
    "likelihood=gaussian-optimal",
    "likelihood=discretised-logistic",
    "pixels=binarised",
    "pixels=fixed",
    "samples=3",
    "beta=4",
    "free_bits=0.5",
    "warm_up={linear={epochs=2}}",
    "objective=iwae",
    "output_bias=data",
    "optimiser=adamw --set weight_decay=0.1",
    "optimiser=sgd --set momentum=0.9",
    "optimiser=rmsprop",
    "schedule={exponential={factor=0.5}}",
    "clip_norm=0.1",
    "second_moment=1.0",
];

fn model(place: &Place, out: &str, set: &str) -> Vec<u8> {
    place.train(&format!("--out {out} --set {set}")).succeeds();
    place.read(&format!("{out}/model.safetensors"))
}

#[test]
fn every_choice_changes_the_run_and_goes_on_bit_for_bit_after_a_stop() {
    let place = Place::new();
    let mut weights = vec![tensors(&model(&place, "plain", "beta=1.0"))];
    for (i, choice) in CHOICES.iter().enumerate() {
        let whole = model(&place, &format!("whole{i}"), choice);
        let half = format!("--out half{i} --set {choice}");
        place.train(&format!("{half} --epochs 1")).succeeds();
        place.train(&format!("{half} --epochs 2 --resume")).succeeds();
        assert!(whole == place.read(&format!("half{i}/model.safetensors")), "{choice}");
        let tensors = tensors(&whole);
        assert!(!weights.contains(&tensors), "{choice} changes nothing");
        weights.push(tensors);
    }
}

/// The bytes of a model file after its header, which holds the recipe.
fn tensors(bytes: &[u8]) -> Vec<u8> {
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

#[test]
fn a_schedule_shows_in_the_metrics() {
    let place = Place::new();
    let set = "--set schedule={milestones={at=[1],factor=0.1}} --set learning_rate=0.01";
    place.train(&format!("--out run {set}")).succeeds();
    let metrics = place.text("run/metrics.csv");
    let rates: Vec<f64> = metrics
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(9).unwrap().parse().unwrap())
        .collect();
    assert_eq!(rates, [0.01, 0.001]);
}

#[test]
fn the_best_weights_by_held_out_images_are_kept_and_a_run_without_better_ones_ends() {
    let place = Place::new();
    // A learning rate so large that the first epoch is the best, or nearly.
    let set = "--set validation=10 --set patience=2 --set learning_rate=0.5 --set clip_norm=1";
    let run = format!("--out run {set} --epochs 30");
    let stderr = place.train(&run).succeeds().stderr;
    assert!(stderr.contains("stopped early"), "{stderr}");
    let metrics = place.text("run/metrics.csv");
    assert!(metrics.lines().next().unwrap().ends_with(",validation_elbo"));
    let elbos: Vec<f64> = metrics
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    let best = (0..elbos.len()).max_by(|&a, &b| elbos[a].total_cmp(&elbos[b])).unwrap();
    assert!(elbos.len() < 30 && elbos.len() == best + 3, "{elbos:?}");
    assert!(stderr.contains(&format!("those of epoch {}", best + 1)), "{stderr}");

    // The kept model is the one that a run of exactly that many epochs ends with.
    place.train(&format!("--out short {set} --epochs {}", best + 1)).succeeds();
    let kept = tensors(&place.read("run/model.safetensors"));
    assert!(kept == tensors(&place.read("short/model.safetensors")));

    // It is over: there is nothing to resume, and a new run may take its place.
    let resumed = place.train(&format!("{run} --resume")).succeeds();
    assert!(resumed.stderr.contains("stopped early"), "{}", resumed.stderr);
    place.train(&run).succeeds();
}

#[test]
fn a_run_with_held_out_images_resumes_bit_for_bit() {
    let place = Place::new();
    let set = "--set validation=10 --set patience=9";
    place.train(&format!("--out whole {set} --epochs 4")).succeeds();
    for epochs in 1..=4 {
        let resume = if epochs > 1 { "--resume" } else { "" };
        place.train(&format!("--out parts {set} --epochs {epochs} {resume}")).succeeds();
    }
    for file in ["model.safetensors", "checkpoint.safetensors", "units.csv"] {
        assert!(
            place.read(&format!("whole/{file}")) == place.read(&format!("parts/{file}")),
            "{file}"
        );
    }
}

#[test]
fn units_have_a_row_for_each_epoch_with_the_divergence_of_each_dimension() {
    let place = Place::trained();
    let units = place.text("run/units.csv");
    let lines: Vec<&str> = units.lines().collect();
    assert_eq!(lines[0], "epoch,kl_1,kl_2,variance_1,variance_2");
    assert_eq!(lines.len(), 3);
    let metrics = place.text("run/metrics.csv");
    let kl: f64 = metrics.lines().nth(2).unwrap().split(',').nth(7).unwrap().parse().unwrap();
    let last: Vec<f64> = lines[2].split(',').map(|v| v.parse().unwrap()).collect();
    assert!((last[1] + last[2] - kl).abs() < 1e-5, "{last:?} {kl}");
}

#[test]
fn a_collapsed_posterior_is_warned_of() {
    let place = Place::new();
    let stderr = place.train("--out run --set beta=1000 --epochs 30").succeeds().stderr;
    assert!(stderr.contains("collapsed"), "{stderr}");
    let free =
        place.train("--out free --set beta=0 --set learning_rate=0.02 --epochs 30").succeeds();
    assert!(!free.stderr.contains("collapsed"), "{}", free.stderr);
}

#[test]
fn models_of_other_pixels_are_not_set_side_by_side() {
    let place = Place::trained();
    model(&place, "again", "seed=5");
    model(&place, "black", "pixels=binarised");
    let both = "evaluate run/model.safetensors again/model.safetensors --importance-samples 3";
    let table = place.elbo(both).succeeds().stdout;
    let source =
        "12 images, the test images of data/mnist; log-likelihood with 3 importance samples";
    assert!(table.starts_with(source), "{table}");
    let rows: Vec<&str> = table.lines().skip(3).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.matches(" ± ").count() == 2), "{table}");
    place.refuses(
        "evaluate run/model.safetensors black/model.safetensors",
        2,
        &["run/model.safetensors", "grey", "black/model.safetensors", "binarised"],
    );
}

#[test]
fn probabilities_densities_and_cross_entropies_are_not_set_side_by_side() {
    let place = Place::trained();
    for kind in ["discretised-logistic", "gaussian", "gaussian-optimal"] {
        model(&place, kind, &format!("likelihood={kind}"));
    }
    for (a, b, parts) in [
        ("run", "discretised-logistic", ["a cross-entropy", "a probability"]),
        ("discretised-logistic", "gaussian", ["a probability", "a density"]),
        ("gaussian", "gaussian-optimal", ["a density", "of the images at hand"]),
    ] {
        let both = format!("evaluate {a}/model.safetensors {b}/model.safetensors");
        place.refuses(&both, 2, &parts);
    }
}

#[test]
fn the_quality_of_samples_is_measured_in_the_pixels_of_the_model() {
    let place = Place::new();
    for pixels in ["grey", "fixed"] {
        model(&place, pixels, &format!("pixels={pixels}"));
        let evaluate = format!("evaluate {pixels}/model.safetensors --sample-quality");
        let text = place.elbo(&evaluate).succeeds().stdout;
        assert!(text.contains("precision") && text.contains("recall"), "{text}");
        let json = place.elbo(&format!("{evaluate} --json")).succeeds().stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let quality = &json["sample_quality"];
        for figure in ["precision", "recall", "nearest_neighbour_accuracy"] {
            let value = quality[figure].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&value), "{figure} {value}");
        }
        assert_eq!((&quality["images"], &quality["samples"]), (&TEST.into(), &TEST.into()));
    }
}

#[test]
fn choices_that_do_not_go_together_are_refused_before_any_training() {
    let place = Place::new();
    for (set, part) in [
        ("samples=0", "samples is 0"),
        ("free_bits=-1", "free_bits is -1"),
        ("beta=-0.5", "beta is -0.5"),
        ("beta=1e39", "must be a number from 0 to 1e12"),
        ("objective=iwae --set beta=2", "objective is iwae"),
        ("objective=iwae --set free_bits=1", "objective is iwae"),
        ("estimator=dreg", "estimator"),
        ("objective=iwae --set likelihood=gaussian-optimal", "do not go together"),
        ("pixels=fixed --set likelihood=gaussian", "grey pixels"),
        ("variance=0", "variance is 0"),
        ("prior=vampprior --set free_bits=1", "free_bits"),
        ("pseudo_inputs=0", "pseudo_inputs is 0"),
        ("prior=vampprior --set latent2=2", "prior = \"vampprior\" and latent2 do not go together"),
        ("prior=vampprior --set flow_steps=2", "prior = \"vampprior\" and flow_steps do not go"),
        ("latent2=2 --set flow_steps=2", "latent2 and flow_steps do not go together"),
        ("latent2=2 --set free_bits=0.1", "free_bits is 0.1"),
        ("flow_steps=2 --set free_bits=0.1", "no closed form with flow_steps"),
        (
            "latent2=2 --set objective=iwae --set estimator=dreg",
            "with latent2 there is no estimator",
        ),
        ("flow_steps=2 --set objective=iwae --set estimator=stl", "with flow_steps there is no"),
        ("hidden2=[4]", "set its latent2"),
        ("latent2=65537", "latent2 is 65537"),
        ("latent2=2 --set hidden2=[4,0]", "hidden2 is [4, 0]"),
        ("latent2=-1", "latent2"),
        ("flow_steps=33", "flow_steps is 33"),
        ("flow_steps=1 --set flow_width=0", "flow_width is 0"),
        ("flow_steps=1 --set flow_width=5 --set latent=6", "at least latent, 6"),
        ("likelihood=gaussian-shared --set variance=1e-5", "would not learn it beyond"),
        ("learning_rate=1e-46", "must be a number from 1e-12 up"),
        ("clip_norm=1e-46", "must be 0, or a number from 1e-12 up"),
        ("epsilon=1e-16", "epsilon is 1e-16, and must be a number from 1e-15 up"),
        (
            "schedule={stages=[{epochs=1,learning_rate=0.1}]}",
            "end after epoch 1, but the run has 2",
        ),
        ("schedule={step={every=0,factor=0.5}}", "every is 0"),
        ("warm_up={linear={epochs=0}}", "warm_up"),
        ("patience=3", "validation"),
        ("beta1=1", "beta1 is 1"),
        ("optimiser=adagrad", "adagrad"),
        ("momentun=0.9", "did you mean `momentum`"),
        ("schedule.growing.ratio=2", "schedule is \"constant\""),
    ] {
        place.refuses(&format!("train --recipe small.toml --set {set}"), 2, &[part]);
    }
    place.refuses("train --recipe small.toml --set validation=40", 1, &["validation is 40"]);
}

#[test]
fn all_faults_of_a_recipe_file_are_reported_at_once() {
    let place = Place::new();
    place.write("bad.toml", "latnet = 3\nbatch_size = 0\noptimiser = \"adm\"\nsamples = \"two\"\n");
    place.refuses(
        "train --recipe bad.toml",
        1,
        &["latnet", "did you mean `latent`", "batch_size is 0", "optimiser", "adm", "samples"],
    );
    let layers = "latent2 = 2\nhidden2 = 100\nflow_steps = 2\nflow_with = 9\nfree_bits = 1.0\n";
    place.write("layers.toml", layers);
    place.refuses(
        "train --recipe layers.toml",
        1,
        &[
            "line 2, column 11: hidden2",
            "line 4, column 1: there is no key `flow_with`; did you mean `flow_width`",
            "latent2 and flow_steps do not go together",
            "no closed form with latent2",
            "no closed form with flow_steps",
        ],
    );
}
