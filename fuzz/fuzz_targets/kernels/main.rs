//! The kernels on every instruction set of this machine, with one thread and with several: products of any
//! shape and stride, passes and updates of any length, on any bits. Each is compared bit for bit with the
//! formula of one element. Operands end where their memory ends, so that AddressSanitizer sees a step beyond.
#![no_main]

mod passes;
mod products;

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use elbo_kernels::{Isa, Scalar};
use libfuzzer_sys::fuzz_target;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// What is computed.
#[derive(Arbitrary, Debug)]
struct Input {
    double: bool,
    pass: bool,
    threads: bool,
    /// The sizes: m, k, n of a product; the length and the columns of a pass.
    sizes: [u16; 3],
    /// What else there is to choose.
    choices: [u8; 4],
    /// The bits of the elements, over and over.
    bits: Vec<u8>,
}

static POOL: LazyLock<ThreadPool> =
    LazyLock::new(|| ThreadPoolBuilder::new().num_threads(3).build().expect("three threads"));

fuzz_target!(|input: Input| {
    match (input.pass, input.double) {
        (true, false) => passes::check::<f32>(&input),
        (true, true) => passes::check::<f64>(&input),
        (false, false) => products::check::<f32>(&input),
        (false, true) => products::check::<f64>(&input),
    }
});

impl Input {
    /// So many elements, in memory of just that length: those of `bits` where there are any, else of all
    /// magnitudes.
    fn elements<T: Scalar>(&self, len: usize, salt: u64) -> Box<[T]> {
        let mut state = salt;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            T::from_f64(((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * 20.0)
        };
        let words = self.bits.as_chunks::<4>().0;
        let element = |i: usize| {
            let word = words.get(i.wrapping_add(salt as usize) % words.len().max(1))?;
            Some(T::from_f64(f32::from_le_bytes(*word).into()))
        };
        (0..len).map(|i| element(i).unwrap_or_else(&mut random)).collect()
    }

    /// The result on each instruction set must be `expected`.
    fn expect<T: Scalar>(&self, expected: &[T], result: impl Fn() -> Box<[T]> + Sync) {
        for isa in Isa::available() {
            let found =
                if self.threads { POOL.install(|| isa.scope(&result)) } else { isa.scope(&result) };
            assert_eq!(found.len(), expected.len());
            let place = found.iter().zip(expected).position(|(f, e)| bits(*f) != bits(*e));
            if let Some(i) = place {
                panic!(
                    "{isa}: element {i} is {:e}, expected {:e}: {self:?}",
                    found[i].to_f64(),
                    expected[i].to_f64()
                );
            }
        }
    }
}

/// All of an element but what kind of NaN it is.
fn bits<T: Scalar>(x: T) -> u64 {
    let x = x.to_f64();
    if x.is_nan() { u64::MAX } else { x.to_bits() }
}
