//! Tensors that training leaves alone.

use crate::{parameters::Parameters, real::Real};

/// Which tensors of a model an optimiser leaves as they are, bit for bit.
///
/// A gradient of zero would not do: weight decay pulls at a parameter without one, and Adam's first moment
/// moves it on for a while. So a step passes over these tensors and their moments, whatever their gradient
/// is, and that does not count in the norm by which the others are [clipped](super::clip_norm).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen(Vec<bool>);

impl Frozen {
    /// The tensors of `model` whose names are chosen.
    pub fn new<T: Real>(model: &impl Parameters<T>, is_chosen: impl Fn(&str) -> bool) -> Self {
        Self(model.names().iter().map(|name| is_chosen(name)).collect())
    }

    /// Those of one item for each tensor, in their order, that are not frozen.
    pub(crate) fn rest<'a, I>(
        &'a self,
        tensors: impl Iterator<Item = I> + 'a,
    ) -> impl Iterator<Item = I> + 'a {
        let frozen = self.0.iter().copied().chain(std::iter::repeat(false));
        tensors.zip(frozen).filter(|(_, frozen)| !frozen).map(|(item, _)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        layers::{Dense, Init},
        optim::{Kind, Optimiser, Settings},
        random::{self, Purpose},
    };

    #[test]
    fn what_is_frozen_stays_with_its_moments_and_the_rest_moves() {
        let kinds = [Kind::Adam, Kind::AdamW, Kind::Sgd, Kind::RmsProp];
        for (optimiser, name) in
            kinds.into_iter().flat_map(|kind| [(kind, "weight"), (kind, "bias")])
        {
            let rng = &mut random::rng(0, Purpose::Init, 0, 0);
            let start = Dense::<f64>::new(3, 2, Init::Pytorch, rng);
            let (mut layer, d) = (start.clone(), Dense::new(3, 2, Init::Pytorch, rng));
            let settings = Settings { optimiser, weight_decay: 0.1, ..Settings::adam(0.1) };
            let mut optimiser = Optimiser::new(&layer, &settings);
            optimiser.freeze(Frozen::new(&layer, |n| n == name));
            let fresh = optimiser.clone();
            for _ in 0..3 {
                optimiser.step(&mut layer, &d);
            }
            assert_eq!(
                (layer.weight == start.weight, layer.bias == start.bias),
                (name == "weight", name == "bias")
            );
            for ((_, moment), (_, fresh)) in optimiser.state().zip(fresh.state()) {
                let same = (moment.weight == fresh.weight, moment.bias == fresh.bias);
                assert_eq!(same, (name == "weight", name == "bias"));
            }
        }
    }
}
