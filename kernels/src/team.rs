//! A team of threads that stands by for many small parallel regions.
//!
//! A training step is a chain of parallel regions, each of them small. `rayon::join` starts a
//! region by waking a thread that fell asleep after the last one, which can take longer than the
//! region itself. The helpers of a [`team`] stay awake between two regions: they watch one word of
//! memory, and a region starts when the leader, the thread that called `team`, changes it.
//!
//! # The word
//! ```text
//! | released: 1 bit | unclaimed: 7 bits | sleepers: 16 bits | unfinished: 8 bits |
//! ```
//! The leader opens a region of n parts by adding n to `unclaimed` and to `unfinished`. Whoever
//! takes one off `unclaimed`, leader or helper, owns that part, does it, and then takes one off
//! `unfinished`. When that is 0, the region is over. Since a claim is one atomic step and
//! everything about the region is read after it, it does not matter how long ago a helper looked:
//! it has claimed a part of whichever region is open now, and that region cannot end without it.
//!
//! # Memory order
//! Every change of the word is an atomic read-modify-write, so all changes since the leader opened
//! the region belong to one release sequence headed by that opening:
//!
//! - a claim (acquire) sees all that the leader wrote before it opened the region (release);
//! - the leader that reads 0 unfinished parts (acquire) sees all that was written before each part
//!   was finished (release), and nobody reads the job any more when it writes the next one;
//! - a helper about to sleep adds itself to `sleepers` in the same word: either the leader's next
//!   change comes later and finds it there, or it comes earlier and the helper finds the news.
//!
//! # Why nothing waits for ever
//! A helper stands by until its leader's `f` returns. That would be a deadlock if `f` waited for
//! something further down the helper's stack. It could if a leader that waits in a `rayon::join`
//! stole the invitation to another team; a thread that already has a role therefore declines. Nor
//! can it be a thread that waits within a job which `f` handed to rayon: thieves take a thread's
//! oldest job first, and so that job was stolen only after all invitations of `f`'s team.

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};
use std::{array, hint, mem, ptr, thread};

use crate::isa::Isa;

/// The most parts of a region.
pub const MAX_PARTS: usize = 64;

/// One part that is not finished, in the lowest 8 bits.
const UNFINISHED: u32 = 1;
/// One sleeping helper, in the 16 bits above them.
const SLEEPER: u32 = 1 << 8;
/// One part that nobody has claimed, in the 7 bits above them.
const UNCLAIMED: u32 = 1 << 24;
/// The team is dismissed.
const RELEASED: u32 = 1 << 31;

/// Looks at the word before a waiting thread begins to yield its core, some tens of microseconds.
const SPINS: usize = 1 << 10;
/// How long a helper yields before it goes to sleep.
const PATIENCE: Duration = Duration::from_millis(1);

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role::Free) };
    /// The team that this thread leads, when it does. It lies here and not on the stack so that
    /// `share` finds it.
    static TEAM: Team = const { Team::new() };
}

/// What a thread is in its team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It belongs to none.
    Free,
    /// It leads [`TEAM`], of this many threads, and is between two regions.
    Leader(usize),
    /// It stands by, is inside a part, or is about to leave; whatever it calls stays on it.
    Busy,
}

impl Role {
    /// This thread's role until the guard is dropped.
    fn assume(self) -> impl Drop {
        struct Restore(Role);
        impl Drop for Restore {
            fn drop(&mut self) {
                ROLE.set(self.0);
            }
        }
        Restore(ROLE.replace(self))
    }
}

/// Calls `f` while other threads of the current rayon pool stand by for the parallel regions that
/// the kernels called by `f` on this thread open. Without a team kernels give the same results;
/// each of their regions takes longer to start.
///
/// The team has as many threads as the pool, but never more than there are cores: those would
/// only wait for each other. A team inside a team is the outer one. Helpers do nothing else until
/// `f` returns or panics; they spin between two regions that follow closely, and sleep through a
/// long pause. `f` must therefore not wait for other threads of the pool, as
/// `rayon::broadcast` does. (`rayon::join` is fine: what nobody steals stays on this thread.)
///
/// Inside a pool, recruiting allocates nothing. From outside, rayon moves `f` to a thread of the
/// global pool; an [`Isa::scope`] around the call holds there too.
pub fn team<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    let size = threads();
    if size == 1 || ROLE.get() != Role::Free {
        return f();
    }
    let isa = Isa::active();
    match rayon::current_thread_index() {
        Some(_) => lead(size, f),
        None => rayon::scope(|_| isa.scope(|| lead(size, f))),
    }
}

/// Calls `f` on this thread of a pool, as the leader of up to `size` threads.
fn lead<R: Send>(size: usize, f: impl FnOnce() -> R + Send) -> R {
    TEAM.with(|team| {
        // No helper of an earlier team is left to see this: `rayon::join` has waited for each. The
        // new ones get here through rayon, which is synchronisation enough.
        team.word.store(0, Relaxed);
        let _role = Role::Leader(size).assume();
        recruit(team, size - 1, f)
    })
}

/// Offers rayon `helpers` invitations to stand by, on the stack, and calls `f`.
fn recruit<R: Send>(team: &Team, helpers: usize, f: impl FnOnce() -> R + Send) -> R {
    if helpers == 0 {
        let _dismissal = Dismissal(team);
        return f();
    }
    rayon::join(|| recruit(team, helpers - 1, f), || team.stand_by()).0
}

/// Releases the helpers when `f` has returned or panicked.
struct Dismissal<'a>(&'a Team);

impl Drop for Dismissal<'_> {
    fn drop(&mut self) {
        // Until the helpers have left, rayon may give this thread other jobs, which find no team.
        ROLE.set(Role::Busy);
        self.0.announce(RELEASED);
    }
}

/// How many threads a region opened from this thread can have at most.
pub fn threads() -> usize {
    /// It is asked for once: the answer lies in files.
    static CORES: OnceLock<usize> = OnceLock::new();
    match ROLE.get() {
        Role::Leader(size) => size,
        Role::Busy => 1,
        Role::Free => {
            let cores = || thread::available_parallelism().map_or(1, usize::from);
            rayon::current_num_threads().min(*CORES.get_or_init(cores))
        }
    }
}

/// Parts per thread, so that a thread that was late or slow leaves little to wait for.
const PARTS_PER_THREAD: usize = 2;

/// Into how many parts of at least `least` units to cut `units` for [`share`]: one, or as many as
/// keep all threads equally busy where there is enough for that.
pub fn part_count(units: usize, least: usize) -> usize {
    let threads = threads().min(MAX_PARTS);
    if threads == 1 {
        return 1;
    }
    let parts = (units / least).clamp(1, (PARTS_PER_THREAD * threads).min(MAX_PARTS));
    if parts < threads { parts } else { parts / threads * threads }
}

/// Opens a region: does `work` for every part, on the threads of this thread's team or, where
/// there is none, by `rayon::join`. Returns when all parts are done.
///
/// Threads take the parts from the first to the last, each the next when it is free. Within a
/// part, this thread and all others are on their own: `share` runs serially there. They are not in
/// the [`Isa::scope`] of the caller either, which `work` must bring along.
///
/// # Panics
/// When there are more than [`MAX_PARTS`] parts, and with the payload of the first part that
/// panics; the other parts may or may not be done then.
pub fn share<P: Send>(parts: impl Iterator<Item = P>, work: impl Fn(P) + Sync) {
    const TOO_MANY: &str = "a region has at most MAX_PARTS parts";
    if threads() == 1 {
        return parts.enumerate().for_each(|(i, part)| {
            assert!(i < MAX_PARTS, "{TOO_MANY}");
            work(part);
        });
    }
    let (mut parts, mut count) = (parts.fuse(), 0);
    let slots: [_; MAX_PARTS] =
        array::from_fn(|_| Mutex::new(parts.next().inspect(|_| count += 1)));
    assert!(parts.next().is_none(), "{TOO_MANY}");
    let job = |left: usize| {
        let part = slots[count - left].lock().unwrap().take();
        work(part.expect("a part is claimed once"));
    };
    match ROLE.get() {
        Role::Leader(_) if count > 1 => TEAM.with(|team| team.region(count, &job)),
        _ => fork(1..count + 1, &job),
    }
}

/// Does the parts of a region by `rayon::join`.
fn fork(parts: Range<usize>, job: &(impl Fn(usize) + Sync)) {
    match parts.len() {
        0 => {}
        1 => job(parts.start),
        len => {
            let middle = parts.start + len / 2;
            rayon::join(|| fork(middle..parts.end, job), || fork(parts.start..middle, job));
        }
    }
}

/// What the parts of a region have in common.
struct Region<'a> {
    /// Does the part after which `left` − 1 are left to claim.
    job: &'a (dyn Fn(usize) + Sync),
    /// The first panic.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Region<'_> {
    /// Does one part. Doesn't unwind: a panic is kept for the leader.
    fn do_part(&self, left: usize) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.job)(left))) {
            match &mut *self.panic.lock().unwrap() {
                first @ None => *first = Some(payload),
                // Dropping it could panic.
                Some(_) => mem::forget(payload),
            }
        }
    }
}

/// What the leader and its helpers share. The hot fields, `word` and `region`, are read and
/// written together and so lie in one cache line, with nothing else that is. (128 bytes: x86
/// fetches lines in pairs, and Apple's are that long.)
#[repr(align(128))]
struct Team {
    /// See the module.
    word: AtomicU32,
    /// The region that is open. It lies on the leader's stack.
    region: AtomicPtr<Region<'static>>,
    /// Held by a helper that goes to sleep, until it sleeps.
    bed: Mutex<()>,
    /// Wakes the sleepers.
    bell: Condvar,
}

impl Team {
    const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            region: AtomicPtr::new(ptr::null_mut()),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        }
    }

    /// Calls `job` with every number from 1 to `count`, on this thread, the leader, and its
    /// helpers.
    fn region(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        let _role = Role::Busy.assume();
        let region = Region { job, panic: Mutex::new(None) };
        self.region.store((&raw const region).cast_mut().cast(), Relaxed);
        self.announce(count as u32 * (UNCLAIMED + UNFINISHED));
        while self.do_part() {}
        wait(Duration::MAX, || unfinished(self.word.load(Acquire)) == 0);
        if let Some(payload) = region.panic.into_inner().unwrap() {
            resume_unwind(payload);
        }
    }

    /// Does parts of the leader's regions until the team is dismissed.
    fn stand_by(&self) {
        if ROLE.get() != Role::Free {
            return;
        }
        let _role = Role::Busy.assume();
        while self.word.load(Relaxed) & RELEASED == 0 {
            if !self.do_part() && !wait(PATIENCE, || !is_idle(self.word.load(Relaxed))) {
                self.sleep();
            }
        }
    }

    /// Claims a part and does it, unless there is none.
    fn do_part(&self) -> bool {
        let claim = |word| (unclaimed(word) > 0).then(|| word - UNCLAIMED);
        let Ok(word) = self.word.try_update(Acquire, Relaxed, claim) else { return false };
        let region = self.region.load(Relaxed);
        // SAFETY: the claim happens after the announcement of the part claimed, and so after the
        // pointer to its region was stored; the next store happens after this part is finished,
        // which is below. Until then the function `region` does not return (nothing in it unwinds
        // before), and what the pointer leads to is alive. None of it is used after this call.
        unsafe { (*region).do_part(unclaimed(word)) };
        self.word.fetch_sub(UNFINISHED, Release);
        true
    }

    /// Adds `news` to the word, and wakes who sleeps.
    fn announce(&self, news: u32) {
        if has_sleepers(self.word.fetch_add(news, Release)) {
            // A sleeper that the word knows of holds the lock until it hears the bell.
            drop(self.bed.lock().unwrap());
            self.bell.notify_all();
        }
    }

    /// Sleeps until the next announcement, unless there are news already.
    fn sleep(&self) {
        let bed = self.bed.lock().unwrap();
        if is_idle(self.word.fetch_add(SLEEPER, Relaxed)) {
            // Woken without reason, it will be back here soon.
            drop(self.bell.wait(bed).unwrap());
        }
        self.word.fetch_sub(SLEEPER, Relaxed);
    }
}

fn unfinished(word: u32) -> usize {
    (word % SLEEPER) as usize
}

fn has_sleepers(word: u32) -> bool {
    word % UNCLAIMED >= SLEEPER
}

fn unclaimed(word: u32) -> usize {
    (word % RELEASED / UNCLAIMED) as usize
}

/// Whether a helper has neither a part to claim nor leave to go.
fn is_idle(word: u32) -> bool {
    word < UNCLAIMED
}

/// Looks until `done`: first without a pause, then lending the core to others between looks, for
/// `patience`. Returns whether it is done.
fn wait(patience: Duration, done: impl Fn() -> bool) -> bool {
    for _ in 0..SPINS {
        if done() {
            return true;
        }
        hint::spin_loop();
    }
    let start = Instant::now();
    while start.elapsed() < patience {
        if done() {
            return true;
        }
        thread::yield_now();
    }
    false
}

#[cfg(test)]
pub(crate) mod tests;
