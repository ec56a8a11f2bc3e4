//! Models beyond the VAE, from a recipe to all that can be done with them: two layers of latent
//! variables, and a flow as the posterior.

use ndarray::Array2;
use ndarray_npy::read_npy;
use serde_json::{Value, json};

use super::{
    models::{draws, json, number},
    *,
};

const TWO_LAYERS: &str = "hidden2 = [7, 6]\nlatent2 = 3\nsamples = 2\n";
const FLOW: &str = "flow_steps = 2\nflow_width = 9\n";
const MODEL: &str = "run/model.safetensors";

/// The small recipe and more of it, as `small.toml`.
fn place(more: &str) -> Place {
    let place = Place::new();
    place.write("small.toml", format!("{SMALL}{more}"));
    place
}

/// With a model of that recipe in `run`.
fn trained(more: &str) -> Place {
    let place = place(more);
    place.train("--out run").succeeds();
    place
}

#[test]
fn a_run_that_stops_and_goes_on_is_the_run_that_never_stopped() {
    for more in [TWO_LAYERS, FLOW] {
        for objective in ["elbo", "iwae"] {
            let (place, set) = (place(more), format!("--set objective={objective}"));
            place.train(&format!("{set} --epochs 4 --out whole")).succeeds();
            place.train(&format!("{set} --epochs 1 --out cut --threads 1")).succeeds();
            place.elbo("train --out cut --resume --epochs 4 --threads 2").succeeds();
            assert_eq!(place.names("whole"), place.names("cut"));
            for name in place.names("whole").iter().filter(|name| *name != "metrics.csv") {
                let [whole, cut] = ["whole", "cut"].map(|run| place.read(&format!("{run}/{name}")));
                assert!(whole == cut || name == "curves.svg", "{name} of {more} {objective}");
            }
        }
    }
}

#[test]
fn training_says_what_model_it_is_and_what_is_left_out_of_its_figures() {
    let place = Place::new();
    place.write("two.toml", format!("{SMALL}{TWO_LAYERS}"));
    let said = place.elbo("train --recipe two.toml --out two").succeeds().stderr;
    for part in ["30-8-2, 2-7-6-3 above it", "no closed form", "of the first layer", "active "] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    place.write("flow.toml", format!("{SMALL}{FLOW}"));
    let said = place.elbo("train --recipe flow.toml --out flow").succeeds().stderr;
    for part in ["30-8-2 with a flow of 2 steps", "no closed form", "active units are not counted"]
    {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    assert!(!said.contains("   active ") && !said.contains("warning"), "{said}");
}

#[test]
fn a_run_keeps_nothing_of_what_is_not_defined() {
    let header = |place: &Place| place.text("run/units.csv").lines().next().unwrap().to_string();
    let active = |place: &Place| {
        let metrics = place.text("run/metrics.csv");
        let rows = metrics.lines().skip(1);
        rows.map(|row| row.split(',').nth(8).unwrap().to_string()).collect::<Vec<_>>()
    };
    let vampprior = trained("prior = \"vampprior\"\npseudo_inputs = 3\n");
    let two_layers = trained(TWO_LAYERS);
    assert_eq!(header(&vampprior), "epoch,variance_1,variance_2");
    assert_eq!(header(&two_layers), "epoch,variance_1,variance_2");
    assert!(active(&two_layers).iter().all(|n| n.parse::<usize>().unwrap() <= 2));
    let flow = trained(FLOW);
    assert!(!flow.names("run").contains(&"units.csv".to_string()));
    assert_eq!(active(&flow), ["", ""]);
}

#[test]
fn evaluate_reports_what_is_defined_and_why_the_rest_is_missing() {
    for (more, has_mean) in [(TWO_LAYERS, true), (FLOW, false)] {
        let place = trained(more);
        let report = json(&place, &format!("evaluate {MODEL} --json --importance-samples 20"));
        let [elbo, reconstruction, kl] =
            ["elbo", "reconstruction", "kl"].map(|key| number(&report, key));
        assert!((elbo - (reconstruction - kl)).abs() < 1e-9, "{report}");
        let noise = 5.0 * number(&report, "elbo_standard_error");
        assert!(number(&report, "log_likelihood") > elbo - noise, "{report}");
        assert_eq!(report.get("kl_per_dimension"), None);
        for key in ["active_units", "mean_variance"] {
            assert_eq!(report.get(key).is_some(), has_mean, "{key} {report}");
        }
        assert_eq!(report["notes"].as_array().unwrap().len(), 2);

        let text = place.elbo(&format!("evaluate {MODEL}")).succeeds().stdout;
        assert!(text.contains("no closed form"), "{text}");
        assert_eq!(text.contains("dimension        kl"), has_mean, "{text}");
        let both = place.elbo(&format!("evaluate {MODEL} {MODEL}")).succeeds().stdout;
        assert_eq!(both.lines().count(), 5, "{both}");
    }
    let plain = json(&Place::trained(), &format!("evaluate {MODEL} --json"));
    assert_eq!(plain.get("notes"), None);
}

#[test]
fn encode_writes_means_where_they_are_known_and_otherwise_what_the_decoder_sees() {
    for (more, columns) in
        [(TWO_LAYERS, "label,mu_1,mu_2,log_var_1,log_var_2"), (FLOW, "label,z_1,z_2")]
    {
        let place = trained(more);
        place.elbo(&format!("encode {MODEL} --out z.npy")).succeeds();
        place.elbo(&format!("encode {MODEL} --out z.csv")).succeeds();
        let codes: Array2<f32> = read_npy(place.path("z.npy")).unwrap();
        assert_eq!(codes.dim(), (TEST, 2));
        let csv = place.text("z.csv");
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some(columns));
        for (line, code) in lines.zip(codes.rows()) {
            let values: Vec<f32> = line.split(',').map(|v| v.parse().unwrap()).collect();
            assert_eq!(values.len(), columns.split(',').count());
            assert_eq!(values[1..3], code.to_vec());
        }
    }
}

#[test]
fn pictures_are_drawn_and_are_those_of_the_run() {
    for more in [TWO_LAYERS, FLOW] {
        let place = trained(more);
        let samples = draws(&place, &format!("sample {MODEL}"), 10, 10);
        assert_eq!(samples, place.read("run/samples.png"));
        let pairs = draws(&place, &format!("reconstruct {MODEL}"), 10, 4);
        assert_eq!(pairs, place.read("run/reconstructions.png"));
        let plane = draws(&place, &format!("manifold {MODEL}"), 10, 10);
        assert_eq!(plane, place.read("run/manifold.png"));
        draws(&place, &format!("interpolate {MODEL} --from 0 --to 11"), 10, 1);
        assert!(place.text("run/latent.svg").contains("<svg"));
    }
    let place = place(FLOW);
    place.train("--out line --latent 1").succeeds();
    assert!(place.text("line/latent.svg").contains("σ of z₀"));
}

#[test]
fn info_counts_the_parameters_of_each_part() {
    let vae = (30 * 8 + 8) + 2 * (8 * 2 + 2) + (2 * 8 + 8) + (8 * 30 + 30);
    let up = (2 * 7 + 7) + (7 * 6 + 6) + 2 * (6 * 3 + 3);
    let down = (3 * 6 + 6) + (6 * 7 + 7) + 2 * (7 * 2 + 2);
    let flow = (8 * 9 + 9) + 2 * ((2 * 9 + 9) + 2 * (9 * 2 + 2));
    for (more, name, shape, parameters) in [
        (TWO_LAYERS, "decoder2.mu.weight", [2, 7], vae + up + down),
        (FLOW, "flow.1.gate.weight", [2, 9], vae + flow),
    ] {
        let report = json(&trained(more), &format!("info {MODEL} --json"));
        assert_eq!(number(&report, "parameters"), f64::from(parameters));
        let tensors = report["tensors"].as_array().unwrap();
        let tensor = tensors.iter().find(|t| t["name"] == name).unwrap();
        assert_eq!(tensor["shape"], json!(shape));
    }
}

#[test]
fn check_finds_every_gradient_right() {
    let vampprior = "prior = \"vampprior\"\npseudo_inputs = 3\n";
    for more in [TWO_LAYERS, FLOW, vampprior] {
        let place = place(more);
        for set in ["objective=elbo", "objective=iwae --set samples=3"] {
            let set = format!("--set activation=tanh --set {set}");
            let done = place.elbo(&format!("check --recipe small.toml --json {set}")).succeeds();
            let report: Value = serde_json::from_str(&done.stdout).unwrap();
            assert_eq!(report["right"], true, "{report}");
        }
    }
}

#[test]
fn a_model_file_with_another_second_layer_or_flow_than_its_recipe_is_refused() {
    for (more, from, to) in [
        (TWO_LAYERS, r#"\"latent2\":3"#, r#"\"latent2\":4"#),
        (TWO_LAYERS, r#"\"hidden2\":[7,6]"#, r#"\"hidden2\":[6,7]"#),
        (TWO_LAYERS, r#""encoder2.mu.weight""#, r#""encoder3.mu.weight""#),
        (FLOW, r#"\"flow_steps\":2"#, r#"\"flow_steps\":3"#),
        (FLOW, r#"\"flow_width\":9"#, r#"\"flow_width\":8"#),
        (FLOW, r#""flow.0.mean.bias""#, r#""flow.2.mean.bias""#),
    ] {
        let place = trained(more);
        place.patch(MODEL, from, to);
        let parts = ["does not hold the model of its recipe"];
        place.refuses(&format!("info {MODEL}"), 1, &parts);
    }
    let place = trained(FLOW);
    place.patch(MODEL, r#"\"latent2\":0"#, r#"\"latent2\":9"#);
    place.refuses(&format!("info {MODEL}"), 1, &["latent2 and flow_steps do not go together"]);
}

#[test]
fn to_resume_with_another_second_layer_or_flow_is_refused_with_the_difference() {
    for (more, set, part) in [
        (TWO_LAYERS, "latent2=4", "latent2 was 3 and is now 4"),
        (FLOW, "flow_steps=0", "flow_steps was 2 and is now 0"),
    ] {
        let place = trained(more);
        let arguments = format!("train --out run --resume --set {set}");
        place.refuses(&arguments, 1, &["run/checkpoint.safetensors", part]);
    }
}
