//! Early stopping: the best weights by images that are held out of training.

use crate::{
    data::View, evaluation::Evaluator, models::Model, objectives::AnyObjective, real::Real,
};

/// The weights of the epoch whose ELBO on the held-out images was the largest so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Best<M> {
    /// That epoch.
    pub epoch: u64,
    /// That ELBO, in nats per image.
    pub elbo: f64,
    /// Those weights.
    pub model: M,
}

/// Watches the ELBO on images that are held out, and says when it has not risen for too long.
pub struct EarlyStopping<'a, T: Real, M: Model<T>> {
    evaluator: Evaluator<'a, T, M>,
    /// Epochs without a better ELBO after which a run ends.
    patience: u64,
    /// Epochs that are not counted, as what is maximised still changes.
    warm_up: u64,
    /// The best so far.
    pub best: Option<Best<M>>,
}

impl<'a, T: Real, M: Model<T>> EarlyStopping<'a, T, M> {
    /// For models like this one and these held-out images. During the first `warm_up` epochs the
    /// latest weights count as the best.
    pub fn new(
        model: &M,
        held_out: View<'a>,
        patience: u64,
        warm_up: u64,
        best: Option<Best<M>>,
    ) -> Self {
        Self { evaluator: Evaluator::new(model, held_out), patience, warm_up, best }
    }

    /// Evaluates the weights after an epoch, keeps them if they are the best, and returns their ELBO.
    pub fn epoch(&mut self, model: &M, objective: &AnyObjective, seed: u64, epoch: u64) -> f64 {
        let elbo = self.evaluator.evaluate(model, objective, seed, epoch).elbo;
        let best = self.best.as_ref().map(|best| (best.epoch, best.elbo));
        if is_better(elbo, best, self.warm_up) {
            self.best = Some(Best { epoch, elbo, model: model.clone() });
        }
        elbo
    }

    /// Whether the run ends after this epoch.
    pub fn is_over(&self, epoch: u64) -> bool {
        let best = self.best.as_ref().map_or(0, |best| best.epoch);
        self.patience > 0 && epoch.saturating_sub(best) >= self.patience
    }
}

/// Whether weights of this ELBO take the place of the best so far, of that epoch and ELBO: they do in any case
/// where those are of an epoch before the end of warm-up.
fn is_better(elbo: f64, best: Option<(u64, f64)>, warm_up: u64) -> bool {
    best.is_none_or(|(epoch, best)| elbo > best || epoch < warm_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_warm_up_is_over_the_latest_weights_are_the_best_and_then_the_largest_elbo_counts() {
        let warm_up = 3;
        let elbos = [-5.0, -6.0, -9.0, -10.0, -8.0, -8.0];
        let mut best = None;
        let kept: Vec<u64> = (1..)
            .zip(elbos)
            .map(|(epoch, elbo)| {
                if is_better(elbo, best, warm_up) {
                    best = Some((epoch, elbo));
                }
                best.unwrap().0
            })
            .collect();
        assert_eq!(kept, [1, 2, 3, 3, 5, 5]);
    }
}
