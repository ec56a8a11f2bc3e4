//! A team of threads that stands by for many small parallel regions.
//!
//! A training step is a chain of parallel regions, each of them small. `rayon::join` starts a
//! region by waking a thread that fell asleep after the last one, which can take longer than the
//! region itself. The helpers of a [`team`] stay awake between two regions: they watch one word of
//! memory, and a region starts when the leader, the thread that called `team`, changes it.
//!
//! # The word
//! ```text
//! | released: 1 bit | unclaimed: 7 bits | sleepers: 16 bits | held: 8 bits |
//! ```
//! The leader opens a region of n parts by adding n − 1 to `unclaimed`: the first part it does
//! itself. A helper claims a part by taking one off `unclaimed` and adding one to `held`, which it
//! takes off again when the part is done; the leader, who needs no such record of its own part,
//! only takes one off `unclaimed`. When both are 0, the region is over. Since a claim is one atomic
//! step and everything about the region is read after it, it does not matter how long ago a helper
//! looked: it has claimed a part of whichever region is open now, and that cannot end without it.
//!
//! # Memory order
//! Every change of the word is an atomic read-modify-write, so all changes since the leader opened
//! the region belong to one release sequence headed by that opening, and all since a helper has
//! done its part to one headed by that:
//!
//! - a helper's claim (acquire) sees all that the leader wrote before it opened the region
//!   (release);
//! - the leader, once nothing is unclaimed, sees by 0 parts held (acquire) all that the helpers
//!   wrote in theirs (release), and they read nothing of the region any more;
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
use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};
use std::{hint, mem, thread};

use crate::isa::Isa;

/// The most parts of a region; the word has room for 127.
pub const MAX_PARTS: usize = 64;

/// One part that a helper has claimed and not done, in the lowest 8 bits.
const HELD: u32 = 1;
/// One sleeping helper, in the 16 bits above them.
const SLEEPER: u32 = 1 << 8;
/// One part that nobody has claimed, in the 7 bits above them.
const UNCLAIMED: u32 = 1 << 24;
/// The team is dismissed.
const RELEASED: u32 = 1 << 31;

/// Looks at the word before a waiting thread begins to yield its core, some tens of microseconds.
const SPINS: usize = 1 << 11;
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
        // The thread that rayon moves `f` to is asked for its own role: it may have one, while it
        // waits until the helpers of its last team have left.
        None => rayon::scope(|_| isa.scope(|| team(f))),
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
///
/// # Panics
/// When `least` is 0.
pub fn part_count(units: usize, least: usize) -> usize {
    assert!(least > 0, "parts of nothing");
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
/// The threads of a team take the parts from the first to the last, each the next when it is free.
/// Within a part, a thread of a team is on its own: `share` runs serially there. Nor is it in the
/// caller's [`Isa::scope`], which `work` must bring along. And `work` must leave rayon alone, for
/// what a helper hands to it can be stolen before the last invitation is (see the module).
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
    let mut parts = parts.fuse();
    let mut slots = [const { Mutex::new(None) }; MAX_PARTS];
    let mut count = 0;
    for (slot, part) in slots.iter_mut().zip(&mut parts) {
        *slot.get_mut().unwrap() = Some(part);
        count += 1;
    }
    assert!(parts.next().is_none(), "{TOO_MANY}");
    let slots = &slots;
    // By value, so that a helper finds all that it needs in one place.
    let job = move |left: usize| {
        let part = slots[count - left].lock().unwrap().take();
        work(part.expect("a part is claimed once"));
    };
    match ROLE.get() {
        Role::Leader(_) if count > 1 => TEAM.with(|team| {
            // SAFETY: this thread leads `TEAM`, and while a region is open its role is another.
            unsafe { team.region(count, job) }
        }),
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

/// What the parts of a region have in common. A cache line of its own saves helpers from waiting
/// for a line that the leader writes to meanwhile.
#[repr(C, align(128))]
struct Region<J: ?Sized> {
    /// The first panic.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Does the part after which `left` − 1 are left to claim.
    job: J,
}

/// A region with any job.
type AnyRegion<'a> = Region<dyn Fn(usize) + Sync + 'a>;

impl<J: Fn(usize) + ?Sized> Region<J> {
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
    /// The region that is open; it lies on the leader's stack. Written by the leader while no
    /// region is open, read by helpers that hold a part.
    region: UnsafeCell<Option<&'static AnyRegion<'static>>>,
    /// Held by a helper that goes to sleep, until it sleeps.
    bed: Mutex<()>,
    /// Wakes the sleepers.
    bell: Condvar,
}

// SAFETY: `region`, the only field that is not `Sync`, holds a reference to something that is, and
// by the module's "Memory order" its writes and reads are ordered: a read comes after the claim of
// a part and before that part is given back, a write before the opening of its region and, by the
// contract of `Team::region`, after the end of the one before.
unsafe impl Sync for Team {}

impl Team {
    const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            region: UnsafeCell::new(None),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        }
    }

    /// Calls `job` with every number from 1 to `count` ≥ 1, on this thread, the leader, and its
    /// helpers.
    ///
    /// # Safety
    /// No region of the team is open.
    unsafe fn region(&self, count: usize, job: impl Fn(usize) + Sync) {
        let _role = Role::Busy.assume();
        let region = Region { panic: Mutex::new(None), job };
        // SAFETY: nobody else reads or writes the field now, as no region is open. The lifetime is
        // longer than that of `region`, but helpers use the reference only while they hold a part,
        // and this function neither returns nor unwinds before all parts are given back.
        unsafe {
            let region = mem::transmute::<&AnyRegion<'_>, &AnyRegion<'static>>(&region);
            *self.region.get() = Some(region);
        }
        self.announce((count as u32 - 1) * UNCLAIMED);
        region.do_part(count);
        let claim = |word| (unclaimed(word) > 0).then(|| word - UNCLAIMED);
        while let Ok(word) = self.word.try_update(Relaxed, Relaxed, claim) {
            region.do_part(unclaimed(word));
        }
        wait(Duration::MAX, || held(self.word.load(Acquire)) == 0);
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
            if !self.help() && !wait(PATIENCE, || !is_idle(self.word.load(Relaxed))) {
                self.sleep();
            }
        }
    }

    /// Claims a part and does it, unless there is none.
    fn help(&self) -> bool {
        let claim = |word| (unclaimed(word) > 0).then(|| word - UNCLAIMED + HELD);
        let Ok(word) = self.word.try_update(Acquire, Relaxed, claim) else { return false };
        // SAFETY: this thread holds a part of the open region. Until it gives that back, which is
        // below, the leader neither writes the field nor lets go of what it refers to.
        let region = unsafe { *self.region.get() }.expect("a region is open");
        region.do_part(unclaimed(word));
        self.word.fetch_sub(HELD, Release);
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

fn held(word: u32) -> usize {
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
