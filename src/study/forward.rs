//! The forward pass as a list of operations, so that it can be taken up again from any of them.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, arr2};

use super::{Part, Setup, Step, names::Place};
use crate::{
    distributions::{Likelihood, gaussian},
    layers::Layer,
    models::MlpVae,
    objectives::Figures,
};

/// Signals by name.
pub(super) type Values = BTreeMap<String, Array2<f64>>;

/// One operation: what it computes, from what, and how.
struct Op {
    name: String,
    part: Part,
    layer: String,
    title: String,
    equation: String,
    code: &'static str,
    file: &'static str,
    chapter: u8,
    from: Vec<String>,
    run: Run,
}

/// From a model and the signals before it to a signal.
type Run = Box<dyn Fn(&MlpVae<f64>, &Values) -> Array2<f64>>;

/// The forward pass of one batch, with all that it computed.
pub(super) struct Forward {
    ops: Vec<Op>,
    /// Every signal, the images `x` and the noise `eps` included.
    pub(super) values: Values,
}

/// The forward pass of `model` as `setup` has it.
pub(super) fn forward(model: &MlpVae<f64>, setup: &Setup) -> Forward {
    let mut ops = vec![];
    let features = hidden(&mut ops, model, "encoder", "x");
    dense(&mut ops, Place::Mu, "the posterior's mean", &features, "mu");
    dense(&mut ops, Place::LogVar, "the logarithm of its variance", &features, "log_var");
    sample(&mut ops);
    let features = hidden(&mut ops, model, "decoder", "z");
    dense(&mut ops, Place::Output, "the logits of the pixels", &features, "logits");
    objective(&mut ops);

    let inputs = [("x".to_string(), setup.x.clone()), ("eps".to_string(), setup.eps())];
    let mut forward = Forward { ops, values: inputs.into() };
    forward.values = forward.from(0, model, forward.values.clone());
    forward
}

impl Forward {
    /// All signals, those from operation `first` on computed anew.
    fn from(&self, first: usize, model: &MlpVae<f64>, mut values: Values) -> Values {
        for op in &self.ops[first..] {
            let value = (op.run)(model, &values);
            values.insert(op.name.clone(), value);
        }
        values
    }

    /// What `term`, such as `loss`, is for another model.
    pub(super) fn with_model(&self, model: &MlpVae<f64>, term: &str) -> f64 {
        self.from(0, model, self.values.clone())[term][[0, 0]]
    }

    /// What `term` is with another value of one signal, everything after it computed anew.
    pub(super) fn with_signal(
        &self,
        model: &MlpVae<f64>,
        signal: &str,
        value: &Array2<f64>,
        term: &str,
    ) -> f64 {
        let next = self.ops.iter().position(|op| op.name == signal).map_or(0, |op| op + 1);
        let mut values = self.values.clone();
        values.insert(signal.into(), value.clone());
        self.from(next, model, values)[term][[0, 0]]
    }

    /// The objective of a model on this batch and noise.
    pub(super) fn figures(&self, model: &MlpVae<f64>) -> Figures {
        let values = self.from(0, model, self.values.clone());
        let [reconstruction, kl] = ["reconstruction", "mean_kl"].map(|term| values[term][[0, 0]]);
        let elbo = reconstruction - kl;
        Figures { objective: elbo, elbo, reconstruction, kl }
    }

    /// Every signal as a step of the study, the inputs first.
    pub(super) fn steps(&self, model: &MlpVae<f64>) -> Vec<Step> {
        let inputs = [
            ("x", "the images", "x, pixels in [0, 1]", "Images::gather", "src/data/batches.rs"),
            ("eps", "the noise", "ε ~ N(0, I)", "random::fill_normal", "src/random.rs"),
        ];
        let inputs = inputs.map(|(name, title, equation, code, file)| Step {
            name: name.into(),
            part: Part::Forward,
            layer: "input".into(),
            title: title.into(),
            equation: equation.into(),
            code,
            file,
            chapter: if name == "x" { 1 } else { 4 },
            from: vec![],
            values: self.values[name].clone(),
            check: None,
        });
        let parameters = Place::all(model).into_iter().flat_map(|place| parameters(place, model));
        let ops = self.ops.iter().map(|op| Step {
            name: op.name.clone(),
            part: op.part,
            layer: op.layer.clone(),
            title: op.title.clone(),
            equation: op.equation.clone(),
            code: op.code,
            file: op.file,
            chapter: op.chapter,
            from: op.from.clone(),
            values: self.values[&op.name].clone(),
            check: None,
        });
        let mut steps: Vec<Step> = inputs.into_iter().collect();
        // The parameters of a layer come just before it is first used.
        let mut parameters: Vec<Step> = parameters.collect();
        for op in ops {
            let (own, others) = parameters.into_iter().partition(|p| p.layer == op.layer);
            parameters = others;
            steps.extend::<Vec<Step>>(own);
            steps.push(op);
        }
        steps
    }
}

/// The weight and the bias of a layer, before the step.
fn parameters(place: Place, model: &MlpVae<f64>) -> [Step; 2] {
    let layer = place.of(model);
    let step = |name: &str, title: &str, equation: &str, values| Step {
        name: format!("{}.{name}", place.name()),
        part: Part::Forward,
        layer: place.name(),
        title: title.into(),
        equation: equation.into(),
        code: "Init::draw",
        file: "src/layers/init.rs",
        chapter: 6,
        from: vec![],
        values,
        check: None,
    };
    let (inputs, _) = layer.weight.dim();
    let equation = format!("W ~ U(-a, a), a = 1/√{inputs}");
    [
        step("weight", "a weight, (inputs, outputs)", &equation, layer.weight.clone()),
        step("bias", "a bias", &equation.replace('W', "b"), row(&layer.bias)),
    ]
}

/// A vector as a row.
pub(super) fn row(vector: &Array1<f64>) -> Array2<f64> {
    vector.clone().insert_axis(ndarray::Axis(0))
}

/// y = x·W + b.
fn dense(ops: &mut Vec<Op>, place: Place, title: &str, x: &str, y: &str) {
    let (input, layer) = (x.to_string(), place.name());
    ops.push(Op {
        name: y.into(),
        part: Part::Forward,
        title: title.into(),
        equation: format!("{y} = {x}·W + b"),
        code: "Dense::forward",
        file: "src/layers/dense.rs",
        chapter: 5,
        from: vec![x.into(), format!("{layer}.weight"), format!("{layer}.bias")],
        layer,
        run: Box::new(move |model, values| {
            let (x, layer) = (&values[&input], place.of(model));
            let mut y = Array2::zeros((x.nrows(), layer.outputs()));
            layer.forward(x, &mut y, &mut ());
            y
        }),
    });
}

/// The hidden layers of the encoder or of the decoder; returns the name of the last signal.
fn hidden(ops: &mut Vec<Op>, model: &MlpVae<f64>, network: &str, input: &str) -> String {
    let (body, place): (_, fn(usize) -> Place) = match network {
        "encoder" => (&model.encoder.hidden, Place::Encoder),
        _ => (&model.decoder.hidden, Place::Decoder),
    };
    let mut input = input.to_string();
    for i in 0..body.layers.len() {
        let layer = place(i).name();
        let (a, h) = (format!("{layer}.a"), format!("{layer}.h"));
        dense(ops, place(i), "a hidden layer before its activation", &input, &a);
        let (activation, before) = (body.activation, a.clone());
        let f = format!("{activation:?}").to_lowercase();
        ops.push(Op {
            name: h.clone(),
            part: Part::Forward,
            layer,
            title: "a hidden layer".into(),
            equation: format!("{h} = {f}({a})"),
            code: "Activation::forward",
            file: "src/layers/activations.rs",
            chapter: 6,
            from: vec![a],
            run: Box::new(move |_, values| {
                let mut h = values[&before].clone();
                activation.forward(&mut h);
                h
            }),
        });
        input = h;
    }
    input
}

/// An operation of the sample or of the objective.
fn op(
    (name, part, layer, title): (&str, Part, &str, &str),
    equation: &str,
    (code, file, chapter): (&'static str, &'static str, u8),
    from: &[&str],
    run: impl Fn(&MlpVae<f64>, &Values) -> Array2<f64> + 'static,
) -> Op {
    Op {
        name: name.into(),
        part,
        layer: layer.into(),
        title: title.into(),
        equation: equation.into(),
        code,
        file,
        chapter,
        from: from.iter().map(|name| name.to_string()).collect(),
        run: Box::new(run),
    }
}

/// z = μ + σ·ε.
fn sample(ops: &mut Vec<Op>) {
    fn draw(values: &Values, mu: &Array2<f64>) -> [Array2<f64>; 2] {
        let (mut sigma, mut z) = (mu.clone(), mu.clone());
        gaussian::sample(mu, &values["log_var"], &values["eps"], &mut sigma, &mut z);
        [sigma, z]
    }
    let code = ("gaussian::sample", "src/distributions/gaussian.rs", 4);
    ops.push(op(
        ("sigma", Part::Forward, "sample", "the posterior's standard deviation"),
        "σ = exp(log_var / 2)",
        code,
        &["log_var"],
        |_, values| draw(values, &values["mu"])[0].clone(),
    ));
    ops.push(op(
        ("z", Part::Forward, "sample", "the latent sample"),
        "z = μ + σ·ε",
        code,
        &["mu", "sigma", "eps"],
        |_, values| draw(values, &values["mu"])[1].clone(),
    ));
}

/// The two terms of the ELBO, their means over the batch, and the loss.
fn objective(ops: &mut Vec<Op>) {
    let elbo = ("Elbo::evaluate", "src/objectives/elbo.rs", 2);
    ops.push(op(
        ("log_prob", Part::Loss, "objective", "the reconstruction term of each image"),
        "log p(x|z) = -Σⱼ [max(lⱼ, 0) - xⱼ lⱼ + ln(1 + e^(-|lⱼ|))]",
        ("Bernoulli::log_prob", "src/distributions/bernoulli.rs", 7),
        &["x", "logits"],
        |model, values| {
            let (x, logits) = (&values["x"], &values["logits"]);
            let (mut log_prob, mut d_logits) = (Array1::zeros(x.nrows()), logits.clone());
            model.likelihood.log_prob(x, logits, 1.0, &mut log_prob, &mut d_logits);
            log_prob.insert_axis(ndarray::Axis(1))
        },
    ));
    ops.push(op(
        ("kl", Part::Loss, "objective", "the divergence of each image and dimension"),
        "KL = ½ (μ² + σ² - 1 - log σ²)",
        ("gaussian::kl", "src/distributions/gaussian.rs", 3),
        &["mu", "log_var"],
        |_, values| {
            let mut kl = values["mu"].clone();
            gaussian::kl(&values["mu"], &values["log_var"], &mut kl);
            kl
        },
    ));
    let means = [
        ("reconstruction", "log_prob", "(1/N) Σₙ log p(xₙ|zₙ)"),
        ("mean_kl", "kl", "(1/N) Σₙ Σⱼ KLₙⱼ"),
    ];
    for (name, term, equation) in means {
        ops.push(op(
            (name, Part::Loss, "objective", "its mean over the images, in nats"),
            equation,
            elbo,
            &[term],
            move |_, values| arr2(&[[values[term].sum() / values["x"].nrows() as f64]]),
        ));
    }
    ops.push(op(
        ("loss", Part::Loss, "objective", "what is minimised"),
        "L = -ELBO = mean KL - reconstruction",
        elbo,
        &["reconstruction", "mean_kl"],
        |_, values| &values["mean_kl"] - &values["reconstruction"],
    ));
}
