//! Teams as their users see them: the same results, wherever they are called.

use std::panic::catch_unwind;

use elbo_kernels::team::team;
use elbo_kernels::{Isa, passes};

/// Some passes that are shared between threads, one after another.
fn work() -> Vec<u32> {
    let mut x: Vec<f32> = (0..200_003).map(|i| (i % 1009) as f32 / 100.0 - 5.0).collect();
    passes::tanh(&mut x);
    let y = x.clone();
    passes::tanh_backward(&y, &mut x);
    x.push(passes::sum(&y));
    x.push(f32::from(passes::all_finite(&x)));
    x.into_iter().map(f32::to_bits).collect()
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn results_are_those_without_a_team_on_any_number_of_threads() {
    let alone = pool(1).install(work);
    let cores = std::thread::available_parallelism().unwrap().get();
    for threads in [1, 2, 3, 8, cores + 1] {
        pool(threads).install(|| {
            assert!(team(work) == alone, "{threads} threads");
            // A second team, whose helpers are those of the first.
            assert!(team(|| (work(), team(work))) == (alone.clone(), alone.clone()));
        });
    }
}

#[test]
fn outside_any_pool_a_team_is_made_of_the_global_one() {
    assert!(rayon::current_thread_index().is_none());
    let (index, found) = team(|| (rayon::current_thread_index(), work()));
    assert!(found == work());
    let alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1)
        || rayon::current_num_threads() == 1;
    assert!(index.is_some() || alone);
}

#[test]
fn the_scope_of_an_instruction_set_holds_inside() {
    for isa in Isa::available() {
        assert_eq!(isa.scope(|| team(Isa::active)), isa);
        assert_eq!(pool(2).install(|| isa.scope(|| team(Isa::active))), isa);
        assert_eq!(pool(2).install(|| team(|| isa.scope(Isa::active))), isa);
    }
}

#[test]
fn a_panic_passes_through_and_leaves_no_trace() {
    let alone = pool(1).install(work);
    pool(2).install(|| {
        for _ in 0..3 {
            let payload = catch_unwind(|| team(|| panic!("on purpose"))).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
            assert!(team(work) == alone);
        }
    });
}

#[test]
fn several_teams_share_one_pool() {
    let alone = pool(1).install(work);
    for threads in [2, 4] {
        let pool = pool(threads);
        // Within the pool, and from threads outside.
        let (one, other) = pool.install(|| rayon::join(|| team(work), || team(work)));
        assert!(one == alone && other == alone);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(pool.install(|| team(work)) == alone));
            }
        });
    }
}
