//! Passes over slices, and the optimisers' updates.

use elbo_kernels::{
    AdamStep, AdamTensor, Isa, MomentTensor, Scalar, SgdStep, adam, math, one_moment, passes,
};

use super::Input;

/// The longest input, of several parts for each thread.
const LONGEST: usize = 40_000;

pub fn check<T: Scalar>(input: &Input) {
    let len = usize::from(input.sizes[0]) % LONGEST;
    let columns = usize::from(input.sizes[1]) % 2000;
    let x = input.elements::<T>(len, 1);
    let y = input.elements::<T>(len, 2);
    let map = |pass: fn(&mut [T]), formula: fn(T) -> T| {
        let expected: Vec<T> = x.iter().map(|&x| formula(x)).collect();
        input.expect(&expected, || {
            let mut x = x.clone();
            pass(&mut x);
            x
        });
    };
    let backward = |pass: fn(&[T], &mut [T]), formula: fn(T, T) -> T| {
        let expected: Vec<T> = y.iter().zip(&x).map(|(&y, &d)| formula(y, d)).collect();
        input.expect(&expected, || {
            let mut d = x.clone();
            pass(&y, &mut d);
            d
        });
    };
    match input.choices[0] % 18 {
        0 => map(passes::exp, math::exp),
        1 => map(passes::exp_m1, math::exp_m1),
        2 => map(passes::tanh, math::tanh),
        3 => map(passes::sigmoid, math::sigmoid),
        4 => map(passes::softplus, math::softplus),
        5 => map(passes::relu, |x| math::relu(x) + T::ZERO),
        6 => backward(passes::relu_backward, |y, d| {
            (if y <= T::ZERO { T::ZERO } else { d }) + T::ZERO
        }),
        7 => backward(passes::tanh_backward, |y, d| d * (-y).mul_add(y, T::ONE)),
        8 => backward(passes::sigmoid_backward, |y, d| d * (y * (T::ONE - y))),
        9 => backward(passes::softplus_backward, |y, d| d * -math::exp_m1(-y)),
        10 => input.expect(&[sum(&x)], || Box::new([passes::sum(&x)])),
        11 => {
            let finite = x.iter().all(|x| x.to_f64().is_finite());
            let as_number = |finite| if finite { T::ONE } else { T::ZERO };
            input.expect(&[as_number(finite)], || Box::new([as_number(passes::all_finite(&x))]));
        }
        12 => {
            let bytes: Vec<u8> =
                (0..len).map(|i| input.bits.get(i).map_or(i as u8, |&b| b)).collect();
            let expected: Vec<T> =
                bytes.iter().map(|&b| T::from_f64(f64::from(b) / 255.0)).collect();
            input.expect(&expected, || {
                let mut out = x.clone();
                passes::bytes_to_unit(&bytes, &mut out);
                out
            });
        }
        13 => {
            let x = &x[..len - len % columns.max(1)];
            let x = if columns == 0 { &[] } else { x };
            let column = |j| x.iter().skip(j).step_by(columns).fold(T::ZERO, |sum, &x| sum + x);
            let expected: Vec<T> = (0..columns).map(column).collect();
            input.expect(&expected, || {
                let mut out = input.elements(columns, 5);
                passes::sum_rows(x, &mut out);
                out
            });
        }
        14 => losses::<T>(input, columns, passes::logistic_loss),
        15 => losses::<T>(input, columns, passes::continuous_bernoulli_loss),
        16 => updates_by_adam::<T>(input, &x),
        _ => updates_by_sgd::<T>(input, &x),
    }
}

/// The tree that `sum` documents.
fn sum<T: Scalar>(x: &[T]) -> T {
    if x.len() > 4096 {
        let (one, other) = x.split_at(x.len().div_ceil(4096) / 2 * 4096);
        return sum(one) + sum(other);
    }
    let lane = |l: usize| x.iter().skip(l).step_by(16).fold(T::ZERO, |sum, &x| sum + x);
    fn tree<T: Scalar>(lane: &dyn Fn(usize) -> T, l: usize, width: usize) -> T {
        if width == 16 {
            return lane(l);
        }
        tree(lane, l, 2 * width) + tree(lane, l + width, 2 * width)
    }
    tree(&lane, 0, 1)
}

type Loss<T> = fn(&[T], &[T], usize, T, &mut [T], &mut [T]);

/// A loss row by row is that of all rows at once; its formula is held to in the tests.
fn losses<T: Scalar>(input: &Input, columns: usize, loss: Loss<T>) {
    let rows = usize::from(input.sizes[2]) % (1 + LONGEST / columns.max(1)).min(2000);
    let x: Vec<T> = (0..rows * columns).map(|i| T::from_f64((i % 256) as f64 / 255.0)).collect();
    let logits = input.elements::<T>(rows * columns, 2);
    let scale = T::from_f64(0.25);
    // The gradient, and after it the losses.
    let mut expected = input.elements(rows * columns + rows, 6);
    let (d_logits, row_loss) = expected.split_at_mut(rows * columns);
    for i in 0..rows {
        let row = i * columns..(i + 1) * columns;
        let (d, cost) = (&mut d_logits[row.clone()], &mut row_loss[i..=i]);
        Isa::Portable.scope(|| loss(&x[row.clone()], &logits[row], columns, scale, d, cost));
    }
    input.expect(&expected, || {
        let mut d_logits = input.elements(rows * columns, 7);
        let mut row_loss = input.elements(rows, 8);
        loss(&x, &logits, columns, scale, &mut d_logits, &mut row_loss);
        [d_logits, row_loss].concat().into_boxed_slice()
    });
}

/// x, or 0 for a subnormal one.
fn normal<T: Scalar>(x: T) -> T {
    if x.abs() < T::MIN_POSITIVE { T::ZERO } else { x }
}

fn updates_by_adam<T: Scalar>(input: &Input, param: &[T]) {
    let [rest1, beta2, rest2, step_size, epsilon, penalty, decay] =
        [0.1, 0.999, 0.001, 0.01, 1e-8, 0.03, 0.002].map(T::from_f64);
    let step = AdamStep { rest1, beta2, rest2, step_size, epsilon, penalty, decay };
    let [grad, m, v] = [2, 3, 4].map(|salt| input.elements::<T>(param.len(), salt));
    let of_one = |i: usize| {
        let (p, m, v) = (param[i], m[i], v[i]);
        let g = penalty.mul_add(p, grad[i]);
        let m = normal(rest1.mul_add(g - m, m));
        let v = normal((rest2 * g).mul_add(g, beta2 * v));
        let p = (-step_size).mul_add(m / (v.sqrt() + epsilon), (-decay).mul_add(p, p));
        [p, m, v]
    };
    let each: Vec<[T; 3]> = (0..param.len()).map(of_one).collect();
    let expected: Vec<T> =
        (0..3).flat_map(|of| each.iter().map(move |of_one| of_one[of])).collect();
    input.expect(&expected, || {
        let (mut param, mut m, mut v) = (Box::<[T]>::from(param), m.clone(), v.clone());
        adam(&step, [AdamTensor { param: &mut param, grad: &grad, m: &mut m, v: &mut v }]);
        [param, m, v].concat().into_boxed_slice()
    });
}

fn updates_by_sgd<T: Scalar>(input: &Input, param: &[T]) {
    let [step_size, momentum, penalty] = [0.01, 0.9, 0.03].map(T::from_f64);
    let step = SgdStep { step_size, momentum, penalty };
    let [grad, moment] = [2, 3].map(|salt| input.elements::<T>(param.len(), salt));
    let of_one = |i: usize| {
        let moment = normal(momentum.mul_add(moment[i], penalty.mul_add(param[i], grad[i])));
        [(-step_size).mul_add(moment, param[i]), moment]
    };
    let each: Vec<[T; 2]> = (0..param.len()).map(of_one).collect();
    let expected: Vec<T> =
        (0..2).flat_map(|of| each.iter().map(move |of_one| of_one[of])).collect();
    input.expect(&expected, || {
        let (mut param, mut moment) = (Box::<[T]>::from(param), moment.clone());
        one_moment(&step, [MomentTensor { param: &mut param, grad: &grad, moment: &mut moment }]);
        [param, moment].concat().into_boxed_slice()
    });
}
