//! `elbo study` and `elbo check`.

use serde_json::Value;

use super::*;

#[test]
fn a_study_shows_the_whole_step_and_finds_every_gradient_right() {
    let done = Place::without_data().elbo("study").succeeds();
    assert_eq!(done.stderr, "");
    let mut rest = done.stdout.as_str();
    for name in ["x", "mu", "z", "logits", "loss", "d_logits", "d_z", "d_encoder.mu.weight"] {
        let start = rest.find(&format!("\n{name} (")).unwrap_or_else(|| panic!("{name}"));
        rest = &rest[start + 1..];
    }
    assert!(rest.contains("\nnew.decoder.output.bias (") && rest.contains("\nafter ("));
    assert!(rest.contains("gradients agree with the numeric ones"), "{rest}");
    assert!(!done.stdout.contains('\x1b'), "colour outside a terminal");
    assert!(done.stdout.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_broken_gradient_is_found_and_named_first() {
    let place = Place::without_data();
    for (fault, verdict) in [
        ("d_z", "The first is d_z: wrong sign in 4 elements."),
        ("d_mu.kl=half", "The first is d_mu.kl: wrong by a factor of 0.50000 in 4 elements."),
        ("d_decoder.output.weight=zero", "The first is d_decoder.output.weight: missing"),
        ("d_log_var=element", "The first is d_log_var: wrong in 1 element."),
    ] {
        let done = place.elbo(&format!("study --break {fault}")).succeeds();
        assert!(done.stdout.contains(verdict), "{fault}: {}", done.stdout);
    }
}

#[test]
fn a_study_can_be_cut_to_a_layer_and_to_a_place() {
    let place = Place::without_data();
    let names = |arguments: &str| -> Vec<String> {
        let stdout = place.elbo(&format!("study {arguments}")).succeeds().stdout;
        let name = |line: &str| line.split_once(" (").map(|(name, _)| name.to_string());
        let shown = stdout.lines().filter(|line| !line.starts_with(' ') && line.contains(" x "));
        shown.filter_map(name).collect()
    };
    assert_eq!(names("--stop-at z").last().unwrap(), "z");
    let output = names("--layer decoder.output");
    assert_eq!(output[..3], ["decoder.output.weight", "decoder.output.bias", "logits"]);
    assert!(output.iter().all(|name| !name.contains("encoder")), "{output:?}");
    assert_eq!(names("--layer sample --stop-at z"), ["sigma", "z"]);
}

#[test]
fn a_study_without_hidden_layers_is_one_of_a_linear_model() {
    let stdout = Place::without_data().elbo("study --hidden none").succeeds().stdout;
    assert!(!stdout.contains("hidden.0") && stdout.contains("All 14 gradients agree"), "{stdout}");
}

#[test]
fn a_study_of_a_real_image_shows_it_made_smaller() {
    let place = Place::new();
    let done = place.elbo("study --image 3 --batch 2 --side 2 --stop-at x").succeeds();
    // By the area: image 3 of 6 x 5 pixels, its upper left quarter 3 x 2.5 of them.
    let pixels = &place.read("data/mnist/t10k-images-idx3-ubyte")[16 + 3 * 30..];
    let shares = [1.0, 1.0, 0.5];
    let quarter: f64 = (0..3)
        .flat_map(|i| shares.iter().enumerate().map(move |(j, share)| (i * WIDTH + j, share)))
        .map(|(at, share)| share * f64::from(pixels[at]) / 255.0)
        .sum();
    assert!(done.stdout.contains(&format!("{:.6}", quarter / 7.5)), "{}", done.stdout);
}

#[test]
fn the_page_of_a_study_is_self_contained_and_every_link_leads_to_a_step() {
    let place = Place::without_data();
    let done = place.elbo("study --hidden 4,3 --html study.html").succeeds();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", "wrote study.html\n"));
    let page = place.text("study.html");
    for outside in ["http://", "https://", "src=", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("url(").count(), page.matches("url(#tip)").count());
    let links: Vec<&str> =
        page.split("href=\"#").skip(1).map(|s| s.split('"').next().unwrap()).collect();
    assert!(links.len() > 100);
    for link in links {
        assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
    }
    for tag in
        ["details", "table", "tr", "svg", "figure", "p", "a", "summary", "code", "h2", "span"]
    {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn what_cannot_be_studied_is_refused_with_what_there_is() {
    let place = Place::new();
    for (arguments, message) in [
        ("--break d_y", "there is no gradient \"d_y\" in this step; there are: d_logits, "),
        ("--break d_z=twice", "a gradient can be broken by sign, half, zero, element"),
        ("--stop-at q", "there is no \"q\" to stop at; there are: x, eps, "),
        ("--layer encoder", "there is no layer \"encoder\"; there are: input, encoder.hidden.0, "),
        ("--latent 0", "--latent is 0, but must be from 1 to 64"),
        ("--hidden 3,65", "--hidden is 65, but must be from 1 to 64"),
        ("--hidden 64,64 --side 16", "a study shows each of them, so at most 5000 in all"),
        ("--batch 64 --side 40 --hidden 1", "numbers in its signals; a study shows each"),
        ("--layer decoder.output --stop-at z", "that layer has nothing before --stop-at"),
        ("--learning-rate 0", "--learning-rate must be a positive number"),
        ("--image 12", "--image is 12, but the images are numbered 0 to 11"),
        ("--image 11", "the last of --batch 2 from --image 11 is 12, but the images are numbered"),
        ("--hidden x", "widths, or `none`, are wanted"),
        ("--data data/mnist", "--image"),
    ] {
        let done = place.elbo(&format!("study {arguments}"));
        assert_eq!(done.status, 2, "{arguments}: {}", done.stderr);
        assert!(done.stderr.contains(message), "{arguments}: {}", done.stderr);
    }
}

#[test]
fn a_check_has_a_line_for_every_tensor_and_finds_all_right() {
    let place = Place::new();
    let done = place.elbo("check --recipe small.toml").succeeds();
    for tensor in ["encoder.hidden.0.weight", "encoder.log_var.bias", "decoder.output.bias"] {
        let line = done.stdout.lines().find(|line| line.starts_with(tensor)).unwrap();
        assert!(line.ends_with("right"), "{line}");
    }
    assert!(done.stdout.contains("the largest relative error of 10 tensors is "));
}

#[test]
fn a_check_as_json_is_one_object() {
    let place = Place::new();
    let done = place.elbo("check --recipe small.toml --elements all --json").succeeds();
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&report["right"], &report["recipe"]), (&true.into(), &"small".into()));
    let tensors = report["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), 10);
    for tensor in tensors {
        assert!(tensor["max_relative_error"].as_f64().unwrap() < 1e-8, "{tensor}");
        let shape: usize = tensor["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap() as usize)
            .product();
        assert_eq!(tensor["elements"].as_u64().unwrap() as usize, shape);
    }
    place.elbo("check --batch 41").fails(2, &["--batch is 41, but there are 40 images"]);
    let place = Place::without_data();
    assert_eq!(place.elbo("check --elements 0").status, 2);
    assert_eq!(place.elbo("check --recipe nothing").status, 2);
    assert_eq!(place.elbo("check").status, 1);
}
