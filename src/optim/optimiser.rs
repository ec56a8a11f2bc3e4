//! An optimiser that is chosen when the program runs.

use serde::{Deserialize, Serialize};

use super::{Adam, Decay, Frozen, RmsProp, Sgd};
use crate::{
    parameters::{ModelPart, Parameters},
    real::Real,
};

/// Which optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Adam`], with weight decay as a penalty.
    #[default]
    Adam,
    /// [`Adam`] with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW,
    /// [`Sgd`].
    Sgd,
    /// [`RmsProp`].
    #[serde(rename = "rmsprop")]
    RmsProp,
}

/// An optimiser and its numbers. Those that it has no use for are not looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Which one.
    pub optimiser: Kind,
    /// α.
    pub learning_rate: f64,
    /// β₁ of Adam and AdamW.
    pub beta1: f64,
    /// β₂ of Adam and AdamW, ρ of RMSprop.
    pub beta2: f64,
    /// ε of Adam, AdamW and RMSprop.
    pub epsilon: f64,
    /// What v of Adam and AdamW starts at. Above 0 the first steps are small, and the correction of a
    /// start at 0 is one too many; the code of Burda, Grosse & Salakhutdinov 2015 does it so.
    pub second_moment: f64,
    /// μ of SGD.
    pub momentum: f64,
    /// λ.
    pub weight_decay: f64,
    /// The part of the model that it leaves alone.
    pub freeze: ModelPart,
}

impl Settings {
    /// Adam with its paper's numbers.
    pub fn adam(learning_rate: f64) -> Self {
        Self {
            optimiser: Kind::Adam,
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            second_moment: 0.0,
            momentum: 0.0,
            weight_decay: 0.0,
            freeze: ModelPart::None,
        }
    }

    /// The moments that it keeps of each parameter.
    pub fn moments(&self) -> usize {
        match self.optimiser {
            Kind::Adam | Kind::AdamW => 2,
            Kind::Sgd | Kind::RmsProp => 1,
        }
    }

    /// What is wrong with the numbers, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let below_one = [("beta1", self.beta1), ("beta2", self.beta2), ("momentum", self.momentum)];
        let below_one = below_one
            .into_iter()
            .filter(|(_, v)| !(0.0..1.0).contains(v))
            .map(|(name, v)| format!("{name} is {v}, and must be at least 0 and below 1"));
        let at_least = [
            ("learning_rate", self.learning_rate, MIN_LEARNING_RATE),
            ("epsilon", self.epsilon, MIN_EPSILON),
        ];
        let at_least = at_least
            .into_iter()
            .filter(|(_, v, least)| !(v.is_finite() && v >= least))
            .map(|(name, v, least)| {
                format!("{name} is {v:?}, and must be a number from {least:e} up")
            });
        let from_zero =
            [("second_moment", self.second_moment), ("weight_decay", self.weight_decay)];
        let from_zero = from_zero
            .into_iter()
            .filter(|(_, v)| !(v.is_finite() && *v >= 0.0))
            .map(|(name, v)| format!("{name} is {v}, and must be a number from 0 up"));
        at_least.chain(below_one).chain(from_zero).collect()
    }
}

/// The smallest learning rate: far below any use, and far above what f32 rounds to 0.
pub const MIN_LEARNING_RATE: f64 = 1e-12;

/// The smallest ε. The root of the smallest square that f32 holds is 1e-19, and ε must be far above it: where
/// v is rounded to 0 and m is not, m/(√v + ε) is to stay small.
pub const MIN_EPSILON: f64 = 1e-15;

/// Any of the optimisers: what a recipe names.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimiser<M> {
    /// Adam, or AdamW.
    Adam(Adam<M>),
    /// Gradient descent with momentum.
    Sgd(Sgd<M>),
    /// RMSprop.
    RmsProp(RmsProp<M>),
}

impl<M> Optimiser<M> {
    /// The optimiser of `model` before its first step.
    pub fn new<T: Real>(model: &M, settings: &Settings) -> Self
    where
        M: Parameters<T>,
    {
        let Settings { learning_rate, weight_decay, .. } = *settings;
        let adam = |decay| {
            let mut adam = Adam::new(model, learning_rate);
            (adam.beta1, adam.beta2) = (settings.beta1, settings.beta2);
            (adam.epsilon, adam.decay) = (settings.epsilon, decay);
            let start = T::from_f64(settings.second_moment);
            adam.v.tensors_mut().for_each(|mut v| v.fill(start));
            Self::Adam(adam)
        };
        let mut optimiser = match settings.optimiser {
            Kind::Adam => adam(Decay::Penalty(weight_decay)),
            Kind::AdamW => adam(Decay::Decoupled(weight_decay)),
            Kind::Sgd => {
                let sgd = Sgd::new(model, learning_rate, settings.momentum);
                Self::Sgd(Sgd { penalty: weight_decay, ..sgd })
            }
            Kind::RmsProp => {
                let (rho, epsilon, penalty) = (settings.beta2, settings.epsilon, weight_decay);
                let rmsprop = RmsProp::new(model, learning_rate);
                Self::RmsProp(RmsProp { rho, epsilon, penalty, ..rmsprop })
            }
        };
        optimiser.freeze(Frozen::new(model, |name| settings.freeze.has(name)));
        optimiser
    }

    /// Leaves these tensors alone from now on, and no others.
    pub fn freeze(&mut self, frozen: Frozen) {
        match self {
            Self::Adam(adam) => adam.frozen = frozen,
            Self::Sgd(sgd) => sgd.frozen = frozen,
            Self::RmsProp(rmsprop) => rmsprop.frozen = frozen,
        }
    }

    /// What it leaves alone.
    pub fn frozen(&self) -> &Frozen {
        match self {
            Self::Adam(adam) => &adam.frozen,
            Self::Sgd(sgd) => &sgd.frozen,
            Self::RmsProp(rmsprop) => &rmsprop.frozen,
        }
    }

    /// One step of `model` against the gradient `d`.
    pub fn step<T: Real>(&mut self, model: &mut M, d: &M)
    where
        M: Parameters<T>,
    {
        match self {
            Self::Adam(adam) => adam.step(model, d),
            Self::Sgd(sgd) => sgd.step(model, d),
            Self::RmsProp(rmsprop) => rmsprop.step(model, d),
        }
    }

    /// α.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(adam) => adam.learning_rate,
            Self::Sgd(sgd) => sgd.learning_rate,
            Self::RmsProp(rmsprop) => rmsprop.learning_rate,
        }
    }

    /// Another α, from the next step on.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        match self {
            Self::Adam(adam) => adam.learning_rate = learning_rate,
            Self::Sgd(sgd) => sgd.learning_rate = learning_rate,
            Self::RmsProp(rmsprop) => rmsprop.learning_rate = learning_rate,
        }
    }

    /// The steps taken so far.
    pub fn steps(&self) -> u64 {
        match self {
            Self::Adam(adam) => adam.step,
            Self::Sgd(sgd) => sgd.step,
            Self::RmsProp(rmsprop) => rmsprop.step,
        }
    }

    /// Goes on as after so many steps: with the moments, what a checkpoint restores.
    pub fn set_steps(&mut self, steps: u64) {
        match self {
            Self::Adam(adam) => adam.step = steps,
            Self::Sgd(sgd) => sgd.step = steps,
            Self::RmsProp(rmsprop) => rmsprop.step = steps,
        }
    }

    /// The moments, each with what stands before its tensors' names in a checkpoint.
    pub fn state(&self) -> impl Iterator<Item = (&'static str, &M)> {
        let moments = match self {
            Self::Adam(Adam { m, v, .. }) => [Some(("adam.m.", m)), Some(("adam.v.", v))],
            Self::Sgd(Sgd { b, .. }) => [Some(("sgd.b.", b)), None],
            Self::RmsProp(RmsProp { v, .. }) => [Some(("rmsprop.v.", v)), None],
        };
        moments.into_iter().flatten()
    }

    /// The same, to write.
    pub fn state_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut M)> {
        let moments = match self {
            Self::Adam(Adam { m, v, .. }) => [Some(("adam.m.", m)), Some(("adam.v.", v))],
            Self::Sgd(Sgd { b, .. }) => [Some(("sgd.b.", b)), None],
            Self::RmsProp(RmsProp { v, .. }) => [Some(("rmsprop.v.", v)), None],
        };
        moments.into_iter().flatten()
    }
}
