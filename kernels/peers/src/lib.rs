//! The matrix products of other crates behind one safe function, for benchmarks. It lies here
//! because the crate `gemm` takes pointers, and `unsafe` code lives below `kernels/` alone.

#[cfg(feature = "faer")]
use faer::{Accum, MatMut, MatRef, Par};
use gemm::Parallelism;
use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};

/// Another crate with a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// `matrixmultiply`, through ndarray. Its number of threads is the environment variable
    /// `MATMUL_NUM_THREADS`, which it reads once in a process; it uses at most 4, and fewer for
    /// small products.
    MatrixMultiply,
    /// `gemm`.
    Gemm,
    /// `faer`, whose dense product on x86-64 is the crate `private-gemm-x86`.
    #[cfg(feature = "faer")]
    Faer,
}

impl Peer {
    /// All of them: the third only with the feature `faer`.
    pub const ALL: &[Self] = &[
        Self::MatrixMultiply,
        Self::Gemm,
        #[cfg(feature = "faer")]
        Self::Faer,
    ];

    /// The crate's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MatrixMultiply => "matrixmultiply",
            Self::Gemm => "gemm",
            #[cfg(feature = "faer")]
            Self::Faer => "faer",
        }
    }

    /// C = A·B on `threads` threads of the current rayon pool. Each of the matrices may be a
    /// transposed view.
    ///
    /// # Panics
    /// When the shapes don't agree.
    pub fn multiply(
        self,
        a: ArrayView2<'_, f32>,
        b: ArrayView2<'_, f32>,
        mut c: ArrayViewMut2<'_, f32>,
        threads: usize,
    ) {
        let shapes = (a.dim(), b.dim(), c.dim());
        let ((m, k), (b_rows, n), c_dim) = shapes;
        assert!(b_rows == k && c_dim == (m, n), "multiply: A, B and C are {shapes:?}");
        match self {
            Self::MatrixMultiply => general_mat_mul(1.0, &a, &b, 0.0, &mut c),
            Self::Gemm => multiply_gemm(a, b, c, threads),
            #[cfg(feature = "faer")]
            Self::Faer => multiply_faer(a, b, c, threads),
        }
    }
}

/// `gemm::gemm` computes C = α·C + β·A·B, here with α = 0 and without reading C. The shapes must
/// agree.
fn multiply_gemm(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    mut c: ArrayViewMut2<'_, f32>,
    threads: usize,
) {
    let ((m, k), n) = (a.dim(), b.ncols());
    let [a_rs, a_cs] = strides(&a);
    let [b_rs, b_cs] = strides(&b);
    let [c_rs, c_cs] = strides(&c.view());
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    assert!(b.nrows() == k && c.dim() == (m, n), "multiply_gemm: shapes");
    // SAFETY: as asserted, A is m × k, B is k × n and C is m × n. An ndarray view holds
    // every element that its pointer and strides reach within its shape, for as long as it is
    // borrowed; that of C is exclusive and its elements are distinct.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c_cs,
            c_rs,
            false,
            a.as_ptr(),
            a_cs,
            a_rs,
            b.as_ptr(),
            b_cs,
            b_rs,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(feature = "faer")]
fn multiply_faer(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    mut c: ArrayViewMut2<'_, f32>,
    threads: usize,
) {
    let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
    let [c_rs, c_cs] = strides(&c.view());
    // SAFETY: an ndarray view holds every element that its pointer and strides reach within its
    // shape, for as long as it is borrowed; this one is exclusive and its elements are distinct.
    let c = unsafe { MatMut::from_raw_parts_mut(c.as_mut_ptr(), c.nrows(), c.ncols(), c_rs, c_cs) };
    faer::linalg::matmul::matmul(c, Accum::Replace, faer_view(&a), faer_view(&b), 1.0, par);
}

#[cfg(feature = "faer")]
fn faer_view<'a>(view: &'a ArrayView2<'_, f32>) -> MatRef<'a, f32> {
    let [rs, cs] = strides(view);
    // SAFETY: an ndarray view holds every element that its pointer and strides reach within its
    // shape, for as long as it is borrowed.
    unsafe { MatRef::from_raw_parts(view.as_ptr(), view.nrows(), view.ncols(), rs, cs) }
}

/// From row to row and from column to column, in elements.
fn strides(view: &ArrayView2<'_, f32>) -> [isize; 2] {
    [view.strides()[0], view.strides()[1]]
}
