//! How passes are split over threads.

use std::iter;

use crate::isa::{Isa, Kernel};
use crate::team::{part_count, share};

/// A pass over some units (elements, rows or columns) that don't depend on each other.
pub(crate) trait Pass: Kernel<Output = ()> + Send + Sized {
    /// Parts are of a multiple of so many units, but for the last. Where units are elements, 16
    /// make whole vectors and whole cache lines.
    const GRAIN: usize = 16;

    /// The number of units.
    fn units(&self) -> usize;

    /// The first `mid` units, and the others.
    fn split_at(self, mid: usize) -> (Self, Self);
}

/// Runs `pass` on the active instruction set, in parts of about `task` units or more on the
/// threads of the team or pool if there are at least two such parts.
pub(crate) fn dispatch<P: Pass>(pass: P, task: usize) {
    let isa = Isa::active();
    let units = pass.units();
    let parts = part_count(units, task);
    if parts == 1 {
        return isa.run(pass);
    }
    let size = units.div_ceil(parts).next_multiple_of(P::GRAIN);
    let mut rest = Some(pass);
    let next_part = || {
        let pass = rest.take()?;
        if pass.units() <= size {
            return Some(pass);
        }
        let (part, others) = pass.split_at(size);
        rest = Some(others);
        Some(part)
    };
    share(iter::from_fn(next_part), |part| isa.run(part));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::sum;
    use crate::team::tests::in_team;

    /// The integers from `first` on, as many as `counts`: every unit must be passed once.
    struct Count<'a> {
        first: usize,
        counts: &'a mut [usize],
    }

    impl Kernel for Count<'_> {
        type Output = ();

        #[inline(always)]
        fn run(self) {
            for (i, count) in self.counts.iter_mut().enumerate() {
                *count += self.first + i;
            }
        }
    }

    impl Pass for Count<'_> {
        fn units(&self) -> usize {
            self.counts.len()
        }

        fn split_at(self, mid: usize) -> (Self, Self) {
            assert!(mid.is_multiple_of(Self::GRAIN));
            let (counts, others) = self.counts.split_at_mut(mid);
            (Self { counts, ..self }, Self { first: self.first + mid, counts: others })
        }
    }

    /// Teams larger than this machine: `team` itself would not make them.
    const SIZES: [usize; 4] = [2, 3, 8, 70];

    #[test]
    fn a_pass_meets_every_unit_once_in_teams_of_any_size() {
        for size in SIZES {
            in_team(size, || {
                for units in [0, 1, 19, 20, 59, 60, 100, 640, 5003] {
                    let mut counts = vec![0; units];
                    dispatch(Count { first: 0, counts: &mut counts }, 10);
                    assert!(counts.into_iter().eq(0..units), "{units} units");
                }
            });
        }
    }

    #[test]
    fn a_sum_follows_the_same_tree_in_teams_of_any_size() {
        for len in [65_536, 65_537, 300_001, 2_500_000] {
            let x: Vec<f32> = (0..len).map(|i: usize| (i * 7919 % 10_007) as f32 / 7.0).collect();
            let alone = sum(&x);
            for size in SIZES {
                assert_eq!(in_team(size, || sum(&x)), alone, "{len} elements, {size} threads");
            }
        }
    }
}
