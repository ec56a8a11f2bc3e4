//! The weight of the divergence while training starts.

use serde::{Deserialize, Serialize};

/// How β comes to its full weight. Time is in epochs and runs on within each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WarmUp {
    /// It has it from the start.
    #[default]
    None,
    /// min(t / epochs, 1): in a straight line from 0 (Bowman et al. 2016; Sønderby et al. 2016).
    Linear {
        /// Until the weight is 1.
        epochs: u64,
    },
    /// min(τ / ramp, 1), with τ the part of the current period that is over: in each period the weight
    /// rises from 0 to 1 over a share `ramp` of it, and stays there (Fu et al. 2019, equation 6).
    Cyclic {
        /// Epochs of a period.
        period: u64,
        /// The share of it that the rise takes, in (0, 1].
        ramp: f64,
    },
}

impl WarmUp {
    /// The weight after `epochs`, whole ones and the part that is done of the next.
    pub fn weight(&self, epochs: f64) -> f64 {
        match *self {
            Self::None => 1.0,
            Self::Linear { epochs: all } => (epochs / all as f64).min(1.0),
            Self::Cyclic { period, ramp } => {
                let part = (epochs / period as f64).fract();
                (part / ramp).min(1.0)
            }
        }
    }

    /// The epochs until the weight is 1 for the first time, rounded up.
    pub fn epochs(&self) -> u64 {
        match *self {
            Self::None => 0,
            Self::Linear { epochs } => epochs,
            Self::Cyclic { period, ramp } => (period as f64 * ramp).ceil() as u64,
        }
    }

    /// What is wrong with the numbers, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = vec![];
        match *self {
            Self::None => {}
            Self::Linear { epochs } => {
                if epochs == 0 {
                    faults.push("warm_up: epochs is 0, and must be at least 1".into());
                }
            }
            Self::Cyclic { period, ramp } => {
                if period == 0 {
                    faults.push("warm_up: period is 0, and must be at least 1".into());
                }
                if !(ramp > 0.0 && ramp <= 1.0) {
                    faults.push(format!(
                        "warm_up: ramp is {ramp}, and must be above 0 and at most 1"
                    ));
                }
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_warm_up_rises_to_one_and_stays() {
        let warm_up = WarmUp::Linear { epochs: 4 };
        let weights = [0.0, 1.0, 2.5, 4.0, 99.0].map(|t| warm_up.weight(t));
        assert_eq!(weights, [0.0, 0.25, 0.625, 1.0, 1.0]);
        assert_eq!((warm_up.epochs(), WarmUp::None.epochs()), (4, 0));
        assert_eq!(WarmUp::None.weight(0.0), 1.0);
    }

    #[test]
    fn a_cyclic_warm_up_starts_again_with_each_period() {
        let warm_up = WarmUp::Cyclic { period: 10, ramp: 0.5 };
        let weights = [0.0, 2.5, 5.0, 9.5, 10.0, 12.5, 17.0].map(|t| warm_up.weight(t));
        assert_eq!(weights, [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0]);
        assert_eq!(warm_up.epochs(), 5);
    }

    #[test]
    fn every_number_out_of_range_is_named() {
        assert_eq!(WarmUp::Linear { epochs: 0 }.faults().len(), 1);
        for ramp in [0.0, -1.0, 1.5, f64::NAN] {
            assert_eq!(WarmUp::Cyclic { period: 0, ramp }.faults().len(), 2);
        }
        assert_eq!(WarmUp::Cyclic { period: 3, ramp: 1.0 }.faults(), [""; 0]);
    }
}
