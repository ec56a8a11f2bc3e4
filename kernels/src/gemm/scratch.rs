//! Where packed panels live: buffers that a thread keeps from call to call.

use std::cell::RefCell;

use crate::scalar::Scalar;

/// What the panels' memory is counted in.
type Word = u64;
/// Words in a cache line, to which both parts of a buffer are aligned.
const LINE: usize = 64 / size_of::<Word>();

thread_local! {
    // A stack, because a thread that waits for a join may meanwhile run another gemm: that one
    // finds the next buffer, or makes one, and so only the first such encounter allocates.
    static BUFFERS: RefCell<Vec<Vec<Word>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with two buffers of the given lengths, each starting on a cache line. Their content
/// is left over from other calls.
pub(super) fn with<T: Scalar, R>(
    first_len: usize,
    second_len: usize,
    f: impl FnOnce(&mut [T], &mut [T]) -> R,
) -> R {
    let words = |len: usize| (len * size_of::<T>()).div_ceil(size_of::<Word>());
    let first_words = words(first_len).next_multiple_of(LINE);
    let needed = LINE + first_words + words(second_len);
    let mut buffer = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < needed {
        buffer.resize(needed, 0);
    }
    let aligned = buffer.as_ptr().align_offset(64);
    let (first, second) = buffer[aligned..].split_at_mut(first_words);
    let result = f(&mut elements(first)[..first_len], &mut elements(second)[..second_len]);
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}

/// The memory of `words` as elements, left over from whatever was there.
fn elements<T: Scalar>(words: &mut [Word]) -> &mut [T] {
    // SAFETY: `Scalar` is sealed to f32 and f64 (its supertrait `Tiled` cannot be implemented
    // elsewhere), of which any bytes are a value, as they are of a `Word`.
    let (_, elements, _) = unsafe { words.align_to_mut::<T>() };
    elements
}
