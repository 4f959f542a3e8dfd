//! The kernels against candle's own operations, forced to run in main memory: values and all gradients, in f64 and f32, for odd
//! sizes, one image, channels that fill no vector, and ties.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::{Fallback, adam_step, l2_norm, sgd_step};
use crate::{
    Applied, ConvSpec, PoolSpec, Statistics, TensorGradients, rates::Rates, softmax_cross_entropy,
    softmax_cross_entropy_gradient,
};

/// `s sin(a k^2 + b)`
fn wave(shape: &[usize], (a, b, s): (f64, f64, f64), dtype: DType) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|k| s * (a * (k * k) as f64 + b).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn images(shape: &[usize], dtype: DType) -> Tensor {
    wave(shape, (0.371, 0.1, 1.2), dtype)
}

/// Multiples of a half between -1 and 1: many of each, and many zeros.
fn ties(shape: &[usize], dtype: DType) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|k| (k * k % 5) as f64 / 2.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn list(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference relative to the largest value.
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (list(a), list(b));
    let largest = b.iter().fold(1e-30_f64, |m, v| m.max(v.abs()));
    a.iter().zip(&b).fold(0.0, |m, (a, b)| m.max((a - b).abs() / largest))
}

const fn bound(dtype: DType) -> f64 {
    if matches!(dtype, DType::F64) { 1e-12 } else { 1e-5 }
}

/// Asserts that results and gradients of both agree, and that the same gradients exist.
fn agree(what: &str, dtype: DType, kernels: Result<Applied>, candle: Result<Fallback>) {
    let (kernels, candle) = (kernels.unwrap(), Applied::from(candle.unwrap()));
    results_agree(what, dtype, &kernels, &candle);
    gradients_agree(what, dtype, &kernels, &candle);
}

fn results_agree(what: &str, dtype: DType, kernels: &Applied, candle: &Applied) {
    let bound = bound(dtype);
    let error = distance(kernels.y(), candle.y());
    assert!(error < bound, "{what} {dtype:?}: result {error}");
    let statistics = [kernels, candle].map(|a| a.batch_statistics().unwrap());
    if let [Some(ours), Some(theirs)] = &statistics {
        let error = distance(&ours.0, &theirs.0).max(distance(&ours.1, &theirs.1));
        assert!(error < bound, "{what} {dtype:?}: statistics {error}");
    }
    assert_eq!(statistics[0].is_some(), statistics[1].is_some(), "{what}");
}

fn gradients_agree(what: &str, dtype: DType, kernels: &Applied, candle: &Applied) {
    let bound = bound(dtype);
    // Off zero on average: sums that cancel have no meaningful relative error.
    let grad = (wave(kernels.y().dims(), (0.7, 0.3, 1.0), dtype) + 0.5).unwrap();
    let [ours, theirs] = [kernels, candle].map(|a| a.gradients(&grad, true).unwrap());
    let each = |g: TensorGradients| [("x", g.x), ("plus", g.plus), ("w", g.w), ("b", g.b)];
    for ((name, ours), (_, theirs)) in each(ours).into_iter().zip(each(theirs)) {
        assert_eq!(ours.is_some(), theirs.is_some(), "{what} {dtype:?}: {name}");
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let error = distance(&ours, &theirs);
            assert!(error < bound, "{what} {dtype:?}: gradient of {name} {error}");
        }
    }
}

const BOTH: [DType; 2] = [DType::F64, DType::F32];

/// Images, channels, height, width, filters.
const MAPS: [[usize; 5]; 6] = [
    [1, 1, 9, 9, 1],
    [1, 3, 9, 12, 5],
    [9, 2, 11, 8, 17],
    [3, 17, 8, 8, 33],
    // As many channels as the large nets have.
    [2, 64, 8, 8, 64],
    [10, 16, 10, 9, 48],
];

#[test]
fn convolutions_agree() {
    for ([n, c, h, w, o], dtype) in MAPS.into_iter().flat_map(|m| BOTH.map(|d| (m, d))) {
        for (k, stride, padding) in
            [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 1, 0), (3, 2, 1), (5, 1, 2), (5, 2, 0), (7, 2, 3)]
        {
            let x = images(&[n, c, h, w], dtype);
            let filters = wave(&[o, c, k, k], (0.93, 0.2, 0.6), dtype);
            let b = wave(&[o], (1.3, 0.5, 0.2), dtype);
            for bias in [None, Some(&b)] {
                let spec = ConvSpec { stride, padding, pool: 1 };
                agree(
                    &format!("{n}x{c}x{h}x{w} {o} {k} {stride} {padding}"),
                    dtype,
                    Applied::conv2d(&x, &filters, bias, stride, padding),
                    Fallback::conv(&x, &filters, bias, spec, false),
                );
            }
        }
    }
}

#[test]
fn convolutions_with_relu_and_pool_agree() {
    for ([n, c, h, w, o], dtype) in MAPS.into_iter().flat_map(|m| BOTH.map(|d| (m, d))) {
        for (k, stride, padding, pool) in
            [(3, 1, 1, 1), (3, 1, 1, 2), (3, 2, 1, 2), (5, 1, 0, 2), (1, 1, 0, 3), (3, 1, 2, 3)]
        {
            let spec = ConvSpec { stride, padding, pool };
            let x = images(&[n, c, h, w], dtype);
            let filters = wave(&[o, c, k, k], (0.93, 0.2, 0.6), dtype);
            let b = wave(&[o], (1.3, 0.5, 0.2), dtype);
            let what = format!("{n}x{c}x{h}x{w} {o} {k} {spec:?}");
            let kernels = Applied::conv2d_relu_pool(&x, &filters, &b, spec).unwrap();
            let candle = Fallback::conv(&x, &filters, Some(&b), spec, true).unwrap().into();
            results_agree(&what, dtype, &kernels, &candle);
            // In f32 rounding may decide on which side of 0 a sum is, or which value of a window is the largest. Gradients
            // may differ then.
            if dtype == DType::F64 {
                gradients_agree(&what, dtype, &kernels, &candle);
            }
        }
    }
}

/// A filter that copies, so that the values of a window are equal, or 0, as often as not.
#[test]
fn of_equal_values_both_choose_the_first_and_zeros_pass_nothing() {
    for (dtype, pool) in BOTH.into_iter().flat_map(|d| [(d, 1), (d, 2), (d, 3)]) {
        let x = ties(&[3, 1, 13, 21], dtype);
        let one = Tensor::ones((1, 1, 1, 1), dtype, &Device::Cpu).unwrap();
        let zero = Tensor::zeros(1, dtype, &Device::Cpu).unwrap();
        let spec = ConvSpec { stride: 1, padding: 0, pool };
        agree(
            &format!("pool {pool}"),
            dtype,
            Applied::conv2d_relu_pool(&x, &one, &zero, spec),
            Fallback::conv(&x, &one, Some(&zero), spec, true),
        );
        let x = ties(&[11, 3], dtype);
        let w = Tensor::new(&[[1.0, 0.0, 0.0], [0.0, 1.0, -1.0]], &Device::Cpu).unwrap();
        let (w, b) = (w.to_dtype(dtype).unwrap(), Tensor::zeros(2, dtype, &Device::Cpu).unwrap());
        let candle = Fallback::linear(&x, &w, &b, true);
        agree("linear", dtype, Applied::linear(&x, &w, &b, true), candle);
        let x = ties(&[2, 3, 5, 7], dtype);
        let (w, b) = (Tensor::ones(3, dtype, &Device::Cpu).unwrap(), b.narrow(0, 0, 1).unwrap());
        let b = b.broadcast_as(3).unwrap().contiguous().unwrap();
        let var = (&w - 1e-5).unwrap();
        let given = Statistics::Given { mean: &b, var: &var };
        let candle = Fallback::batch_norm(&x, (&w, &b), Some(&x), true, given);
        agree("norm", dtype, Applied::batch_norm(&x, (&w, &b), Some(&x), true, given), candle);
    }
}

#[test]
fn linear_layers_agree() {
    for (n, i, o) in
        [(1, 1, 1), (1, 37, 5), (5, 30, 67), (7, 200, 10), (65, 5000, 3), (300, 9, 129)]
    {
        for (dtype, relu) in BOTH.into_iter().flat_map(|d| [(d, false), (d, true)]) {
            let x = wave(&[n, i], (0.37, 0.1, 1.5), dtype);
            let w = wave(&[o, i], (0.91, 0.2, 0.7), dtype);
            let b = wave(&[o], (1.1, 0.4, 0.3), dtype);
            agree(
                &format!("{n} {i} {o} {relu}"),
                dtype,
                Applied::linear(&x, &w, &b, relu),
                Fallback::linear(&x, &w, &b, relu),
            );
        }
    }
}

#[test]
fn batch_norms_agree() {
    for ([n, c, h, w, _], dtype) in MAPS.into_iter().flat_map(|m| BOTH.map(|d| (m, d))) {
        let shape = [n, c, h, w];
        let (x, plus) = (images(&shape, dtype), wave(&shape, (0.53, 0.7, 0.8), dtype));
        let vector = |a, b, s| wave(&[c], (a, b, s), dtype);
        let (scale, shift) = (vector(1.0, 0.6, 1.1), vector(1.3, 0.5, 0.2));
        let (mean, var) = (vector(0.9, 0.1, 0.5), (vector(0.2, 1.0, 0.5) + 1.0).unwrap());
        let given = Statistics::Given { mean: &mean, var: &var };
        for statistics in [Statistics::Batch, given] {
            for (relu, plus) in
                [(false, None), (true, None), (false, Some(&plus)), (true, Some(&plus))]
            {
                agree(
                    &format!("{shape:?} {relu} {}", plus.is_some()),
                    dtype,
                    Applied::batch_norm(&x, (&scale, &shift), plus, relu, statistics),
                    Fallback::batch_norm(&x, (&scale, &shift), plus, relu, statistics),
                );
            }
        }
    }
}

#[test]
fn pools_agree() {
    for (dtype, shape) in
        BOTH.into_iter().flat_map(|d| [[1, 1, 3, 3], [2, 3, 9, 8], [3, 5, 7, 37]].map(|s| (d, s)))
    {
        for (side, stride, padding) in
            [(2, 2, 0), (3, 2, 1), (3, 1, 1), (1, 2, 0), (3, 3, 2), (2, 3, 1)]
        {
            let spec = PoolSpec { side, stride, padding };
            for x in [images(&shape, dtype), ties(&shape, dtype)] {
                let what = format!("{shape:?} {spec:?}");
                agree(&what, dtype, Applied::max_pool(&x, spec), Fallback::max_pool(&x, spec));
            }
        }
        let x = images(&shape, dtype);
        agree("average", dtype, Applied::average_pool(&x), Fallback::average_pool(&x));
    }
}

#[test]
fn nan_is_passed_on() {
    let x = [1.0, f32::NAN, 3.0, -1.0, 0.0, f32::NAN, f32::NAN, 2.0];
    let x = Tensor::from_slice(&x, (1, 1, 2, 4), &Device::Cpu).unwrap();
    let spec = PoolSpec { side: 2, stride: 1, padding: 0 };
    let (ours, theirs) = (
        Applied::max_pool(&x, spec).unwrap(),
        Applied::from(Fallback::max_pool(&x, spec).unwrap()),
    );
    assert!([ours.y(), theirs.y()].iter().all(|y| list(y).iter().all(|v| v.is_nan())));
    let one = Tensor::ones(ours.y().shape(), DType::F32, &Device::Cpu).unwrap();
    let [ours, theirs] = [ours, theirs].map(|a| list(&a.gradients(&one, true).unwrap().x.unwrap()));
    assert_eq!(ours, theirs);
    let eye = Tensor::ones((1, 1), DType::F32, &Device::Cpu).unwrap();
    let zero = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
    let y = Fallback::linear(&x.reshape((8, 1)).unwrap(), &eye, &zero, true).unwrap().y();
    let nan: Vec<bool> = list(&y).iter().map(|v| v.is_nan()).collect();
    assert_eq!(nan, [false, true, false, false, false, true, true, false]);
}

#[test]
fn cross_entropies_agree() {
    for (dtype, [n, classes]) in
        BOTH.into_iter().flat_map(|d| [[1, 1], [1, 10], [7, 3], [130, 17]].map(|s| (d, s)))
    {
        let logits = Var::from_tensor(&wave(&[n, classes], (0.9, 0.2, 30.0), dtype)).unwrap();
        let labels: Vec<u32> = (0..classes).zip(0..).map(|(_, k)| k).cycle().take(n).collect();
        let labels = Tensor::from_vec(labels, n, &Device::Cpu).unwrap();
        let all = logits.log_sum_exp(1).unwrap();
        let chosen = logits.gather(&labels.unsqueeze(1).unwrap(), 1).unwrap().squeeze(1).unwrap();
        let theirs = (all - chosen).unwrap().mean_all().unwrap();
        let ours = softmax_cross_entropy(&logits, &labels).unwrap();
        let close = |a: &Tensor, b: &Tensor| {
            list(a)
                .iter()
                .zip(list(b))
                .all(|(a, b)| (a - b).abs() <= bound(dtype) * b.abs().max(1.0))
        };
        assert!(close(&ours, &theirs), "{dtype:?} {n} {classes}: {ours} {theirs}");
        let gradient = theirs.backward().unwrap().get(&logits).unwrap().clone();
        let ours = softmax_cross_entropy_gradient(&logits, &labels).unwrap();
        assert!(close(&ours, &gradient), "{dtype:?} {n} {classes}");
    }
}

#[test]
fn optimiser_steps_agree() {
    for (dtype, shape) in
        BOTH.into_iter().flat_map(|d| [vec![1], vec![17, 3], vec![70_001]].map(|s| (d, s)))
    {
        let start = || {
            [(0.3, 0.1, 0.9), (0.9, 0.2, 0.3), (0.7, 0.3, 0.2)]
                .map(|w| Var::from_tensor(&wave(&shape, w, dtype)).unwrap())
        };
        let g = wave(&shape, (0.37, 0.5, 1.1), dtype);
        let (ours, theirs) = (start(), start());
        for (momentum, decay) in [(0.9, 0.01), (0.0, 0.0)] {
            let rates = Rates { lr: 0.1, momentum, decay };
            let a = crate::sgd_step(&ours[0], &ours[1], &g, 0.1, momentum, decay).unwrap();
            let b = sgd_step(&theirs[0], &theirs[1], &g, rates).unwrap();
            for (a, b) in [(a.grad, b.grad), (a.update, b.update)] {
                assert!((a - b).abs() < bound(dtype) * b, "{dtype:?} {shape:?}");
            }
        }
        for step in 1..3 {
            // The second moments are not negative.
            let squares = [&ours[2], &theirs[2]].map(|t| t.sqr().unwrap());
            ours[2].set(&squares[0]).unwrap();
            theirs[2].set(&squares[1]).unwrap();
            crate::adam_step(&ours[0], &ours[1], &ours[2], &g, 0.01, step).unwrap();
            let power = |b: f64| 1.0 - b.powf(step as f64);
            let corrections = (0.01 / power(0.9), power(0.999));
            adam_step(&theirs[0], (&theirs[1], &theirs[2]), &g, corrections).unwrap();
        }
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!(distance(ours, theirs) < bound(dtype), "{dtype:?} {shape:?}");
        }
        assert!((crate::l2_norm(&g).unwrap() / l2_norm(&g).unwrap() - 1.0).abs() < bound(dtype));
    }
}
