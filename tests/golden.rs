//! The crate against PyTorch: values, gradients and Adam steps that `tests/golden/vae.py` computed
//! in f64 from the model files of this crate; and by `objectives.py`, on one of them, the other
//! objectives and optimisers; by `deep.py` the models whose divergence has no closed form, and by `m2.py`
//! the bound that sums over labels.

use std::path::Path;

use elbo::{
    distributions::{bernoulli::Bernoulli, gaussian::LOG_VAR_BOUND},
    layers::{Activation, Init, Network},
    models::{Decoder, Encoder, IafVae, MlpConditional, MlpTwoLayer, MlpVae, Model, Vae, Vamp},
    objectives::{AnyObjective, Elbo, Estimator, Iwae, SampledElbo, WarmUp, WeightedElbo},
    optim::{Kind, Optimiser, Settings},
    parameters::Parameters,
    random::{self, Purpose},
    real::Real,
    training::load_model,
    uses::semi::{MlpM2, Shares},
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
    objectives::<f64>(&mut trials, "f64", 1e-12);
    objectives::<f32>(&mut trials, "f32", 1e-4);
    deep::<f64>(&mut trials, "f64", 1e-12);
    deep::<f32>(&mut trials, "f32", 1e-4);
    m2::<f64>(&mut trials, "f64", 1e-12);
    m2::<f32>(&mut trials, "f32", 1e-4);
    trials.push(Trial::test("one model is beyond the bound on log σ²", || {
        let log_var = Golden::read("relu").matrix("log_var");
        let beyond = |column: usize| log_var.column(column).iter().all(|v| v.abs() > LOG_VAR_BOUND);
        if beyond(0) && !beyond(1) { Ok(()) } else { Err(Failed::from(format!("{log_var}"))) }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A kind of values, and what compares them.
type Comparison = (&'static str, fn(&Golden, &mut Compared));

/// A test for each kind of value of one model in one precision.
fn add<T: Real>(trials: &mut Vec<Trial>, name: &'static str, precision: &str, tolerance: f64) {
    let kinds: [Comparison; 3] = [
        ("forward values and the parts of the ELBO", forward::<T>),
        ("all gradients", gradients::<T>),
        ("weights after 1, 10 and 100 steps of Adam", adam::<T>),
    ];
    for (kind, compare) in kinds {
        let golden = Golden::read(name);
        let mut compared = Compared::default();
        compare(&golden, &mut compared);
        compared.judge(trials, format!("{name}, {precision}: {kind}"), tolerance);
    }
}

/// A test for each objective, with four samples of each image, and for each optimiser.
fn objectives<T: Real>(trials: &mut Vec<Trial>, precision: &str, tolerance: f64) {
    let golden = Golden::of("tanh", "objectives.safetensors");
    let weighted =
        |beta, free_bits| AnyObjective::Weighted(WeightedElbo::new(beta, WarmUp::None, free_bits));
    let iwae = |estimator| AnyObjective::Iwae(Iwae { estimator });
    let objectives = [
        ("elbo", AnyObjective::Elbo(Elbo)),
        ("weighted", weighted(2.5, 0.0)),
        ("free_bits", weighted(0.7, 0.1)),
        ("sampled", AnyObjective::Sampled(SampledElbo::new(0.7, WarmUp::None))),
        ("iwae", iwae(Estimator::Total)),
        ("stl", iwae(Estimator::Stl)),
        ("dreg", iwae(Estimator::Dreg)),
    ];
    for (name, objective) in objectives {
        let (vae, mut compared) = (golden.model::<T>(), Compared::default());
        let (x, eps) = (golden.matrix("x"), golden.matrix("eps"));
        let mut w = vae.workspace_for(x.nrows(), eps.nrows() / x.nrows());
        (w.signals.x, w.signals.eps) = (cast(x), cast(eps));
        let mut d = vae.zeros_like();
        let value = vae.gradient(&objective, &mut w, &mut d).objective;
        compared.add(&golden, &format!("{name}.value"), ndarray::arr0(value).view().into_dyn());
        for (tensor, ours) in d.names().iter().zip(d.tensors()) {
            compared.add(&golden, &format!("{name}.grad.{tensor}"), ours);
        }
        compared.judge(trials, format!("{name}, {precision}: value and gradients"), tolerance);
    }
    // RMSprop's first steps are ten times its learning rate.
    let optimisers = [
        ("adam", Kind::Adam, 0.01, 0.999),
        ("adamw", Kind::AdamW, 0.01, 0.999),
        ("sgd", Kind::Sgd, 0.01, 0.999),
        ("rmsprop", Kind::RmsProp, 0.001, 0.99),
    ];
    let batches = Golden::read("tanh");
    for (name, optimiser, learning_rate, beta2) in optimisers {
        let (momentum, weight_decay) = (0.9, 0.1);
        let adam = Settings::adam(learning_rate);
        let settings = Settings { optimiser, beta2, momentum, weight_decay, ..adam };
        let mut compared = Compared::default();
        optimise::<T>(&batches, &settings, |step, tensor, ours| {
            compared.add(&golden, &format!("{name}.{step}.{tensor}"), ours);
        });
        let title =
            format!("{name} with weight decay, {precision}: weights after 1, 10, 100 steps");
        compared.judge(trials, title, tolerance);
    }
}

/// Two layers, a flow of three steps, the VampPrior with gated layers, and labels, with three samples of each
/// image.
fn deep<T: Real>(trials: &mut Vec<Trial>, precision: &str, tolerance: f64) {
    let rng = &mut random::rng(0, Purpose::Init, 0, 0);
    let (activation, init) = (Activation::Tanh, Init::Glorot);
    let two_layer =
        MlpTwoLayer::<T>::mlp_with(Bernoulli, 12, [(&[7, 6], 4), (&[5], 3)], activation, init, rng);
    let vae = MlpVae::<T>::mlp(12, &[7], 4, activation, init, rng);
    let iaf = IafVae::new(vae, 3, 9, activation, init, rng);
    let compared = forward_and_gradients("two_layer", two_layer);
    compared.judge(trials, format!("two layers, {precision}: values and gradients"), tolerance);
    let compared = forward_and_gradients("iaf", iaf);
    compared.judge(trials, format!("iaf, {precision}: values and gradients"), tolerance);
    let (encoder, decoder) =
        (Network::<T>::gated(12, &[7, 6], init, rng), Network::gated(4, &[6, 7], init, rng));
    let encoder = Encoder::new(encoder, 4, init, rng);
    let decoder = Decoder::new(decoder, 12, init, rng);
    let vamp = Vamp::new(Vae { encoder, decoder, likelihood: Bernoulli }, 6, rng);
    let compared = forward_and_gradients("vamp", vamp);
    let conditional =
        MlpConditional::<T, _>::mlp_with(Bernoulli, [12, 3], &[7, 6], 4, activation, init, rng);
    let conditional = forward_and_gradients("conditional", conditional);
    let title = format!("labels, {precision}: values and gradients");
    conditional.judge(trials, title, tolerance);
    let title = format!("vampprior and gated layers, {precision}: values and gradients");
    compared.judge(trials, title, tolerance);
}

/// A model with the weights of `deep.py`: its forward values, its objectives and all gradients.
fn forward_and_gradients<T: Real, M: Model<T>>(name: &str, mut model: M) -> Compared {
    let (golden, mut compared) = (Golden::of("deep", "deep.safetensors"), Compared::default());
    for (tensor, mut ours) in model.names().iter().zip(model.tensors_mut()) {
        let theirs = golden.tensor(&format!("{name}.param.{tensor}"));
        ours.assign(&theirs.mapv(T::from_f64));
    }
    let matrix = |tensor: &str| cast::<T>(golden.matrix(&format!("{name}.{tensor}")));
    let (x, eps) = (matrix("x"), matrix("eps"));
    let mut w = model.workspace_for(x.nrows(), eps.nrows() / x.nrows());
    let s = M::signals(&mut w);
    (s.x, s.eps) = (x, eps);
    s.y.indexed_iter_mut().for_each(|((n, class), y)| {
        *y = if class == n % model.classes() { T::ONE } else { T::ZERO };
    });
    model.encode(&mut w);
    model.log_weights(&mut w);
    let mut add = |tensor: &str, ours: ArrayViewD<'_, T>| {
        compared.add(&golden, &format!("{name}.{tensor}"), ours);
    };
    let s = M::signals(&mut w);
    for (tensor, ours) in
        [("mu", &s.mu), ("log_var", &s.log_var), ("z", &s.z), ("logits", &s.logits)]
    {
        add(tensor, ours.view().into_dyn());
    }
    add("log_prob", s.log_prob.view().into_dyn());
    add("log_ratio", s.log_ratio.view().into_dyn());

    let objectives = [
        ("sampled", AnyObjective::Sampled(SampledElbo::new(0.7, WarmUp::None))),
        ("iwae", AnyObjective::Iwae(Iwae::default())),
    ];
    for (objective, bound) in objectives {
        let mut d = model.zeros_like();
        let value = model.gradient(&bound, &mut w, &mut d).objective;
        add(&format!("{objective}.value"), ndarray::arr0(T::from_f64(value)).view().into_dyn());
        for (tensor, ours) in d.names().iter().zip(d.tensors()) {
            add(&format!("{objective}.grad.{tensor}"), ours);
        }
    }
    compared
}

/// M2's objective of three images without a label and two with one.
fn m2<T: Real>(trials: &mut Vec<Trial>, precision: &str, tolerance: f64) {
    let (golden, mut compared) = (Golden::of("m2", "m2.safetensors"), Compared::default());
    let rng = &mut random::rng(0, Purpose::Init, 0, 0);
    let (tanh, init) = (Activation::Tanh, Init::Glorot);
    let mut model = MlpM2::<T, _>::mlp_with(Bernoulli, [12, 3], &[7], 4, tanh, init, rng);
    for (tensor, mut ours) in model.names().iter().zip(model.tensors_mut()) {
        ours.assign(&golden.tensor(&format!("param.{tensor}")).mapv(T::from_f64));
    }
    let mut w = model.workspace(3, 2);
    (w.x, w.labels) = (cast(golden.matrix("x")), vec![2, 0]);
    MlpConditional::<T, Bernoulli>::signals(&mut w.rows).eps = cast(golden.matrix("eps"));
    let shares = Shares { unlabelled: 0.3, labelled: 0.2, classifier: 0.5 };
    let mut d = model.zeros_like();
    let value = model.gradient(&shares, &mut w, &mut d).objective;
    compared.add(&golden, "value", ndarray::arr0(T::from_f64(value)).view().into_dyn());
    for (tensor, ours) in d.names().iter().zip(d.tensors()) {
        compared.add(&golden, &format!("grad.{tensor}"), ours);
    }
    compared.judge(trials, format!("M2, {precision}: value and gradients"), tolerance);
}

/// The largest relative error so far, and where it is.
#[derive(Default)]
struct Compared {
    worst: f64,
    tensor: String,
    count: usize,
}

struct Golden {
    /// The model.
    name: &'static str,
    bytes: Vec<u8>,
}

impl Golden {
    fn read(name: &'static str) -> Self {
        Self::of(name, &format!("{name}.values.safetensors"))
    }

    fn of(name: &'static str, values: &str) -> Self {
        let bytes = std::fs::read(format!("tests/golden/{values}")).unwrap();
        Self { name, bytes }
    }

    fn model<T: Real>(&self) -> MlpVae<T> {
        let path = format!("tests/golden/{}.safetensors", self.name);
        let (recipe, model) = load_model::<f64>(Path::new(&path)).unwrap();
        let mut cast = recipe.mlp_vae::<T>();
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
    /// A test of what was compared.
    fn judge(self, trials: &mut Vec<Trial>, title: String, tolerance: f64) {
        let Compared { worst, tensor, count } = self;
        let verdict = move || match count > 0 && worst <= tolerance {
            true => Ok(()),
            false => Err(Failed::from(format!("{tensor} of {count} tensors: off by {worst:.1e}"))),
        };
        let title = format!("{title} agree with PyTorch");
        trials.push(Trial::test(title, verdict).with_kind(format!("{worst:.0e}")));
    }

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
    optimise::<T>(golden, &Settings::adam(0.01), |step, tensor, ours| {
        compared.add(golden, &format!("adam{step}.{tensor}"), ours);
    });
}

/// A hundred steps on the ELBO of the model's own batches; `compare` sees the weights on the way.
fn optimise<T: Real>(
    golden: &Golden,
    settings: &Settings,
    mut compare: impl FnMut(usize, &str, ArrayViewD<'_, T>),
) {
    let x = golden.tensor("steps.x").into_dimensionality::<Ix3>().unwrap();
    let eps = golden.tensor("steps.eps").into_dimensionality::<Ix3>().unwrap();
    let mut vae = golden.model::<T>();
    let mut w = vae.workspace(x.len_of(Axis(1)));
    let (mut d, mut optimiser) = (vae.zeros_like(), Optimiser::new(&vae, settings));
    let step = |values: &ndarray::Array3<f64>, t: usize| -> Array2<T> {
        let values = values.index_axis(Axis(0), t % values.len_of(Axis(0)));
        cast(values.into_dimensionality::<Ix2>().unwrap().to_owned())
    };
    for t in 0..100 {
        (w.signals.x, w.signals.eps) = (step(&x, t), step(&eps, t));
        vae.gradient(&Elbo, &mut w, &mut d);
        optimiser.step(&mut vae, &d);
        if STEPS.contains(&(t + 1)) {
            for (name, ours) in vae.names().iter().zip(vae.tensors()) {
                compare(t + 1, name, ours);
            }
        }
    }
}
