//! One step of Adam, tensor by tensor.

use ndarray::{Array2, arr2};

use super::{Part, Step, forward::row, names::Place};
use crate::{layers::Dense, models::MlpVae, objectives::Figures, optim::Adam};

const ADAM: &str = "src/optim/adam.rs";

/// A tensor of a layer as a matrix.
type Tensor = fn(&Dense<f64>) -> Array2<f64>;

/// The steps of Adam's first step, and the model after it.
pub(super) fn update(
    model: &MlpVae<f64>,
    gradient: &MlpVae<f64>,
    learning_rate: f64,
) -> (Vec<Step>, MlpVae<f64>) {
    let mut adam = Adam::new(model, learning_rate);
    let mut moved = model.clone();
    adam.step(&mut moved, gradient);

    let tensors: [(&str, Tensor); 2] =
        [("weight", |layer| layer.weight.clone()), ("bias", |layer| row(&layer.bias))];
    let mut steps = vec![];
    for place in Place::all(model) {
        for (part, tensor) in tensors {
            let name = format!("{}.{part}", place.name());
            let [m, v, new, old] =
                [&adam.m, &adam.v, &moved, model].map(|model| tensor(place.of(model)));
            let step = |kind: &str, title: &str, equation: &str, from: Vec<String>, values| Step {
                name: format!("{kind}.{name}"),
                part: Part::Update,
                layer: place.name(),
                title: title.into(),
                equation: equation.into(),
                code: "Adam::step",
                file: ADAM,
                chapter: 9,
                from,
                values,
                check: None,
            };
            let gradient = || vec![format!("d_{name}")];
            let moments = vec![format!("m.{name}"), format!("v.{name}")];
            let moved = vec![name.clone(), format!("delta.{name}")];
            steps.extend([
                step("m", "the mean of the gradient", "m = β₁·0 + (1 - β₁) g", gradient(), m),
                step("v", "the mean of its square", "v = β₂·0 + (1 - β₂) g²", gradient(), v),
                step(
                    "delta",
                    "the step; the first is the learning rate against the sign",
                    "Δθ = -α m̂ / (√v̂ + ε)",
                    moments,
                    &new - &old,
                ),
                step("new", "the parameter after it", "θ + Δθ", moved, new),
            ]);
        }
    }
    (steps, moved)
}

/// The loss before and after the step, which all of `steps` lead to.
pub(super) fn after(steps: &[Step], before: Figures, after: Figures) -> Step {
    let parameters = steps.iter().map(|step| &step.name).filter(|name| name.starts_with("new."));
    let from = std::iter::once("loss".to_string()).chain(parameters.cloned()).collect();
    Step {
        name: "after".into(),
        part: Part::After,
        layer: "objective".into(),
        title: "L before the step, after it, and the difference".into(),
        equation: "L(θ), L(θ + Δθ), L(θ + Δθ) - L(θ)".into(),
        code: "Vae::evaluate",
        file: "src/models/vae.rs",
        chapter: 8,
        from,
        values: arr2(&[[-before.elbo, -after.elbo, before.elbo - after.elbo]]),
        check: None,
    }
}
