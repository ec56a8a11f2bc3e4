//! The crate against PyTorch: values, gradients and Adam steps that `tests/golden/vae.py` computed
//! in f64 from the model files of this crate.

use std::path::Path;

use elbo::{
    distributions::gaussian::LOG_VAR_BOUND, models::MlpVae, objectives::Elbo, optim::Adam,
    parameters::Parameters, real::Real, training::load_model,
};
use libtest_mimic::{Arguments, Failed, Trial};
use ndarray::{Array2, ArrayD, ArrayViewD, Axis, Ix2, Ix3};
use safetensors::SafeTensors;

/// No hidden layer to three, each activation, one latent dimension to five, one image to 17. In
/// `relu`, log σ² of one dimension lies beyond its bound.
const MODELS: [&str; 6] = ["linear", "relu", "sigmoid", "tanh", "softplus", "deep-relu"];

/// The steps after which weights are compared.
const STEPS: [usize; 3] = [1, 10, 100];

fn main() {
    let mut trials = vec![];
    for name in MODELS {
        // Agreement to twelve digits in f64, and to four in f32, relative to the largest element of
        // a tensor.
        add::<f64>(&mut trials, name, "f64", 1e-12);
        add::<f32>(&mut trials, name, "f32", 1e-4);
    }
    trials.push(Trial::test("one model is beyond the bound on log σ²", || {
        let log_var = Golden::read("relu").matrix("log_var");
        let beyond = |column: usize| log_var.column(column).iter().all(|v| v.abs() > LOG_VAR_BOUND);
        if beyond(0) && !beyond(1) { Ok(()) } else { Err(Failed::from(format!("{log_var}"))) }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A kind of values, and what compares them.
type Kind = (&'static str, fn(&Golden, &mut Compared));

/// A test for each kind of value of one model in one precision.
fn add<T: Real>(trials: &mut Vec<Trial>, name: &'static str, precision: &str, tolerance: f64) {
    let kinds: [Kind; 3] = [
        ("forward values and the parts of the ELBO", forward::<T>),
        ("all gradients", gradients::<T>),
        ("weights after 1, 10 and 100 steps of Adam", adam::<T>),
    ];
    for (kind, compare) in kinds {
        let golden = Golden::read(name);
        let mut compared = Compared::default();
        compare(&golden, &mut compared);
        let Compared { worst, tensor, count } = compared;
        let verdict = move || match count > 0 && worst <= tolerance {
            true => Ok(()),
            false => Err(Failed::from(format!("{tensor} of {count} tensors: off by {worst:.1e}"))),
        };
        let title = format!("{name}, {precision}: {kind} agree with PyTorch");
        trials.push(Trial::test(title, verdict).with_kind(format!("{worst:.0e}")));
    }
}

/// The largest relative error so far, and where it is.
#[derive(Default)]
struct Compared {
    worst: f64,
    tensor: String,
    count: usize,
}

struct Golden {
    name: &'static str,
    bytes: Vec<u8>,
}

impl Golden {
    fn read(name: &'static str) -> Self {
        let bytes = std::fs::read(format!("tests/golden/{name}.values.safetensors")).unwrap();
        Self { name, bytes }
    }

    fn model<T: Real>(&self) -> MlpVae<T> {
        let path = format!("tests/golden/{}.safetensors", self.name);
        let (recipe, model) = load_model::<f64>(Path::new(&path)).unwrap();
        let mut cast = recipe.model::<T>();
        for (mut to, from) in cast.tensors_mut().zip(model.tensors()) {
            to.zip_mut_with(&from, |to, from| *to = T::from_f64(*from));
        }
        cast
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
}

impl Compared {
    /// Compares a tensor of ours; NaN is the worst of all.
    fn add<T: Real>(&mut self, golden: &Golden, name: &str, ours: ArrayViewD<'_, T>) {
        let theirs = golden.tensor(name);
        assert_eq!(ours.shape(), theirs.shape(), "{name}");
        let largest = theirs.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        let errors = ours.iter().zip(&theirs).map(|(a, b)| (a.to_f64() - b).abs());
        let error = errors.fold(0.0, |a: f64, e| if e.is_nan() { f64::INFINITY } else { a.max(e) });
        let error = if error == 0.0 { 0.0 } else { error / largest };
        if self.count == 0 || error > self.worst {
            (self.worst, self.tensor) = (error, name.into());
        }
        self.count += 1;
    }
}

fn cast<T: Real>(values: Array2<f64>) -> Array2<T> {
    values.mapv(T::from_f64)
}

fn forward<T: Real>(golden: &Golden, compared: &mut Compared) {
    let vae = golden.model::<T>();
    let mut w = vae.workspace(golden.matrix("x").nrows());
    (w.signals.x, w.signals.eps) = (cast(golden.matrix("x")), cast(golden.matrix("eps")));
    let figures = vae.evaluate(&Elbo, &mut w);
    let s = &w.signals;
    for (name, ours) in [("mu", &s.mu), ("log_var", &s.log_var), ("z", &s.z), ("logits", &s.logits)]
    {
        compared.add(golden, name, ours.view().into_dyn());
    }
    for (name, ours) in
        [("elbo", figures.elbo), ("reconstruction", figures.reconstruction), ("kl", figures.kl)]
    {
        compared.add(golden, name, ndarray::arr0(ours).view().into_dyn());
    }
}

fn gradients<T: Real>(golden: &Golden, compared: &mut Compared) {
    let vae = golden.model::<T>();
    let mut w = vae.workspace(golden.matrix("x").nrows());
    (w.signals.x, w.signals.eps) = (cast(golden.matrix("x")), cast(golden.matrix("eps")));
    let mut d = vae.zeros_like();
    vae.gradient(&Elbo, &mut w, &mut d);
    for (name, ours) in d.names().iter().zip(d.tensors()) {
        compared.add(golden, &format!("grad.{name}"), ours);
    }
}

fn adam<T: Real>(golden: &Golden, compared: &mut Compared) {
    let x = golden.tensor("steps.x").into_dimensionality::<Ix3>().unwrap();
    let eps = golden.tensor("steps.eps").into_dimensionality::<Ix3>().unwrap();
    let mut vae = golden.model::<T>();
    let mut w = vae.workspace(x.len_of(Axis(1)));
    let (mut d, mut adam) = (vae.zeros_like(), Adam::new(&vae, 0.01));
    let step = |values: &ndarray::Array3<f64>, t: usize| -> Array2<T> {
        let values = values.index_axis(Axis(0), t % values.len_of(Axis(0)));
        cast(values.into_dimensionality::<Ix2>().unwrap().to_owned())
    };
    for t in 0..100 {
        (w.signals.x, w.signals.eps) = (step(&x, t), step(&eps, t));
        vae.gradient(&Elbo, &mut w, &mut d);
        adam.step(&mut vae, &d);
        if STEPS.contains(&(t + 1)) {
            for (name, ours) in vae.names().iter().zip(vae.tensors()) {
                compared.add(golden, &format!("adam{}.{name}", t + 1), ours);
            }
        }
    }
}
