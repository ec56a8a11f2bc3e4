//! Vector registers, one type for each instruction set.
//!
//! The compiler turns most loops of this crate into vector instructions by itself. The micro-kernel
//! of [`gemm`](crate::gemm()) and the transposition of its operands are too much for it, and are
//! written with these.

/// A register of [`LANES`](Self::LANES) elements.
///
/// # Safety of its functions
/// Each may only be called where the register's instruction set is available: inside
/// [`KnownIsa::run`](crate::isa::KnownIsa::run).
pub(crate) trait Vector<T>: Copy {
    /// How many elements it holds.
    const LANES: usize;
    /// The side of the square blocks that [`transpose`](Self::transpose) turns.
    const SIDE: usize;

    /// `x` in every lane.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn splat(x: T) -> Self;

    /// The elements at `from`, which need no alignment.
    ///
    /// # Safety
    /// The instruction set is available, and LANES elements can be read.
    unsafe fn load(from: *const T) -> Self;

    /// The opposite of [`load`](Self::load).
    ///
    /// # Safety
    /// The instruction set is available, and LANES elements can be written.
    unsafe fn store(self, to: *mut T);

    /// self + other, lane by lane.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn add(self, other: Self) -> Self;

    /// self · a + b, rounded once, lane by lane.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;

    /// Writes the transpose of the SIDE × SIDE elements at `from` to `to`; `from_stride` and
    /// `to_stride` are the elements from row to row.
    ///
    /// # Safety
    /// The instruction set is available, and SIDE rows of SIDE elements can be read and written.
    unsafe fn transpose(from: *const T, from_stride: usize, to: *mut T, to_stride: usize);
}

/// A register as a plain array: NEON, if the compiler makes it that.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<T, const N: usize>([T; N]);

impl<T: crate::Scalar, const N: usize> Vector<T> for Lanes<T, N> {
    const LANES: usize = N;
    const SIDE: usize = N;

    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Self([x; N])
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller promises N readable elements; an array of them needs no more
        // alignment than one.
        Self(unsafe { from.cast::<[T; N]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller promises N writable elements.
        unsafe { to.cast::<[T; N]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for l in 0..N {
            self.0[l] += other.0[l];
        }
        self
    }

    #[inline(always)]
    unsafe fn mul_add(mut self, a: Self, b: Self) -> Self {
        for l in 0..N {
            self.0[l] = self.0[l].mul_add(a.0[l], b.0[l]);
        }
        self
    }

    #[inline(always)]
    unsafe fn transpose(from: *const T, from_stride: usize, to: *mut T, to_stride: usize) {
        for i in 0..N {
            for j in 0..N {
                // SAFETY: both are inside the rows that the caller promises.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// Implements [`Vector`] by the instructions of one register type.
    macro_rules! vector {
        ($V:ty, $T:ty, $lanes:literal, $side:literal, $set1:ident, $loadu:ident, $storeu:ident,
         $add:ident, $fmadd:ident, $transpose:ident) => {
            impl Vector<$T> for $V {
                const LANES: usize = $lanes;
                const SIDE: usize = $side;

                #[inline(always)]
                unsafe fn splat(x: $T) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $set1(x) }
                }

                #[inline(always)]
                unsafe fn load(from: *const $T) -> Self {
                    // SAFETY: the caller promises the instruction set and the elements.
                    unsafe { $loadu(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $T) {
                    // SAFETY: the caller promises the instruction set and the elements.
                    unsafe { $storeu(to, self) }
                }

                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $add(self, other) }
                }

                #[inline(always)]
                unsafe fn mul_add(self, a: Self, b: Self) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $fmadd(self, a, b) }
                }

                #[inline(always)]
                unsafe fn transpose(
                    from: *const $T,
                    from_stride: usize,
                    to: *mut $T,
                    to_stride: usize,
                ) {
                    // SAFETY: the caller promises the instruction set (AVX2 is part of AVX-512F)
                    // and the elements.
                    unsafe { $transpose(from, from_stride, to, to_stride) }
                }
            }
        };
    }

    vector!(
        __m256,
        f32,
        8,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps,
        transpose_8x8
    );
    vector!(
        __m256d,
        f64,
        4,
        4,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_fmadd_pd,
        transpose_4x4
    );
    vector!(
        __m512,
        f32,
        16,
        8,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps,
        transpose_8x8
    );
    vector!(
        __m512d,
        f64,
        8,
        4,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
        _mm512_fmadd_pd,
        transpose_4x4
    );

    /// [`Vector::transpose`] for f32.
    ///
    /// Rows i and i + 4 enter one register, four columns of each; four such registers hold a
    /// 4 × 4 block in either half, and two rounds of shuffles within the halves turn both.
    ///
    /// # Safety
    /// AVX is available, and 8 rows of 8 elements can be read and written.
    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller promises AVX and the elements; rows are below 8, and columns 0 and 4
        // begin four elements.
        unsafe {
            for column in [0, 4] {
                let mut rows = [_mm256_setzero_ps(); 4];
                for (i, row) in rows.iter_mut().enumerate() {
                    let low = _mm_loadu_ps(from.add(i * from_stride + column));
                    let high = _mm_loadu_ps(from.add((i + 4) * from_stride + column));
                    *row = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                }
                let [a, b, c, d] = rows;
                let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let to = to.add(column * to_stride);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd));
                _mm256_storeu_ps(to.add(to_stride), _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd));
                let to = to.add(2 * to_stride);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high));
                let to = to.add(to_stride);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high));
            }
        }
    }

    /// [`Vector::transpose`] for f64, as [`transpose_8x8`] with halves of 2 × 2.
    ///
    /// # Safety
    /// AVX is available, and 4 rows of 4 elements can be read and written.
    #[inline(always)]
    unsafe fn transpose_4x4(from: *const f64, from_stride: usize, to: *mut f64, to_stride: usize) {
        // SAFETY: the caller promises AVX and the elements; rows are below 4, and columns 0 and 2
        // begin two elements.
        unsafe {
            for column in [0, 2] {
                let mut rows = [_mm256_setzero_pd(); 2];
                for (i, row) in rows.iter_mut().enumerate() {
                    let low = _mm_loadu_pd(from.add(i * from_stride + column));
                    let high = _mm_loadu_pd(from.add((i + 2) * from_stride + column));
                    *row = _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high);
                }
                let [a, b] = rows;
                let to = to.add(column * to_stride);
                _mm256_storeu_pd(to, _mm256_unpacklo_pd(a, b));
                _mm256_storeu_pd(to.add(to_stride), _mm256_unpackhi_pd(a, b));
            }
        }
    }
}
