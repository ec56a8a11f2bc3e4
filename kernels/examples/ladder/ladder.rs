//! The list of rungs, and what there is to say of each.

use elbo_kernels::Isa;
use rayon::ThreadPool;

use crate::measure::Agreement;
use crate::rungs::{self, Product};
use crate::tiles;

/// One way to compute the product.
pub struct Rung<'a> {
    pub number: usize,
    pub name: String,
    pub run: fn(Product),
    pub isa: Isa,
    pub pool: &'a ThreadPool,
    pub agreement: Agreement,
    /// What makes it faster than the rung before, or keeps it from being so.
    pub why: &'static str,
}

impl Rung<'_> {
    /// Calls `f` on its threads; what `f` calls there runs on its instruction set.
    pub fn enter<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.pool.install(|| self.isa.scope(f))
    }
}

/// All rungs for the instruction set `isa`, and rung 8 for the others, too. `one` is a pool of one
/// thread, `all` that of rung 9.
pub fn ladder<'a>(isa: Isa, one: &'a ThreadPool, all: &'a ThreadPool) -> Vec<Rung<'a>> {
    let below = (1..).zip(BELOW_THE_ENGINE).map(|(number, step)| {
        let Step { name, run, agreement, why } = step;
        Rung { number, name: name.to_owned(), run, isa, pool: one, agreement, why }
    });
    let engine = |number, isa, pool: &'a ThreadPool, why| {
        let name = format!("gemm, {isa}, threads: {}", pool.current_num_threads());
        let (run, agreement) = (rungs::engine, Agreement::Exact);
        Rung { number, name, run, isa, pool, agreement, why }
    };
    let others = Isa::available().into_iter().filter(|&other| other != isa);
    let engines = others.chain([isa]).map(|isa| engine(8, isa, one, why_the_engine(isa)));
    below.chain(engines).chain([engine(9, isa, all, WHY_THREADS)]).collect()
}

/// One of the rungs below the engine, which all run on one thread.
struct Step {
    name: &'static str,
    run: fn(Product),
    agreement: Agreement,
    why: &'static str,
}

/// Rungs 1 to 7.
const BELOW_THE_ENGINE: [Step; 7] = [
    Step {
        name: "three loops: i, j, p",
        run: rungs::naive,
        agreement: Agreement::Rounding,
        why: "Each step of p jumps 4·N bytes down a column of B, to use one element of a cache \
              line of 16, and each addition waits for the one before; where 4·N is a large power \
              of two, the lines of a column also compete for a few sets of the cache (compare N = \
              512 and 528).",
    },
    Step {
        name: "loops in the order i, p, j",
        run: rungs::reordered,
        agreement: Agreement::Rounding,
        why: "B and C are walked along their rows: all of a cache line is used, the prefetcher \
              sees what comes next, and neighbouring columns don't wait for each other, so that \
              the compiler makes vectors of them, of 4 elements on plain x86-64.",
    },
    Step {
        name: "fused multiply-add, widest vectors",
        run: rungs::fused,
        agreement: Agreement::Exact,
        why: "Isa::run compiles the loop for the vectors of this machine, and multiplying and \
              adding is one instruction; but around each of them a vector of B and one of C is \
              loaded and one of C stored, and these, not the multipliers, set the pace.",
    },
    Step {
        name: "blocks of B for the L2 cache",
        run: rungs::blocked,
        agreement: Agreement::Exact,
        why: "64 rows of B serve all rows of A while they are in the L2 cache, instead of all of B \
              passing by for each row of A; that gains little, or nothing, while B fits the L3 \
              cache, and several times the speed where B comes from memory (try 64 8192 1024).",
    },
    Step {
        name: "tile of C in registers",
        run: tiles::tiled,
        agreement: Agreement::Exact,
        why: "6 x 16 elements of C stay in registers for 256 steps of p, each with 2 loads of B \
              and 6 of A for 12 multiply-adds (in vectors of 8) where rung 4 has 24 loads and 12 \
              stores; and these 12 are independent: 2 started per cycle that take 4 cycles need at \
              least 8.",
    },
    Step {
        name: "B packed",
        run: tiles::packed_b,
        agreement: Agreement::Exact,
        why: "Unpacked, the rows of B lie 4·N bytes apart: where that is a large power of two they \
              evict each other from the L1 cache, and where it is a page or more each takes an \
              entry of the TLB, a reason to pack in Goto & van de Geijn 2008. Packed, a tile reads \
              one stream from front to back. That gains nothing where the caches cope anyhow (try \
              N = 528), or too few rows of A share the cost of the copy (try M = 128).",
    },
    Step {
        name: "A packed, too",
        run: tiles::packed,
        agreement: Agreement::Exact,
        why: "A block of A becomes one stream that the L2 cache holds without conflicts, as the \
              micro-kernel of BLIS expects it (Van Zee & van de Geijn 2015); but rung 6 reads A \
              along its rows already, and an element is only used N/16 times once packed: the \
              copying may cost as much as it gains.",
    },
];

/// Why rung 8 is what it is on `isa`.
fn why_the_engine(isa: Isa) -> &'static str {
    if isa == Isa::Portable && cfg!(target_arch = "x86_64") {
        "What any x86-64 can run has no fused multiply-add: each one is a call of the C library's \
         fma, for a single element. It is there to check the others against, bit for bit."
    } else {
        "Any shape and layout, with a tile for the registers that there are (12 x 32 with AVX-512): \
         each panel of B is packed just before it is used, A only where it is read often enough, \
         and tiles of any height leave no slow edges. Where whole tiles of 6 x 16 fit, expect about \
         the speed of rung 7."
    }
}

/// Why rung 9 is what it is.
const WHY_THREADS: &str = "\
    The threads share out the tiles of C, never the sum of one element, and so the bits stay the \
    same. The peak is now that of all threads; what they lose beyond rung 8 goes into handing out \
    work, waiting for the last one, and the caches and memory that they share.";
