//! The crate against PyTorch: values, gradients and Adam steps that `tests/golden/vae.py` computed
//! in f64 from the model file of this crate.

use std::path::Path;

use elbo::{
    distributions::gaussian::LOG_VAR_BOUND, models::MlpVae, objectives::Elbo, optim::Adam,
    parameters::Parameters, real::Real, training::load_model,
};
use ndarray::{Array2, ArrayD, ArrayViewD};
use safetensors::SafeTensors;

/// Agreement to ten digits, relative to the largest element of a tensor.
const TOLERANCE: f64 = 1e-10;

/// Two hidden layers; one hidden layer, and log σ² beyond its bound in one dimension.
const MODELS: [&str; 2] = ["tanh", "relu"];

struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    fn read(model: &str) -> Self {
        let path = format!("tests/golden/{model}.values.safetensors");
        Self { bytes: std::fs::read(path).unwrap() }
    }

    fn tensor(&self, name: &str) -> ArrayD<f64> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(name).unwrap();
        let values = tensor.data().chunks_exact(8).map(f64::from_le_slice).collect();
        ArrayD::from_shape_vec(tensor.shape(), values).unwrap()
    }

    fn matrix(&self, name: &str) -> Array2<f64> {
        self.tensor(name).into_dimensionality().unwrap()
    }

    #[track_caller]
    fn check(&self, name: &str, ours: ArrayViewD<'_, f64>) {
        let theirs = self.tensor(name);
        assert_eq!(ours.shape(), theirs.shape(), "{name}");
        let largest = theirs.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        let error = (&ours - &theirs).iter().fold(0.0f64, |a, v| a.max(v.abs()));
        assert!(error <= TOLERANCE * largest, "{name}: off by {error:.1e} of {largest:.1e}");
        assert!(ours.iter().all(|v| v.is_finite()), "{name}");
    }
}

fn model(name: &str) -> MlpVae<f64> {
    load_model(Path::new(&format!("tests/golden/{name}.safetensors"))).unwrap().1
}

#[test]
fn forward_values_elbo_and_every_gradient_agree_with_pytorch() {
    for name in MODELS {
        let (golden, vae) = (Golden::read(name), model(name));
        let mut w = vae.workspace(golden.matrix("x").nrows());
        (w.signals.x, w.signals.eps) = (golden.matrix("x"), golden.matrix("eps"));
        let mut d = vae.zeros_like();
        let figures = vae.gradient(&Elbo, &mut w, &mut d);

        let s = &w.signals;
        for (name, ours) in
            [("mu", &s.mu), ("log_var", &s.log_var), ("z", &s.z), ("logits", &s.logits)]
        {
            golden.check(name, ours.view().into_dyn());
        }
        for (name, ours) in
            [("elbo", figures.elbo), ("reconstruction", figures.reconstruction), ("kl", figures.kl)]
        {
            golden.check(name, ndarray::arr0(ours).view().into_dyn());
        }
        for (name, ours) in d.names().iter().zip(d.tensors()) {
            golden.check(&format!("grad.{name}"), ours);
        }
    }
}

#[test]
fn one_golden_model_is_beyond_the_bound_on_log_var() {
    let log_var = Golden::read("relu").matrix("log_var");
    assert!(log_var.column(0).iter().all(|&v| v < -LOG_VAR_BOUND));
    assert!(log_var.column(1).iter().all(|&v| v.abs() < LOG_VAR_BOUND));
}

#[test]
fn ten_adam_steps_agree_with_pytorch() {
    for name in MODELS {
        let (golden, mut vae) = (Golden::read(name), model(name));
        let mut w = vae.workspace(golden.matrix("x").nrows());
        (w.signals.x, w.signals.eps) = (golden.matrix("x"), golden.matrix("eps"));
        let (mut d, mut adam) = (vae.zeros_like(), Adam::new(&vae, 0.01));
        for _ in 0..10 {
            vae.gradient(&Elbo, &mut w, &mut d);
            adam.step(&mut vae, &d);
        }
        for (name, ours) in vae.names().iter().zip(vae.tensors()) {
            golden.check(&format!("adam10.{name}"), ours);
        }
    }
}
