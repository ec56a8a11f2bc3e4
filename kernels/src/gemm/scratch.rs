//! Where packed operands and lists of steps live: a buffer that the calling thread keeps from call to call.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::scalar::Scalar;
use crate::team::MAX_PARTS;

/// What the memory is counted in.
type Word = u64;
/// Words in a cache line, to which every part of the buffer is aligned.
const LINE: usize = 64 / size_of::<Word>();

thread_local! {
    // A stack, because a thread that waits for a join may meanwhile run another gemm: that one
    // finds the next buffer, or makes one, and so only the first such encounter allocates.
    static BUFFERS: RefCell<Vec<Vec<Word>>> = const { RefCell::new(Vec::new()) };
}

/// How many elements of each part are needed.
#[derive(Clone, Copy, Default)]
pub(super) struct Lengths {
    /// Packed strips of A.
    pub(super) strips: usize,
    /// The lists of steps of a sparse A.
    pub(super) index: usize,
    /// Packed panels of B, for each thread at work.
    pub(super) panels: usize,
    /// How many threads may be at work.
    pub(super) threads: usize,
}

/// The parts of the buffer, each starting on a cache line, their content left over from other
/// calls.
pub(super) struct Scratch<'a, T> {
    pub(super) strips: &'a mut [T],
    pub(super) index: &'a mut [u32],
    pub(super) panels: Panels<'a, T>,
}

/// Calls `f` with a scratch of these lengths.
pub(super) fn with<T: Scalar, R>(lengths: Lengths, f: impl FnOnce(Scratch<'_, T>) -> R) -> R {
    let words = |bytes: usize| bytes.div_ceil(64) * LINE;
    let strips = words(lengths.strips * size_of::<T>());
    let index = words(lengths.index * size_of::<u32>());
    let panels = words(lengths.panels * size_of::<T>());
    let threads = lengths.threads.min(MAX_PARTS);
    let needed = LINE + strips + index + threads * panels;
    let mut buffer = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < needed {
        buffer.resize(needed, 0);
    }
    let aligned = buffer.as_ptr().align_offset(64);
    let (strips, rest) = buffer[aligned..].split_at_mut(strips);
    let (index, rest) = rest.split_at_mut(index);
    let mut chunks = rest[..threads * panels].chunks_exact_mut(panels.max(1));
    let slots = std::array::from_fn(|_| chunks.next().map(|chunk| Mutex::new(elements(chunk))));
    let result = f(Scratch {
        strips: &mut elements(strips)[..lengths.strips],
        index: &mut indices(index)[..lengths.index],
        panels: Panels { slots },
    });
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}

/// A buffer for the panels of each thread at work.
pub(super) struct Panels<'a, T> {
    slots: [Option<Mutex<&'a mut [T]>>; MAX_PARTS],
}

impl<'a, T: Scalar> Panels<'a, T> {
    /// A buffer that nobody uses, if possible the one that this thread has used before.
    pub(super) fn take(&self) -> MutexGuard<'_, &'a mut [T]> {
        let slots = || self.slots.iter().flatten();
        let own = rayon::current_thread_index().unwrap_or(0);
        loop {
            let others = slots().skip(own % slots().count()).chain(slots());
            for slot in others {
                match slot.try_lock() {
                    Ok(buffer) => return buffer,
                    Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                    Err(TryLockError::WouldBlock) => {}
                }
            }
            // More threads at work than buffers, which `with` was told to make enough of.
            std::thread::yield_now();
        }
    }
}

/// The memory of `words` as elements, left over from whatever was there.
fn elements<T: Scalar>(words: &mut [Word]) -> &mut [T] {
    // SAFETY: `Scalar` is sealed to f32 and f64 (its supertrait `Tiled` cannot be implemented
    // elsewhere), of which any bytes are a value, as they are of a `Word`.
    let (_, elements, _) = unsafe { words.align_to_mut::<T>() };
    elements
}

/// The same as indices.
fn indices(words: &mut [Word]) -> &mut [u32] {
    // SAFETY: any bytes are a u32, and a `Word`.
    let (_, indices, _) = unsafe { words.align_to_mut::<u32>() };
    indices
}
