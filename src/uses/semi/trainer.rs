//! Training M2.

use super::{Examples, M2, M2Figures, M2Workspace, Shares};
use crate::{
    distributions::Likelihood,
    layers::Layer,
    models::{Conditional, Model},
    optim::Optimiser,
    parameters::Parameters,
    random::{self, Purpose},
    real::Real,
};
use elbo_kernels::team::team;

/// How M2 is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct M2Settings {
    /// Images without a label in each step.
    pub unlabelled: usize,
    /// Images with one in each step, no more than there are.
    pub labelled: usize,
    /// α of [`Shares::of`].
    pub alpha: f64,
    /// What the mean of F over the images with a label counts for, of which the sum over all images makes
    /// their share of them: with 100 of 60,000 labelled, 1/600. More of it teaches p(x|y, z) what a class looks
    /// like before the classifier knows, at the price of learning those images by heart.
    pub labelled_weight: Option<f64>,
    /// Of the order of the images and of the noise.
    pub seed: u64,
}

/// M2 in training: in an epoch each image without a label is seen once, and with every batch of them a batch of
/// those with a label, which come round as often as it takes.
pub struct M2Trainer<'a, T: Real, X, E: Layer<T>, D: Layer<T>, L: Likelihood<T>, Q: Layer<T>> {
    /// The model.
    pub model: M2<T, E, D, L, Q>,
    /// Its optimiser.
    pub optimiser: Optimiser<M2<T, E, D, L, Q>>,
    examples: &'a X,
    labels: &'a [u8],
    labelled: Vec<usize>,
    unlabelled: Vec<usize>,
    settings: M2Settings,
    gradient: M2<T, E, D, L, Q>,
    workspace: M2Workspace<T, E, D, Q>,
    epoch: u64,
}

impl<'a, T, X, E, D, L, Q> M2Trainer<'a, T, X, E, D, L, Q>
where
    T: Real,
    X: Examples<T>,
    E: Layer<T>,
    D: Layer<T>,
    L: Likelihood<T>,
    Q: Layer<T>,
{
    /// At the start of a run. Of all `examples`, one for each of `labels`, those at `labelled` are learned
    /// with their labels and the others without.
    ///
    /// # Panics
    ///
    /// If no image is left without a label, none has one, or a label is none of the model's classes.
    pub fn new(
        model: M2<T, E, D, L, Q>,
        optimiser: Optimiser<M2<T, E, D, L, Q>>,
        examples: &'a X,
        (labels, labelled): (&'a [u8], &[usize]),
        settings: M2Settings,
    ) -> Self {
        let mut has_label = vec![false; labels.len()];
        labelled.iter().for_each(|&n| has_label[n] = true);
        let unlabelled: Vec<usize> = (0..labels.len()).filter(|&n| !has_label[n]).collect();
        assert!(!unlabelled.is_empty() && !labelled.is_empty(), "images with a label and without");
        let settings = M2Settings {
            unlabelled: settings.unlabelled.min(unlabelled.len()),
            labelled: settings.labelled.min(labelled.len()),
            ..settings
        };
        Self {
            workspace: model.workspace(settings.unlabelled, settings.labelled),
            gradient: model.zeros_like(),
            model,
            optimiser,
            examples,
            labels,
            labelled: labelled.to_vec(),
            unlabelled,
            settings,
            epoch: 0,
        }
    }

    /// Steps of an epoch: its last images, too few for a batch, are left out, others in each epoch.
    pub fn steps(&self) -> usize {
        self.unlabelled.len() / self.settings.unlabelled
    }

    /// Runs an epoch, and returns the means of its figures; `after_step` is told how many steps are done.
    ///
    /// # Errors
    ///
    /// The step, from 1, after which J is no longer finite.
    pub fn epoch(&mut self, mut after_step: impl FnMut(usize) + Send) -> Result<M2Figures, usize> {
        self.epoch += 1;
        let (mut unlabelled, mut labelled) =
            (vec![0; self.unlabelled.len()], vec![0; self.labelled.len()]);
        random::shuffle(&mut unlabelled, self.settings.seed, 2 * self.epoch);
        random::shuffle(&mut labelled, self.settings.seed, 2 * self.epoch + 1);
        let mut totals = M2Figures::default();
        let steps = self.steps();
        team(|| {
            for step in 0..steps {
                let part = |order: &[usize], all: &[usize], size: usize| -> Vec<usize> {
                    (step * size..(step + 1) * size).map(|i| all[order[i % all.len()]]).collect()
                };
                let batch = [
                    part(&unlabelled, &self.unlabelled, self.settings.unlabelled),
                    part(&labelled, &self.labelled, self.settings.labelled),
                ];
                let figures = self.step(&batch);
                if !figures.objective.is_finite() {
                    return Err(step + 1);
                }
                totals.add(figures, 1.0 / steps as f64);
                after_step(step + 1);
            }
            Ok(totals)
        })
    }

    /// One batch, \[without labels, with labels\].
    fn step(&mut self, batch: &[Vec<usize>; 2]) -> M2Figures {
        let Self { settings, labels, epoch, .. } = self;
        let w = &mut self.workspace;
        let [unlabelled, labelled] = batch;
        let all: Vec<usize> = unlabelled.iter().chain(labelled).copied().collect();
        self.examples.gather(&all, *epoch, &mut w.x);
        for (label, &n) in w.labels.iter_mut().zip(labelled) {
            *label = usize::from(labels[n]);
        }
        // An image has the same noise in every class, so that classes are compared by what they say.
        let classes = self.model.conditional.classes;
        let rows: Vec<usize> =
            std::iter::repeat_n(unlabelled, classes).flatten().chain(labelled).copied().collect();
        let eps = &mut Conditional::<T, E, D, L>::signals(&mut w.rows).eps;
        let noise = rows.iter().copied();
        random::fill_normal(eps, settings.seed, Purpose::TrainNoise, *epoch, noise);
        let sizes = [unlabelled.len(), labelled.len()];
        let mut shares = Shares::of(labels.len(), self.labelled.len(), sizes, settings.alpha);
        if let Some(weight) = settings.labelled_weight {
            shares.labelled = weight / sizes[1] as f64;
        }
        let figures = self.model.gradient(&shares, w, &mut self.gradient);
        self.optimiser.step(&mut self.model, &self.gradient);
        figures
    }
}

impl M2Figures {
    fn add(&mut self, other: Self, share: f64) {
        self.objective += share * other.objective;
        self.unlabelled += share * other.unlabelled;
        self.labelled += share * other.labelled;
        self.log_q += share * other.log_q;
    }
}
