//! The backward pass, one gradient at a time, each beside the numeric one.

use ndarray::{Array1, Array2, Axis};

use elbo_kernels::Output;

use super::{
    Fault, Part, Step, UnknownGradient,
    forward::{Forward, row},
    names::Place,
};
use crate::{
    distributions::{Likelihood, gaussian},
    gradcheck,
    layers::{Activation, Dense},
    models::MlpVae,
    parameters::Parameters,
};

/// The steps of the backward pass and the gradient that it arrives at, the fault included.
pub(super) fn backward(
    model: &MlpVae<f64>,
    forward: &Forward,
    fault: Option<&Fault>,
) -> Result<(Vec<Step>, MlpVae<f64>), UnknownGradient> {
    let mut walk = Walk { model, forward, fault, steps: vec![], gradient: model.zeros_like() };
    walk.all();
    let Walk { steps, gradient, .. } = walk;
    match fault {
        Some(fault) if !steps.iter().any(|step| step.name == fault.gradient) => {
            let gradients = steps.into_iter().map(|step| step.name).collect();
            Err(UnknownGradient { name: fault.gradient.clone(), gradients })
        }
        _ => Ok((steps, gradient)),
    }
}

struct Walk<'a> {
    model: &'a MlpVae<f64>,
    forward: &'a Forward,
    fault: Option<&'a Fault>,
    steps: Vec<Step>,
    gradient: MlpVae<f64>,
}

/// What is known of a gradient before its values.
struct Label<'a> {
    name: &'a str,
    layer: String,
    title: &'a str,
    equation: String,
    code: (&'static str, &'static str, u8),
    from: Vec<String>,
}

const DENSE: &str = "src/layers/dense.rs";
const GAUSSIAN: &str = "src/distributions/gaussian.rs";

impl Walk<'_> {
    /// From the loss to the first weight, in the order of `Vae::gradient`.
    fn all(&mut self) {
        let d_logits = self.likelihood();
        let [d_mu, d_log_var] = self.divergence();
        let d_z = self.decoder(d_logits);
        let [d_mu, d_log_var] = self.sample(&d_z, d_mu, d_log_var);
        self.encoder(&d_mu, &d_log_var);
    }

    fn value(&self, name: &str) -> &Array2<f64> {
        &self.forward.values[name]
    }

    /// ∂L/∂l.
    fn likelihood(&mut self) -> Array2<f64> {
        let (x, logits) = (self.value("x"), self.value("logits"));
        let (mut log_prob, mut d_logits) = (Array1::zeros(x.nrows()), logits.clone());
        let d_loss = 1.0 / x.nrows() as f64;
        self.model.likelihood.log_prob(x, logits, d_loss, &mut log_prob, &mut d_logits);
        let label = Label {
            name: "d_logits",
            layer: "objective".into(),
            title: "what the decoder said less what it should have said",
            equation: "∂L/∂l = (1/N) (sigmoid(l) - x)".into(),
            code: ("Bernoulli::log_prob", "src/distributions/bernoulli.rs", 7),
            from: vec!["logits".into(), "x".into(), "loss".into()],
        };
        self.signal(label, "logits", "loss", d_logits)
    }

    /// What the divergence alone says about μ and log σ².
    fn divergence(&mut self) -> [Array2<f64>; 2] {
        let (mu, log_var) = (self.value("mu"), self.value("log_var"));
        let (mut d_mu, mut d_log_var) = (mu.clone(), mu.clone());
        gaussian::kl_backward(mu, log_var, 1.0 / mu.nrows() as f64, &mut d_mu, &mut d_log_var);
        let label = |name, title, equation: &str, signal: &str| Label {
            name,
            layer: "objective".into(),
            title,
            equation: equation.into(),
            code: ("gaussian::kl_backward", GAUSSIAN, 3),
            from: vec![signal.into(), "mean_kl".into()],
        };
        let title = "the divergence pulls the mean towards 0";
        let at_mu = label("d_mu.kl", title, "∂KL/∂μ / N = μ / N", "mu");
        let title = "and the variance towards 1";
        let at_log_var =
            label("d_log_var.kl", title, "∂KL/∂log σ² / N = ½ (σ² - 1) / N", "log_var");
        [
            self.signal(at_mu, "mu", "mean_kl", d_mu),
            self.signal(at_log_var, "log_var", "mean_kl", d_log_var),
        ]
    }

    /// Through the decoder, from its logits to z.
    fn decoder(&mut self, d_logits: Array2<f64>) -> Array2<f64> {
        let hidden = self.model.decoder.hidden.layers.len();
        let x = output_of(hidden, Place::Decoder, "z");
        self.dense_parameters(Place::Output, &x, &d_logits, "d_logits");
        let d_h = self.dense_input(&[(Place::Output, &d_logits, "d_logits")], &x);
        let activation = self.model.decoder.hidden.activation;
        self.hidden(hidden, activation, Place::Decoder, "z", d_h)
    }

    /// Through z = μ + σ·ε, where it meets what the divergence put there.
    fn sample(
        &mut self,
        d_z: &Array2<f64>,
        kl_mu: Array2<f64>,
        kl_log_var: Array2<f64>,
    ) -> [Array2<f64>; 2] {
        let zeros = || Array2::zeros(d_z.dim());
        let (mut z_mu, mut z_log_var) = (zeros(), zeros());
        let [log_var, eps, sigma] = ["log_var", "eps", "sigma"].map(|name| self.value(name));
        gaussian::sample_backward(log_var, eps, sigma, d_z, &mut z_mu, &mut z_log_var);
        let label = |name, title, equation: &str, code, from: &[&str]| Label {
            name,
            layer: "sample".into(),
            title,
            equation: equation.into(),
            code,
            from: from.iter().map(|name| name.to_string()).collect(),
        };
        let code = ("gaussian::sample_backward", GAUSSIAN, 4);
        let title = "what reaches the mean through the sample";
        let at = label("d_mu.z", title, "∂L/∂z · ∂z/∂μ = ∂L/∂z", code, &["d_z"]);
        let z_mu = self.signal(at, "mu", "reconstruction", z_mu);
        let title = "what reaches the variance through the sample";
        let equation = "∂L/∂z · ∂z/∂log σ² = ∂L/∂z · ½ σ ε";
        let at = label("d_log_var.z", title, equation, code, &["d_z", "sigma", "eps"]);
        let z_log_var = self.signal(at, "log_var", "reconstruction", z_log_var);

        let code = ("Vae::gradient", "src/models/vae.rs", 8);
        let title = "both ways to the mean";
        let from = &["d_mu.z", "d_mu.kl"];
        let at = label("d_mu", title, "∂L/∂μ = through z + of the KL", code, from);
        let d_mu = self.signal(at, "mu", "loss", kl_mu + z_mu);
        let title = "both ways to the variance";
        let from = &["d_log_var.z", "d_log_var.kl"];
        let at = label("d_log_var", title, "∂L/∂log σ² = through z + of the KL", code, from);
        [d_mu, self.signal(at, "log_var", "loss", kl_log_var + z_log_var)]
    }

    /// Through both heads and the hidden layers of the encoder. Nothing asks for ∂L/∂x.
    fn encoder(&mut self, d_mu: &Array2<f64>, d_log_var: &Array2<f64>) {
        let hidden = self.model.encoder.hidden.layers.len();
        let x = output_of(hidden, Place::Encoder, "x");
        self.dense_parameters(Place::Mu, &x, d_mu, "d_mu");
        self.dense_parameters(Place::LogVar, &x, d_log_var, "d_log_var");
        if hidden > 0 {
            let heads = [(Place::Mu, d_mu, "d_mu"), (Place::LogVar, d_log_var, "d_log_var")];
            let d_h = self.dense_input(&heads, &x);
            let activation = self.model.encoder.hidden.activation;
            self.hidden(hidden, activation, Place::Encoder, "x", d_h);
        }
    }

    /// Through the hidden layers of a network, from the last to the first; returns the gradient at
    /// the network's input, unless that is the images.
    fn hidden(
        &mut self,
        layers: usize,
        activation: Activation,
        place: fn(usize) -> Place,
        input: &str,
        mut d_h: Array2<f64>,
    ) -> Array2<f64> {
        for i in (0..layers).rev() {
            let layer = place(i).name();
            let (h, a) = (format!("{layer}.h"), format!("{layer}.a"));
            let mut d_a = d_h.clone();
            activation.backward(self.value(&h), &mut d_a);
            let name = format!("d_{a}");
            let label = Label {
                name: &name,
                layer: layer.clone(),
                title: "back through the activation",
                equation: "∂L/∂a = ∂L/∂h · f′(a)".into(),
                code: ("Activation::backward", "src/layers/activations.rs", 6),
                from: vec![format!("d_{h}"), h],
            };
            let d_a = self.signal(label, &a, "loss", d_a);
            let before = output_of(i, place, input);
            self.dense_parameters(place(i), &before, &d_a, &name);
            if before == "x" {
                return d_a;
            }
            d_h = self.dense_input(&[(place(i), &d_a, &name)], &before);
        }
        d_h
    }

    /// ∂L/∂W and ∂L/∂b of one layer, from its input `x` and the gradient at its output.
    fn dense_parameters(&mut self, place: Place, x: &str, d_y: &Array2<f64>, d_y_name: &str) {
        let mut d = place.of(self.model).zeros_like();
        place.of(self.model).backward_parameters(self.value(x), d_y, &mut d);
        let (weight, bias) =
            (format!("d_{}.weight", place.name()), format!("d_{}.bias", place.name()));
        let label = |name, title, equation: &str, from| Label {
            name,
            layer: place.name(),
            title,
            equation: equation.into(),
            code: ("Dense::backward_parameters", DENSE, 5),
            from,
        };
        let from = vec![x.to_string(), d_y_name.to_string()];
        let at = label(&weight, "the gradient of a weight", "∂L/∂W = xᵀ·∂L/∂y", from);
        let d_weight = self.parameter(at, place, d.weight, |d| &mut d.weight);
        let from = vec![d_y_name.to_string()];
        let at = label(&bias, "the gradient of a bias", "∂L/∂b = Σₙ ∂L/∂yₙ", from);
        let d_bias = self.bias(at, place, &d.bias);
        let d = place.of_mut(&mut self.gradient);
        (d.weight, d.bias) = (d_weight, d_bias);
    }

    /// ∂L/∂x of the layers that read the signal `x`.
    fn dense_input(&mut self, readers: &[(Place, &Array2<f64>, &str)], x: &str) -> Array2<f64> {
        let mut d_x = Array2::zeros(self.value(x).dim());
        for (place, d_y, _) in readers {
            place.of(self.model).backward_input(d_y, Output::Accumulate, &mut d_x);
        }
        let name = format!("d_{x}");
        let both = readers.len() > 1;
        let equation = if both {
            "∂L/∂h = ∂L/∂μ·W_μᵀ + ∂L/∂log σ²·W_σᵀ"
        } else {
            "∂L/∂x = ∂L/∂y·Wᵀ"
        };
        let parameters = readers.iter().map(|(place, ..)| format!("{}.weight", place.name()));
        let arriving = readers.iter().map(|(.., d_y)| d_y.to_string());
        let label = Label {
            name: &name,
            layer: if both { "encoder.heads".into() } else { readers[0].0.name() },
            title: if both { "back through both heads" } else { "back through a dense layer" },
            equation: equation.into(),
            code: ("Dense::backward_input", DENSE, 5),
            from: arriving.chain(parameters).collect(),
        };
        self.signal(label, x, "loss", d_x)
    }

    /// Records the gradient of `term` at a signal; returns it with the fault, if it is this one's.
    ///
    /// Of the two terms `reconstruction` is the one whose negative is minimised.
    fn signal(
        &mut self,
        label: Label<'_>,
        signal: &str,
        term: &str,
        d: Array2<f64>,
    ) -> Array2<f64> {
        let sign = if term == "reconstruction" { -1.0 } else { 1.0 };
        let (model, forward) = (self.model, self.forward);
        let loss = move |x: &Array2<f64>| sign * forward.with_signal(model, signal, x, term);
        self.record(label, self.value(signal).clone(), d, loss)
    }

    /// Records the gradient of a weight.
    fn parameter(
        &mut self,
        label: Label<'_>,
        place: Place,
        d: Array2<f64>,
        weight: fn(&mut Dense<f64>) -> &mut Array2<f64>,
    ) -> Array2<f64> {
        let (mut moved, forward) = (self.model.clone(), self.forward);
        let value = weight(place.of_mut(&mut moved)).clone();
        self.record(label, value, d, move |x| {
            weight(place.of_mut(&mut moved)).assign(x);
            forward.with_model(&moved, "loss")
        })
    }

    /// Records the gradient of a bias.
    fn bias(&mut self, label: Label<'_>, place: Place, d: &Array1<f64>) -> Array1<f64> {
        let (mut moved, forward) = (self.model.clone(), self.forward);
        let value = row(&place.of(self.model).bias);
        let d = self.record(label, value, row(d), move |x| {
            place.of_mut(&mut moved).bias.assign(&x.row(0));
            forward.with_model(&moved, "loss")
        });
        d.index_axis_move(Axis(0), 0)
    }

    /// Spoils a gradient if the fault is its, holds it against the numeric one, and keeps both.
    fn record(
        &mut self,
        label: Label<'_>,
        at: Array2<f64>,
        mut d: Array2<f64>,
        loss: impl FnMut(&Array2<f64>) -> f64,
    ) -> Array2<f64> {
        if let Some(fault) = self.fault.filter(|fault| fault.gradient == label.name) {
            fault.kind.spoil(&mut d);
        }
        let check = gradcheck::input(label.name, &at, &d, loss);
        let (code, file, chapter) = label.code;
        self.steps.push(Step {
            name: label.name.into(),
            part: Part::Backward,
            layer: label.layer,
            title: label.title.into(),
            equation: label.equation,
            code,
            file,
            chapter,
            from: label.from,
            values: d.clone(),
            check: Some(check),
        });
        d
    }
}

/// The name of the signal that layer `i` of a network reads.
fn output_of(i: usize, place: fn(usize) -> Place, input: &str) -> String {
    match i.checked_sub(1) {
        Some(before) => format!("{}.h", place(before).name()),
        None => input.into(),
    }
}
