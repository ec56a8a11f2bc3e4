//! Which instruction set the kernels run on, and how one body of code is compiled for each.
//!
//! Every computation of this crate is written once, as plain Rust in the `run` of a [`Kernel`].
//! [`Isa::run`] calls it from a shell, a function that does nothing but carry
//! `#[target_feature]`; `run` is inlined into the shell and so compiled with those instructions.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::simd::{Lanes, Vector};

/// The environment variable that forces an instruction set: `portable`, `avx2` or `avx512`.
pub const ISA_VARIABLE: &str = "ELBO_ISA";

/// An instruction set that the kernels are compiled for.
///
/// All of them give the same bits: the results are defined by fused multiply-adds in a fixed
/// order, and vectors only run across independent elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What the compilation target guarantees.
    ///
    /// On aarch64 this is NEON, which belongs to the target's baseline and has fused
    /// multiply-add. On x86-64 the baseline has none, so every `mul_add` is a call of the C
    /// library's `fma`: the right bits, at a small part of the speed. It is there to check the
    /// others against.
    Portable,
    /// x86-64 with AVX2 and FMA: 256-bit vectors.
    Avx2,
    /// x86-64 with AVX-512F: 512-bit vectors.
    Avx512,
}

/// Why a requested instruction set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsaError {
    /// The name is none of `portable`, `avx2`, `avx512`.
    Unknown(String),
    /// This machine, or the architecture the program was compiled for, lacks it.
    Unavailable(Isa),
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(
                f,
                "unknown instruction set {name:?} (set {ISA_VARIABLE} to portable, avx2 or avx512, \
                 or leave it unset for the best that this machine has)"
            ),
            Self::Unavailable(isa) => {
                write!(f, "this machine has no {isa} instructions; it can run")?;
                for (i, isa) in Isa::available().into_iter().enumerate() {
                    write!(f, "{} {isa}", if i == 0 { "" } else { "," })?;
                }
                write!(f, " (leave {ISA_VARIABLE} unset for the best of them)")
            }
        }
    }
}

impl std::error::Error for IsaError {}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        Self::ALL
            .into_iter()
            .find(|isa| isa.to_string() == name)
            .ok_or_else(|| IsaError::Unknown(name.to_owned()))
    }
}

thread_local! {
    static SCOPED: Cell<Option<Isa>> = const { Cell::new(None) };
}

impl Isa {
    const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The best instruction set of this machine.
    pub fn detect() -> Self {
        Self::ALL.into_iter().rfind(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Every instruction set that this machine can run, the plainest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The instruction set that `ELBO_ISA` asks for, or the best one where it is unset.
    ///
    /// # Errors
    /// [`IsaError`] when the variable holds an unknown name, or one that this machine cannot
    /// run. A forced instruction set is never silently replaced by another.
    pub fn from_env() -> Result<Self, IsaError> {
        Self::from_setting(std::env::var_os(ISA_VARIABLE).as_deref())
    }

    fn from_setting(setting: Option<&OsStr>) -> Result<Self, IsaError> {
        let Some(name) = setting else { return Ok(Self::detect()) };
        let isa: Self = name.to_string_lossy().parse()?;
        if isa.is_available() { Ok(isa) } else { Err(IsaError::Unavailable(isa)) }
    }

    /// The instruction set that kernels called from this thread run on: that of the innermost
    /// [`scope`](Self::scope), else [`from_env`](Self::from_env), read once per process.
    ///
    /// # Panics
    /// With [`IsaError`]'s text when `ELBO_ISA` is unusable. A program that wants to report that
    /// in its own way calls `from_env` first.
    pub fn active() -> Self {
        static FROM_ENV: OnceLock<Isa> = OnceLock::new();
        SCOPED.get().unwrap_or_else(|| {
            *FROM_ENV.get_or_init(|| Self::from_env().unwrap_or_else(|error| panic!("{error}")))
        })
    }

    /// Calls `f`; the kernels that it calls on this thread run on this instruction set, with all
    /// the threads they use. This is how tests hold one instruction set against another.
    ///
    /// A kernel asks for the instruction set once, on the thread that calls it. What `f` itself
    /// hands to other threads is outside the scope.
    ///
    /// # Panics
    /// When this machine cannot run it.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Isa>);
        impl Drop for Restore {
            fn drop(&mut self) {
                SCOPED.set(self.0);
            }
        }
        assert!(self.is_available(), "{}", IsaError::Unavailable(self));
        let _restore = Restore(SCOPED.replace(Some(self)));
        f()
    }

    /// Runs `kernel`, compiled for this instruction set, on this thread.
    ///
    /// # Panics
    /// When this machine cannot run it.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable => Portable::run(kernel),
            Self::Avx2 => Avx2::run(kernel),
            Self::Avx512 => Avx512::run(kernel),
        }
    }
}

/// An instruction set known when compiling, for code that is made for one only.
pub(crate) trait KnownIsa: Send + Sync {
    /// Its value.
    const ISA: Isa;
    /// Its register of single precision.
    type F32: Vector<f32>;
    /// Its register of double precision.
    type F64: Vector<f64>;

    /// [`Isa::run`].
    fn run<K: Kernel>(kernel: K) -> K::Output;
}

/// [`Isa::Portable`] as a type.
pub(crate) struct Portable;
/// [`Isa::Avx2`] as a type.
pub(crate) struct Avx2;
/// [`Isa::Avx512`] as a type.
pub(crate) struct Avx512;

impl KnownIsa for Portable {
    const ISA: Isa = Isa::Portable;
    type F32 = Lanes<f32, 4>;
    type F64 = Lanes<f64, 2>;

    #[inline]
    fn run<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }
}

impl KnownIsa for Avx2 {
    const ISA: Isa = Isa::Avx2;
    #[cfg(target_arch = "x86_64")]
    type F32 = std::arch::x86_64::__m256;
    #[cfg(target_arch = "x86_64")]
    type F64 = std::arch::x86_64::__m256d;
    #[cfg(not(target_arch = "x86_64"))]
    type F32 = Lanes<f32, 8>;
    #[cfg(not(target_arch = "x86_64"))]
    type F64 = Lanes<f64, 4>;

    #[inline]
    fn run<K: Kernel>(kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        if Self::ISA.is_available() {
            // SAFETY: `is_available` found AVX2 and FMA on this machine.
            return unsafe { run_avx2(kernel) };
        }
        refuse(kernel, Self::ISA)
    }
}

impl KnownIsa for Avx512 {
    const ISA: Isa = Isa::Avx512;
    #[cfg(target_arch = "x86_64")]
    type F32 = std::arch::x86_64::__m512;
    #[cfg(target_arch = "x86_64")]
    type F64 = std::arch::x86_64::__m512d;
    #[cfg(not(target_arch = "x86_64"))]
    type F32 = Lanes<f32, 16>;
    #[cfg(not(target_arch = "x86_64"))]
    type F64 = Lanes<f64, 8>;

    #[inline]
    fn run<K: Kernel>(kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        if Self::ISA.is_available() {
            // SAFETY: `is_available` found AVX-512F on this machine.
            return unsafe { run_avx512(kernel) };
        }
        refuse(kernel, Self::ISA)
    }
}

/// Panics: this machine cannot run `kernel` on `isa`.
#[cold]
fn refuse<K: Kernel>(_kernel: K, isa: Isa) -> K::Output {
    panic!("{}", IsaError::Unavailable(isa))
}

/// A computation whose one body is compiled for every instruction set.
///
/// Implementations mark `run`, and what it calls, `#[inline(always)]`: only code inlined into the
/// shell of [`Isa::run`] is compiled with the shell's instructions. (A closure would not do: it
/// cannot be told to inline.)
pub trait Kernel {
    /// What the computation returns.
    type Output;

    /// The computation.
    fn run(self) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse(), Ok(isa));
        }
    }

    #[test]
    fn an_unset_variable_gives_the_best_that_is_available() {
        assert_eq!(Isa::from_setting(None), Ok(Isa::detect()));
        assert_eq!(Isa::available().last(), Some(&Isa::detect()));
    }

    #[test]
    fn an_unknown_name_is_an_error_that_says_what_is_possible() {
        for name in ["avx", "AVX2", "", "neon"] {
            let error = Isa::from_setting(Some(OsStr::new(name))).unwrap_err();
            assert_eq!(error, IsaError::Unknown(name.to_owned()));
            assert!(error.to_string().contains("portable, avx2 or avx512"), "{error}");
        }
    }

    #[test]
    fn an_instruction_set_that_is_not_here_is_an_error_and_never_replaced() {
        for isa in Isa::ALL {
            let found = Isa::from_setting(Some(OsStr::new(&isa.to_string())));
            match isa.is_available() {
                true => assert_eq!(found, Ok(isa)),
                false => assert_eq!(found, Err(IsaError::Unavailable(isa))),
            }
        }
        assert!(IsaError::Unavailable(Isa::Avx512).to_string().contains("it can run portable"));
    }

    #[test]
    fn a_scope_ends_with_its_closure_and_nests() {
        let outside = Isa::active();
        for isa in Isa::available() {
            isa.scope(|| {
                Isa::Portable.scope(|| assert_eq!(Isa::active(), Isa::Portable));
                assert_eq!(Isa::active(), isa);
            });
            assert!(std::panic::catch_unwind(|| isa.scope(|| panic!("on purpose"))).is_err());
            assert_eq!(Isa::active(), outside);
        }
    }
}
