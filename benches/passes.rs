//! The element-wise passes of a training step, and Adam, in nanoseconds per element, against plain
//! loops over std's functions.
//!
//! Passes have the operands of a batch of 128 images of 784 pixels; Adam has the weights of a
//! layer of 784 x 400. Everything is held against the plain loop first. Only the pass is timed,
//! call by call: before each call, but for Adam's, its output is set again to what it was, so that a pass in place
//! meets the same values every time (tanh of tanh of ... would soon be timed on values that no
//! training has), and operands are warm, in the caches of the thread that calls. elbo runs in a
//! team, as the trainer has it; a plain loop is one thread's, as the compiler makes it for the
//! oldest machine. Everything takes turns in many short rounds.
//!
//! The line `adam, subnormal` has gradients of 0 and moments that have decayed below the smallest
//! normal number: it says whether training slows down once weights are no longer used. (elbo makes
//! such moments 0 in the first call; the plain loop keeps them.)

mod common;

use std::{collections::BTreeSet, time::Instant};

use common::{
    processors,
    timing::{Call, ROUNDS, best, rounds, speed_ratio},
};
use elbo::random::{Purpose, rng};
use elbo_kernels::{AdamStep, AdamTensor, Isa, adam, passes, team::team};
use rand::Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};

const ROWS: usize = 128;
const COLUMNS: usize = 784;
const WEIGHTS: usize = 784 * 400;
/// Of the gradient of the logistic loss: that of a mean over the batch.
const SCALE: f32 = 1.0 / ROWS as f32;
/// Up to 2.1 units in the last place of elbo's functions, 1 of std's, and a few roundings of the
/// formulas around them: 8 units at the least.
const TOLERANCE: f32 = 1e-6;
/// Of a loss that the plain loop adds up from 784 terms, with a rounding each.
const SUM_TOLERANCE: f32 = 1e-4;

/// Something that elbo and a plain loop both do.
trait Case: Clone + Send {
    fn name(&self) -> &'static str;
    fn elements(&self) -> usize;
    /// Makes the next call like the first.
    fn restore(&mut self);
    fn elbo(&mut self);
    fn plain(&mut self);
    fn results(&self) -> Vec<Values<'_>>;
}

/// What came out.
struct Values<'a> {
    values: &'a [f32],
    /// Relative.
    tolerance: f32,
    /// Below it, where terms have cancelled or values are subnormal, the tolerance is that of this.
    floor: f32,
}

/// An element-wise pass.
#[derive(Clone, Copy)]
struct Pass {
    name: &'static str,
    /// What the output holds before.
    start: fn(&Inputs) -> &[f32],
    elbo: fn(&Inputs, &mut Outputs),
    plain: fn(&Inputs, &mut Outputs),
    /// [`Values::floor`]
    floor: f32,
}

/// What passes read.
#[derive(Clone)]
struct Inputs {
    /// Before an activation.
    signals: Vec<f32>,
    /// After one, in (-1, 1).
    activations: Vec<f32>,
    gradients: Vec<f32>,
    bytes: Vec<u8>,
    /// The same in [0, 1].
    pixels: Vec<f32>,
}

/// What passes write.
#[derive(Clone)]
struct Outputs {
    values: Vec<f32>,
    row_loss: Vec<f32>,
}

/// x ← f(x).
macro_rules! in_place {
    ($name:ident, $plain:expr) => {
        Pass {
            name: stringify!($name),
            start: |inputs| &inputs.signals,
            elbo: |_, out| passes::$name(&mut out.values),
            plain: |_, out| each(&mut out.values, $plain),
            floor: 0.0,
        }
    };
}

/// d ← f(y, d).
macro_rules! backward {
    ($name:ident, $plain:expr) => {
        Pass {
            name: stringify!($name),
            start: |inputs| &inputs.gradients,
            elbo: |inputs, out| passes::$name(&inputs.activations, &mut out.values),
            plain: |inputs, out| each_pair(&inputs.activations, &mut out.values, $plain),
            floor: 0.0,
        }
    };
}

const PASSES: [Pass; 10] = [
    Pass {
        name: "logistic_loss",
        start: |inputs| &inputs.signals,
        elbo: |Inputs { pixels, signals, .. }, Outputs { values, row_loss }| {
            passes::logistic_loss(pixels, signals, COLUMNS, SCALE, values, row_loss);
        },
        plain: plain_logistic_loss,
        // σ(l) − x cancels where the decoder is right.
        floor: SCALE,
    },
    in_place!(sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
    in_place!(tanh, f32::tanh),
    in_place!(exp, f32::exp),
    in_place!(softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
    in_place!(relu, |x| x.max(0.0)),
    backward!(relu_backward, |y, d| if y > 0.0 { d } else { 0.0 }),
    // (1 − y)·(1 + y) cancels less than 1 − y².
    backward!(tanh_backward, |y, d| d * (1.0 - y) * (1.0 + y)),
    backward!(sigmoid_backward, |y, d| d * y * (1.0 - y)),
    Pass {
        name: "bytes_to_unit",
        start: |inputs| &inputs.signals,
        elbo: |inputs, out| passes::bytes_to_unit(&inputs.bytes, &mut out.values),
        plain: |inputs, out| {
            out.values.iter_mut().zip(&inputs.bytes).for_each(|(x, &b)| *x = f32::from(b) / 255.0);
        },
        floor: 0.0,
    },
];

fn each(x: &mut [f32], f: impl Fn(f32) -> f32) {
    x.iter_mut().for_each(|x| *x = f(*x));
}

fn each_pair(y: &[f32], d: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    d.iter_mut().zip(y).for_each(|(d, &y)| *d = f(y, *d));
}

fn plain_logistic_loss(inputs: &Inputs, out: &mut Outputs) {
    let logits = inputs.signals.iter().zip(out.values.iter_mut());
    let mut elements = inputs.pixels.iter().zip(logits);
    for loss in &mut out.row_loss {
        *loss = 0.0;
        for (&x, (&l, d)) in elements.by_ref().take(COLUMNS) {
            *loss += l.max(0.0) - x * l + (-l.abs()).exp().ln_1p();
            *d = SCALE * (1.0 / (1.0 + (-l).exp()) - x);
        }
    }
}

impl Inputs {
    fn new() -> Self {
        let mut rng = rng(0, Purpose::Init, 0, 0);
        let mut uniform = |most: f32| -> Vec<f32> {
            (0..ROWS * COLUMNS).map(|_| rng.random_range(-most..most)).collect()
        };
        let signals = uniform(6.0);
        let gradients = uniform(0.01);
        let bytes: Vec<u8> = uniform(256.0).iter().map(|v| v.abs() as u8).collect();
        Self {
            activations: signals.iter().map(|x| x.tanh()).collect(),
            signals,
            gradients,
            pixels: bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
            bytes,
        }
    }
}

/// A pass with its operands.
#[derive(Clone)]
struct PassCase {
    pass: Pass,
    inputs: Inputs,
    outputs: Outputs,
}

impl PassCase {
    fn new(pass: Pass) -> Self {
        let nan = |len| vec![f32::NAN; len];
        let outputs = Outputs { values: nan(ROWS * COLUMNS), row_loss: nan(ROWS) };
        Self { pass, inputs: Inputs::new(), outputs }
    }
}

impl Case for PassCase {
    fn name(&self) -> &'static str {
        self.pass.name
    }

    fn elements(&self) -> usize {
        self.outputs.values.len()
    }

    fn restore(&mut self) {
        self.outputs.values.copy_from_slice((self.pass.start)(&self.inputs));
        self.outputs.row_loss.fill(0.0);
    }

    fn elbo(&mut self) {
        (self.pass.elbo)(&self.inputs, &mut self.outputs);
    }

    fn plain(&mut self) {
        (self.pass.plain)(&self.inputs, &mut self.outputs);
    }

    fn results(&self) -> Vec<Values<'_>> {
        let Outputs { values, row_loss } = &self.outputs;
        vec![
            Values { values, tolerance: TOLERANCE, floor: self.pass.floor },
            Values { values: row_loss, tolerance: SUM_TOLERANCE, floor: 0.0 },
        ]
    }
}

/// The hundredth step at the usual settings.
fn adam_step() -> AdamStep<f32> {
    let (beta1, beta2) = (0.9_f64, 0.999_f64);
    let sqrt_correction2 = (1.0 - beta2.powi(100)).sqrt();
    AdamStep {
        rest1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        rest2: (1.0 - beta2) as f32,
        step_size: (1e-3 * sqrt_correction2 / (1.0 - beta1.powi(100))) as f32,
        epsilon: (1e-8 * sqrt_correction2) as f32,
        penalty: 0.0,
        decay: 0.0,
    }
}

/// A layer's weights with all that Adam needs of them.
#[derive(Clone)]
struct AdamCase {
    name: &'static str,
    step: AdamStep<f32>,
    param: Vec<f32>,
    grad: Vec<f32>,
    m: Vec<f32>,
    v: Vec<f32>,
}

impl AdamCase {
    /// Gradients of up to `grad`, with moments about `m` and `v`.
    fn new(name: &'static str, [grad, m, v]: [f32; 3]) -> Self {
        let mut rng = rng(0, Purpose::Init, 0, 1);
        let mut uniform = |most: f32| -> Vec<f32> {
            (0..WEIGHTS).map(|_| most * rng.random_range(-1.0..1.0)).collect()
        };
        let (param, grad) = (uniform(0.05), uniform(grad));
        Self { name, step: adam_step(), param, grad, m: vec![m; WEIGHTS], v: vec![v; WEIGHTS] }
    }
}

impl Case for AdamCase {
    fn name(&self) -> &'static str {
        self.name
    }

    fn elements(&self) -> usize {
        self.param.len()
    }

    /// One call is like another: with the gradients constant, moments tend to g and g². In the plain
    /// loop, subnormal ones stay where rounding holds them, without ever reaching 0.
    fn restore(&mut self) {}

    fn elbo(&mut self) {
        let Self { param, grad, m, v, .. } = self;
        adam(&self.step, [AdamTensor { param, grad, m, v }]);
    }

    fn plain(&mut self) {
        let AdamStep { rest1, beta2, rest2, step_size, epsilon, .. } = self.step;
        let moments = self.m.iter_mut().zip(&mut self.v);
        for ((p, &g), (m, v)) in self.param.iter_mut().zip(&self.grad).zip(moments) {
            *m += rest1 * (g - *m);
            *v = beta2 * *v + rest2 * g * g;
            *p -= step_size * *m / (v.sqrt() + epsilon);
        }
    }

    /// Weights and first moments may come near 0 by cancelling, from 0.05 and 0.01. Moments below
    /// the smallest normal number may be 0 instead.
    fn results(&self) -> Vec<Values<'_>> {
        let result = |values, floor| Values { values, tolerance: TOLERANCE, floor };
        let v_floor = f32::MIN_POSITIVE / TOLERANCE;
        let m_floor = if self.grad[0] == 0.0 { v_floor } else { 0.01 };
        vec![result(&self.param, 0.05), result(&self.m, m_floor), result(&self.v, v_floor)]
    }
}

/// elbo's results are the plain loop's, up to rounding.
fn check(case: &impl Case) {
    let (mut elbo, mut plain) = (case.clone(), case.clone());
    elbo.restore();
    elbo.elbo();
    plain.restore();
    plain.plain();
    for (ours, expected) in elbo.results().into_iter().zip(plain.results()) {
        let Values { values, tolerance, floor } = expected;
        for (i, (value, expected)) in ours.values.iter().zip(values).enumerate() {
            let close = (value - expected).abs() <= tolerance * expected.abs().max(floor);
            assert!(close, "{}, at {i}: {value} instead of {expected}", case.name());
        }
    }
}

/// `run`, timed without what restores its operands, in a team of `pool`.
fn call<'a, C: Case + 'a>(pool: &'a ThreadPool, case: &C, run: fn(&mut C)) -> Call<'a> {
    let mut case = case.clone();
    let mut seconds = move || {
        case.restore();
        let start = Instant::now();
        run(&mut case);
        start.elapsed().as_secs_f64()
    };
    Box::new(move |repeats| {
        pool.install(|| {
            team(|| {
                // For the caches, and for the team to gather.
                seconds();
                (0..repeats).map(|_| seconds()).sum::<f64>() / repeats as f64
            })
        })
    })
}

/// Prints a line of the table.
fn measure(pools: &[(usize, ThreadPool)], case: &impl Case) {
    let mut calls = vec![call(&pools[0].1, case, Case::plain)];
    calls.extend(pools.iter().map(|(_, pool)| call(pool, case, Case::elbo)));
    let times = rounds(ROUNDS, calls);
    let nanos = |times: &[f64]| 1e9 * best(times) / case.elements() as f64;
    let (plain, own) = (&times[0], &times[1..]);
    print!("{:<16} {:>8}", case.name(), case.elements());
    own.iter().for_each(|own| print!(" {:>10.3}", nanos(own)));
    print!(" {:>10.3}", nanos(plain));
    own.iter().for_each(|own| print!(" {:>10.2}", speed_ratio(own, plain)));
    println!();
}

fn print_heading(pools: &[(usize, ThreadPool)]) {
    println!("\nelement-wise passes, f32, {} kernels", Isa::active());
    println!(
        "ns/element: the best of {ROUNDS} rounds, on threads of elbo's and in a plain loop on"
    );
    println!("one thread; last columns: speed of elbo over that loop, median over the rounds\n");
    let threads = || pools.iter().map(|(threads, _)| format!(" {:>10}", format!("{threads} thr.")));
    let (own, ratios): (String, String) = (threads().collect(), threads().collect());
    println!("{:<16} {:>8}{own} {:>10}{ratios}", "pass", "elements", "plain");
}

fn main() {
    let cases = PASSES.map(PassCase::new);
    let smallest = f32::MIN_POSITIVE;
    let adams = [
        AdamCase::new("adam", [0.01, 0.01, 1e-4]),
        AdamCase::new("adam, subnormal", [0.0, smallest / 100.0, smallest / 100.0]),
    ];
    cases.iter().for_each(check);
    adams.iter().for_each(check);
    if common::is_timed() {
        let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
        let counts = BTreeSet::from([1, processors()]).into_iter();
        let pools: Vec<_> = counts.map(|n| (n, pool(n).expect("the threads start"))).collect();
        print_heading(&pools);
        cases.iter().for_each(|case| measure(&pools, case));
        adams.iter().for_each(|case| measure(&pools, case));
    }
}
