//! From the second call on, nothing is allocated on any thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use elbo_kernels::team::team;
use elbo_kernels::{AdamStep, AdamTensor, Mat, MatMut, Output, adam, gemm, passes};

/// The system's allocator, counting what the pools' threads ask for. (The test harness has a thread
/// of its own that allocates at any time.)
struct Counting;

impl Counting {
    fn count(&self) {
        if COUNTED.get() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every method hands its arguments to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One call of every kernel, on sizes that are split over threads.
struct Work {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    d: Vec<f32>,
    rows: Vec<f32>,
}

const SIDE: usize = 260;

impl Work {
    fn new() -> Self {
        let matrix = vec![0.5; SIDE * SIDE];
        Self {
            a: matrix.clone(),
            b: matrix.clone(),
            c: matrix.clone(),
            d: matrix,
            rows: vec![0.0; SIDE],
        }
    }

    fn run(&mut self) {
        let Self { a, b, c, d, rows } = self;
        let view = |x| Mat::new(x, SIDE, SIDE);
        gemm(view(a), view(b).t(), Output::Overwrite, MatMut::new(c, SIDE, SIDE));
        gemm(view(a).t(), view(b), Output::Accumulate, MatMut::new(&mut c[..], SIDE, SIDE));
        passes::logistic_loss(a, b, SIDE, 1.0, d, rows);
        passes::softplus(d);
        passes::tanh_backward(c, d);
        passes::sum_rows(c, rows);
        let (rest1, beta2, rest2, step_size, epsilon) = (0.1, 0.999, 0.001, 1e-3, 1e-8);
        let step = AdamStep { rest1, beta2, rest2, step_size, epsilon, penalty: 0.0, decay: 0.0 };
        adam(&step, [AdamTensor { param: c, grad: a, m: b, v: d }]);
        assert!(passes::all_finite(a) && passes::sum(a) > 0.0);
    }
}

/// Returns when each of `threads` threads has taken part: a thread allocates when it starts, and
/// when it first steals from another.
fn wake(threads: usize, barrier: &Barrier) {
    if threads == 1 {
        barrier.wait();
    } else {
        rayon::join(|| wake(1, barrier), || wake(threads - 1, barrier));
    }
}

#[test]
fn the_second_call_allocates_nothing_on_any_thread() {
    // All pools live from here to the end: threads allocate when they start and when they stop.
    let pools = [1, 2, 3].map(|threads| {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        builder.start_handler(|_| COUNTED.set(true)).build().unwrap()
    });
    for pool in &pools {
        let threads = pool.current_num_threads();
        pool.install(|| wake(threads, &Barrier::new(threads)));
    }
    for pool in &pools {
        let mut work = Work::new();
        // All on one thread of the pool, the one that keeps the scratch.
        let [first, later, teams] = pool.install(|| {
            let start = ALLOCATIONS.load(Ordering::Relaxed);
            work.run();
            let warm = ALLOCATIONS.load(Ordering::Relaxed);
            (0..5).for_each(|_| work.run());
            let before_teams = ALLOCATIONS.load(Ordering::Relaxed);
            (0..5).for_each(|_| team(|| (0..5).for_each(|_| work.run())));
            let end = ALLOCATIONS.load(Ordering::Relaxed);
            [warm - start, before_teams - warm, end - before_teams]
        });
        let threads = pool.current_num_threads();
        assert!(first > 0, "the first call on {threads} threads makes the scratch, uncounted");
        assert_eq!(later, 0, "allocations of later calls on {threads} threads");
        assert_eq!(teams, 0, "allocations of teams, and in them, on {threads} threads");
    }
}
