use ndarray::Array2;

use super::*;
use crate::{models::Vae, objectives::Elbo, optim::Adam, parameters::Parameters};

fn setups() -> Vec<Setup> {
    let setup = |batch, pixels, hidden: &[usize], latent, activation| Setup {
        x: Setup::random_images(batch, pixels, 3),
        hidden: hidden.to_vec(),
        latent,
        activation,
        seed: 5,
        ..Setup::default()
    };
    vec![
        Setup::default(),
        setup(1, 5, &[], 1, Activation::Relu),
        setup(3, 6, &[5, 4], 3, Activation::Softplus),
        setup(4, 9, &[4, 3, 2], 2, Activation::Relu),
    ]
}

/// The last value of a step with this name.
fn value<'a>(study: &'a Study, name: &str) -> &'a Array2<f64> {
    &study.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("{name}")).values
}

/// The tensors of a model with their names; a weight as PyTorch has it.
fn tensors(model: &MlpVae<f64>) -> Vec<(String, Array2<f64>)> {
    let matrix = |t: ndarray::ArrayViewD<'_, f64>| match t.ndim() {
        2 => t.into_dimensionality::<ndarray::Ix2>().unwrap().t().to_owned(),
        _ => t
            .into_dimensionality::<ndarray::Ix1>()
            .unwrap()
            .to_owned()
            .insert_axis(ndarray::Axis(0)),
    };
    model.names().into_iter().zip(model.tensors().map(matrix)).collect()
}

#[test]
fn the_step_taken_apart_is_the_step_that_trains_bit_for_bit() {
    for setup in setups() {
        let mut model = setup.model();
        let (mut w, mut d) = (model.workspace(setup.x.nrows()), model.zeros_like());
        (w.signals.x, w.signals.eps) = (setup.x.clone(), setup.eps());
        let figures = Vae::gradient(&model, &Elbo, &mut w, &mut d);
        let s = w.signals.clone();
        let study = study(&setup).unwrap();

        for (name, theirs) in [
            ("mu", &s.mu),
            ("log_var", &s.log_var),
            ("sigma", &s.sigma),
            ("z", &s.z),
            ("logits", &s.logits),
            ("kl", &s.kl),
        ] {
            assert_eq!(value(&study, name), theirs, "{name}");
        }
        assert_eq!(value(&study, "log_prob").column(0), s.log_prob);
        for (name, theirs) in [("d_z", &s.d_z), ("d_mu", &s.d_mu), ("d_log_var", &s.d_log_var)] {
            assert_eq!(value(&study, name), theirs, "{name}");
        }
        for (name, theirs) in tensors(&d) {
            assert_eq!(value(&study, &format!("d_{name}")), theirs, "{name}");
        }
        let mut adam = Adam::new(&model, setup.learning_rate);
        adam.step(&mut model, &d);
        for (kind, theirs) in [("new", &model), ("m", &adam.m), ("v", &adam.v)] {
            for (name, theirs) in tensors(theirs) {
                assert_eq!(value(&study, &format!("{kind}.{name}")), theirs, "{kind}.{name}");
            }
        }
        assert!((study.before.elbo - figures.elbo).abs() < 1e-13);
        let after = model.evaluate(&Elbo, &mut w).elbo;
        assert!((study.after.elbo - after).abs() < 1e-13);
    }
}

#[test]
fn every_gradient_is_right() {
    for setup in setups() {
        let study = study(&setup).unwrap();
        let wrong: Vec<_> = study.wrong().map(|step| step.check.as_ref().unwrap()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let parameters = setup.model().names().len();
        assert!(study.checked().count() > parameters + 6);
    }
}

#[test]
fn a_fault_is_found_where_it_is_and_in_nothing_that_does_not_come_from_it() {
    let right = study(&Setup::default()).unwrap();
    for (i, step) in right.checked().enumerate() {
        for (_, kind) in [FaultKind::ALL[i % 3], FaultKind::ALL[3]] {
            let fault = Some(Fault { gradient: step.name.clone(), kind });
            let study = study(&Setup { fault, ..Setup::default() }).unwrap();
            let wrong: Vec<&Step> = study.wrong().collect();
            assert_eq!(wrong[0].name, step.name, "{kind:?}");
            for later in &wrong[1..] {
                assert!(study.comes_from(later, &step.name), "{}: {kind:?}", later.name);
            }
        }
    }
}

#[test]
fn a_wrong_sign_at_the_logits_reaches_the_first_weight() {
    let fault = Some(Fault { gradient: "d_logits".into(), kind: FaultKind::Sign });
    let study = study(&Setup { fault, ..Setup::default() }).unwrap();
    let wrong: Vec<&str> = study.wrong().map(|step| step.name.as_str()).collect();
    assert!(
        wrong.contains(&"d_encoder.hidden.0.weight") && !wrong.contains(&"d_mu.kl"),
        "{wrong:?}"
    );
}

#[test]
fn an_unknown_gradient_is_an_error_that_names_those_that_there_are() {
    let fault = Some(Fault { gradient: "d_y".into(), kind: FaultKind::Sign });
    let error = study(&Setup { fault, ..Setup::default() }).unwrap_err();
    assert!(error.to_string().contains("d_logits, "), "{error}");
}

#[test]
fn what_a_quantity_is_computed_from_comes_before_it() {
    for setup in setups() {
        let study = study(&setup).unwrap();
        let names: Vec<&str> = study.steps.iter().map(|step| step.name.as_str()).collect();
        for (i, step) in study.steps.iter().enumerate() {
            for from in &step.from {
                assert!(names[..i].contains(&from.as_str()), "{} from {from}", step.name);
            }
            assert!(!names[..i].contains(&step.name.as_str()), "{} twice", step.name);
        }
    }
}

#[test]
fn the_files_and_functions_that_steps_name_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for step in study(&Setup::default()).unwrap().steps {
        let source = std::fs::read_to_string(root.join(step.file)).unwrap();
        let function = step.code.rsplit("::").next().unwrap();
        let defined = ["(", "<"].map(|next| format!("fn {function}{next}"));
        assert!(defined.iter().any(|start| source.contains(start)), "{}: {}", step.file, step.code);
        assert!((1..=13).contains(&step.chapter));
    }
}

#[test]
fn text_fits_a_hundred_columns_and_has_colour_only_when_asked() {
    let wide = Setup { x: Setup::random_images(2, 16, 1), ..Setup::default() };
    let faulty = Some(Fault { gradient: "d_logits".into(), kind: FaultKind::Half });
    let far = Setup { learning_rate: 5e3, ..wide.clone() };
    for setup in [Setup::default(), wide.clone(), far, Setup { fault: faulty, ..wide }] {
        let study = study(&setup).unwrap();
        let plain = text(&study, |_| true, false);
        let widest = plain.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 100, "{widest}");
        assert!(!plain.contains('\x1b') && text(&study, |_| true, true).contains("\x1b[1m"));
        for step in &study.steps {
            assert!(plain.contains(&format!("\n{} (", step.name)), "{}", step.name);
        }
    }
}
