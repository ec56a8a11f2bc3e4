use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread::ThreadId;

use super::*;

/// Calls `f` in a pool of its own.
fn in_pool<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

/// Calls `f` at the head of a team of `size` in a pool of its own, whatever the number of cores.
pub(crate) fn in_team<R: Send>(size: usize, f: impl FnOnce() -> R + Send) -> R {
    in_pool(size, || lead(size, f))
}

/// A region of `count` parts, each of which waits until all have begun: on `count` threads. Every
/// part's thread is handed to `work`.
fn meet(count: usize, work: impl Fn(ThreadId) + Sync) {
    let begun = AtomicUsize::new(0);
    share(0..count, |_| {
        begun.fetch_add(1, SeqCst);
        while begun.load(SeqCst) < count {
            thread::yield_now();
        }
        work(thread::current().id());
    });
}

/// Checks that for each number of parts each part is done once, and that all are when `share`
/// returns.
fn check_all_counts() {
    for count in 0..=MAX_PARTS {
        let mut done = vec![0; count];
        share(done.iter_mut(), |done| *done += 1);
        assert!(done.iter().all(|&done| done == 1), "{done:?}");
    }
}

#[test]
fn every_part_is_done_once_in_a_team_of_any_size_and_without_one() {
    for threads in [1, 2, 3, 8] {
        in_team(threads, check_all_counts);
        in_pool(threads, check_all_counts);
    }
    check_all_counts();
}

#[test]
fn a_region_of_too_many_parts_is_refused_on_any_number_of_threads() {
    for threads in [1, 2] {
        let refused = in_team(threads, || catch_unwind(|| share(0..MAX_PARTS + 1, |_| ())));
        assert!(refused.is_err(), "{threads} threads");
    }
}

#[test]
fn all_threads_of_a_team_take_part() {
    for size in [2, 3, 8] {
        let threads = Mutex::new(Vec::new());
        in_team(size, || meet(size, |thread| threads.lock().unwrap().push(thread)));
        let threads = threads.into_inner().unwrap();
        for (i, thread) in threads.iter().enumerate() {
            assert!(!threads[..i].contains(thread));
        }
    }
}

#[test]
fn within_a_part_a_region_is_serial() {
    for size in [1, 2, 3] {
        in_team(size, || {
            share(0..8, |_| {
                assert_eq!(super::threads(), 1);
                let here = thread::current().id();
                team(|| {
                    share(0..8, |_| assert_eq!(thread::current().id(), here));
                    check_all_counts();
                });
            });
            assert_eq!(super::threads(), size);
        });
    }
    in_pool(2, || share(0..8, |_| check_all_counts()));
}

#[test]
fn a_team_inside_a_team_is_the_outer_one() {
    in_team(3, || {
        team(|| assert_eq!(super::threads(), 3));
        meet(3, |_| ());
    });
}

#[test]
fn a_panic_in_a_part_reaches_the_caller_from_any_thread_and_the_team_goes_on() {
    in_team(3, || {
        let caller = thread::current().id();
        for on_caller in [true, false, true] {
            let unlucky = |thread| {
                if (thread == caller) == on_caller {
                    panic!("on purpose");
                }
            };
            let payload = catch_unwind(AssertUnwindSafe(|| meet(3, unlucky))).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
            check_all_counts();
            meet(3, |_| ());
        }
    });
}

#[test]
fn a_panic_in_f_releases_the_helpers_and_reaches_the_caller() {
    in_pool(3, || {
        for _ in 0..3 {
            let panics = || lead(3, || meet(3, |_| panic!("on purpose")));
            assert!(catch_unwind(panics).is_err());
            assert_eq!(ROLE.get(), Role::Free);
            lead(3, || meet(3, |_| ()));
        }
    });
}

#[test]
fn helpers_sleep_through_a_long_pause_and_wake_for_the_next_region() {
    in_team(3, || {
        for _ in 0..3 {
            while TEAM.with(|team| team.word.load(Relaxed)) < 2 * SLEEPER {
                thread::yield_now();
            }
            meet(3, |_| ());
        }
        // They can be released from sleep, too.
        thread::sleep(5 * PATIENCE);
    });
}

#[test]
fn a_team_begins_without_its_helpers() {
    in_pool(2, || {
        let busy = AtomicBool::new(true);
        rayon::join(
            || {
                lead(2, check_all_counts);
                busy.store(false, SeqCst);
            },
            // On the other thread, as this one is busy until here.
            || {
                while busy.load(SeqCst) {
                    thread::yield_now();
                }
            },
        );
    });
}

/// Two leaders in a pool, each waiting again and again in a `rayon::join`, where it could steal
/// the invitation to the other's team.
#[test]
fn two_teams_in_one_pool_get_on() {
    for threads in [2, 3, 4] {
        in_pool(threads, || {
            let lead = || {
                for _ in 0..300 {
                    lead(threads, || {
                        check_all_counts();
                        rayon::join(thread::yield_now, thread::yield_now);
                        share(0..4, |_| ());
                    });
                }
            };
            rayon::join(lead, lead);
        });
    }
}

/// The teams' calls wait in a queue, and a thread of the pool that waits until a helper of one team
/// has woken up and left takes the next call from it.
#[test]
fn teams_called_from_many_threads_outside_the_pool_get_on() {
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..60 {
                    team(|| {
                        check_all_counts();
                        thread::sleep(PATIENCE * 2);
                    });
                }
            });
        }
    });
}

#[test]
fn a_team_is_not_larger_than_the_pool_or_the_machine() {
    let cores = thread::available_parallelism().unwrap().get();
    for threads in [1, 2, 3 * cores] {
        let size = in_pool(threads, || team(super::threads));
        assert_eq!(size, threads.min(cores));
    }
}

#[test]
fn a_hundred_thousand_regions_in_succession_lose_nothing() {
    for size in [2, 3] {
        let mut sums = [0_usize; 5];
        in_team(size, || {
            for round in 0..100_000 {
                share(sums[..1 + round % 5].iter_mut(), |sum| *sum += 1);
            }
        });
        assert_eq!(sums, [100_000, 80_000, 60_000, 40_000, 20_000]);
    }
}
