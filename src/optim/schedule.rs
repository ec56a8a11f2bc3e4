//! How the learning rate changes from epoch to epoch.

use serde::{Deserialize, Serialize};

use super::optimiser::MIN_LEARNING_RATE;

/// The learning rate of each epoch t = 1, 2, .. of T, from the recipe's α.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// α.
    #[default]
    Constant,
    /// α · factor^⌊(t-1)/every⌋.
    Step {
        /// Epochs between two changes.
        every: u64,
        /// What each multiplies α by.
        factor: f64,
    },
    /// α · factor^(how many of `at` are below t): a change after each of these epochs.
    Milestones {
        /// Epochs, rising.
        at: Vec<u64>,
        /// What each multiplies α by.
        factor: f64,
    },
    /// α · factor^(t-1).
    Exponential {
        /// What every epoch multiplies α by.
        factor: f64,
    },
    /// to + ½ (α - to) (1 + cos(π (t-1)/T)): half a wave, from α towards `to` (Loshchilov & Hutter
    /// 2017, equation 5, without restarts).
    Cosine {
        /// What the learning rate tends to.
        to: f64,
    },
    /// Each stage's own, one after the other; α is not looked at.
    Stages(Vec<Stage>),
    /// Stages i = 0, 1, .. of ratioⁱ epochs, each with its own learning rate; α is not looked at.
    /// With the ratio 3, eight stages take 3280 epochs (Burda, Grosse & Salakhutdinov 2015, section 5).
    Growing {
        /// How many times as long as the one before a stage is.
        ratio: u64,
        /// One for each stage.
        learning_rates: Vec<f64>,
    },
}

/// Some epochs of one learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How many.
    pub epochs: u64,
    /// α.
    pub learning_rate: f64,
}

impl Schedule {
    /// The learning rate of an epoch, from 1, of a run of `epochs`.
    pub fn learning_rate(&self, base: f64, epoch: u64, epochs: u64) -> f64 {
        let done = epoch.saturating_sub(1);
        match self {
            Self::Constant => base,
            Self::Step { every, factor } => base * power(*factor, done / every),
            Self::Milestones { at, factor } => {
                let passed = at.iter().filter(|&&at| at < epoch).count();
                base * power(*factor, passed as u64)
            }
            Self::Exponential { factor } => base * power(*factor, done),
            Self::Cosine { to } => {
                let share = done as f64 / epochs as f64;
                to + 0.5 * (base - to) * (1.0 + (std::f64::consts::PI * share).cos())
            }
            Self::Stages(stages) => {
                let mut end = 0_u64;
                let stage = stages.iter().find(|stage| {
                    end = end.saturating_add(stage.epochs);
                    epoch <= end
                });
                stage.map_or(f64::NAN, |stage| stage.learning_rate)
            }
            Self::Growing { ratio, learning_rates } => {
                let mut ends = growing_ends(*ratio, learning_rates.len());
                let stage = ends.position(|end| epoch <= end);
                stage.map_or(f64::NAN, |stage| learning_rates[stage])
            }
        }
    }

    /// What is wrong with the schedule of a run of `epochs`, one sentence each.
    pub fn faults(&self, epochs: u64) -> Vec<String> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let is_rate = |v: f64| v.is_finite() && v >= MIN_LEARNING_RATE;
        let mut faults = vec![];
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(format!("schedule: {fault}"));
            }
        };
        match self {
            Self::Constant | Self::Growing { .. } => {}
            Self::Step { factor, .. }
            | Self::Milestones { factor, .. }
            | Self::Exponential { factor } => {
                demand(positive(*factor), format!("factor is {factor}, and must be positive"));
            }
            Self::Cosine { to } => {
                demand(
                    to.is_finite() && *to >= 0.0,
                    format!("cosine goes to {to}, which must be a number from 0 up"),
                );
            }
            Self::Stages(stages) => {
                let end = stages.iter().fold(0_u64, |end, stage| end.saturating_add(stage.epochs));
                demand(
                    end >= epochs,
                    format!("its stages end after epoch {end}, but the run has {epochs}"),
                );
                for (i, Stage { epochs, learning_rate }) in stages.iter().enumerate() {
                    let stage = i + 1;
                    demand(*epochs > 0, format!("stage {stage} has no epochs"));
                    demand(
                        is_rate(*learning_rate),
                        format!(
                            "stage {stage} has the learning_rate {learning_rate:?}, which must be at \
                             least {MIN_LEARNING_RATE:e}"
                        ),
                    );
                }
            }
        }
        if let Self::Growing { ratio, learning_rates } = self {
            let end = growing_ends(*ratio, learning_rates.len()).last().unwrap_or(0);
            demand(*ratio > 0, "ratio is 0, and must be at least 1".into());
            demand(
                end >= epochs,
                format!("its stages end after epoch {end}, but the run has {epochs}"),
            );
            demand(
                learning_rates.iter().all(|&rate| is_rate(rate)),
                format!(
                    "learning_rates are {learning_rates:?}, and must be at least {MIN_LEARNING_RATE:e}"
                ),
            );
        }
        if let Self::Step { every, .. } = self {
            demand(*every > 0, "every is 0, and must be at least 1".into());
        }
        if let Self::Milestones { at, .. } = self {
            let rising = at.windows(2).all(|pair| pair[0] < pair[1]);
            demand(rising, format!("at is {at:?}, and must rise"));
        }
        faults
    }
}

/// The last epoch of each of so many stages that grow.
fn growing_ends(ratio: u64, stages: usize) -> impl Iterator<Item = u64> {
    (0..stages).scan(0_u64, move |end, stage| {
        *end = end.saturating_add(ratio.saturating_pow(stage as u32));
        Some(*end)
    })
}

/// factorⁿ by repeated squaring, in one order of rounding everywhere; `f64::powi` promises none.
pub(super) fn power(factor: f64, n: u64) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, factor, n);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, epochs: u64) -> Vec<f64> {
        (1..=epochs).map(|epoch| schedule.learning_rate(0.1, epoch, epochs)).collect()
    }

    fn assert_rates(schedule: Schedule, expected: &[f64]) {
        let ours = rates(schedule.clone(), expected.len() as u64);
        for (ours, expected) in ours.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-15, "{schedule:?}: {ours} {expected}");
        }
    }

    /// The expected values are PyTorch 2.15's: `StepLR(2, 0.5)`, `MultiStepLR([2, 4], 0.1)`,
    /// `ExponentialLR(0.9)` and `CosineAnnealingLR(4, 0.02)` on a learning rate of 0.1.
    #[test]
    fn every_schedule_is_pytorch_s_of_that_name() {
        assert_rates(Schedule::Constant, &[0.1; 3]);
        assert_rates(Schedule::Step { every: 2, factor: 0.5 }, &[0.1, 0.1, 0.05, 0.05, 0.025]);
        let milestones = Schedule::Milestones { at: vec![2, 4], factor: 0.1 };
        assert_rates(milestones, &[0.1, 0.1, 0.01, 0.01, 0.001]);
        assert_rates(Schedule::Exponential { factor: 0.9 }, &[0.1, 0.09, 0.081, 0.0729]);
        let cosine = [0.1, 0.088_284_271_247_461_9, 0.06, 0.031_715_728_752_538_1];
        assert_rates(Schedule::Cosine { to: 0.02 }, &cosine);
    }

    #[test]
    fn stages_follow_each_other_to_the_last_epoch() {
        let stage = |epochs, learning_rate| Stage { epochs, learning_rate };
        let stages = Schedule::Stages(vec![stage(1, 0.3), stage(2, 0.2), stage(3, 0.1)]);
        assert_rates(stages.clone(), &[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]);
        assert_eq!(stages.faults(6), [""; 0]);
        assert_eq!(stages.faults(7), ["schedule: its stages end after epoch 6, but the run has 7"]);
    }

    #[test]
    fn growing_stages_are_each_a_ratio_longer_than_the_one_before() {
        let growing = |ratio, stages: usize| Schedule::Growing {
            ratio,
            learning_rates: (0..stages).map(|i| 1.0 / (i + 1) as f64).collect(),
        };
        assert_rates(growing(2, 3), &[1.0, 0.5, 0.5, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
        assert_eq!((growing(3, 8).faults(3280), growing(3, 8).faults(3281).len()), (vec![], 1));
        assert_eq!(growing(0, 2).faults(1).len(), 1);
        assert_eq!(growing(u64::MAX, 99).faults(u64::MAX), [""; 0]);
    }

    #[test]
    fn every_hole_in_a_schedule_is_named() {
        let faults = |schedule: Schedule| schedule.faults(5).len();
        assert_eq!(faults(Schedule::Step { every: 0, factor: -1.0 }), 2);
        assert_eq!(faults(Schedule::Milestones { at: vec![3, 3], factor: 0.1 }), 1);
        assert_eq!(faults(Schedule::Exponential { factor: f64::NAN }), 1);
        assert_eq!(faults(Schedule::Cosine { to: -1e-3 }), 1);
        let stage = Stage { epochs: 0, learning_rate: 0.0 };
        assert_eq!(faults(Schedule::Stages(vec![stage])), 3);
    }

    #[test]
    fn powers_are_those_of_repeated_multiplication() {
        let mut expected = 1.0;
        for t in 0..5000 {
            assert!((power(0.999, t) / expected - 1.0f64).abs() < 1e-12, "{t}");
            expected *= 0.999;
        }
        assert_eq!(power(0.9, u64::MAX), 0.0);
    }
}
