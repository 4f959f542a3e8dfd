//! Every operation once, forward and backward, small enough for Miri and valgrind. The sizes take every branch that depends on
//! them: a full shard and a remainder, partial panels and vectors, long and short rows.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use candle_core::{DType, Device, Result, Tensor, Var};
use randlab_kernels::{
    Applied, ConvSpec, PoolSpec, Statistics, adam_step, l2_norm, sgd_step, softmax_cross_entropy,
    softmax_cross_entropy_gradient,
};

/// `sin(a k^2 + .1)`
fn wave(shape: &[usize], a: f64, dtype: DType) -> Tensor {
    let values = (0..shape.iter().product()).map(|k: usize| (a * (k * k) as f64 + 0.1).sin());
    let values = Tensor::from_vec(values.collect::<Vec<f64>>(), shape, &Device::Cpu);
    values.unwrap().to_dtype(dtype).unwrap()
}

/// Compares norms of a layer's result and of all its gradients in f32 with f64, which the reference computes.
fn check(what: &str, layer: impl Fn(DType) -> Result<Applied>) {
    let sizes = [DType::F32, DType::F64].map(|dtype| {
        let applied = layer(dtype).unwrap();
        let grad = wave(applied.y().dims(), 0.7, dtype);
        let all = applied.gradients(&grad, true).unwrap();
        let all = [Some(applied.y().clone()), all.x, all.plus, all.w, all.b];
        all.iter().flatten().map(|t| l2_norm(t).unwrap()).collect::<Vec<_>>()
    });
    for (fast, exact) in sizes[0].iter().zip(&sizes[1]) {
        assert!((fast - exact).abs() < 1e-4 * exact.max(1.0), "{what}: {sizes:?}");
    }
}

#[test]
fn convolutions() {
    for ([n, c, side, o, k], stride, padding, pool) in [
        ([9, 1, 3, 2, 3], 1, 0, 1),
        ([1, 1, 5, 5, 5], 1, 2, 2),
        ([2, 2, 5, 3, 3], 2, 1, 1),
        ([1, 9, 4, 9, 3], 1, 1, 1),
        ([1, 2, 5, 2, 1], 2, 0, 1),
        ([1, 3, 6, 5, 3], 1, 1, 2),
        // Many channels: Winograd, with and without a pool, and implicit GEMM.
        ([2, 16, 3, 17, 3], 1, 1, 1),
        ([1, 17, 4, 16, 3], 1, 1, 2),
        ([1, 17, 3, 16, 3], 2, 1, 1),
    ] {
        let [x, w, b] =
            [([n, c, side, side].to_vec(), 0.37), (vec![o, c, k, k], 0.93), (vec![o], 1.3)];
        let tensor = |(shape, a): &(Vec<usize>, f64), dtype| wave(shape, *a, dtype);
        check(&format!("{n} {c} {side} {o} {k}"), |d| {
            let spec = ConvSpec { stride, padding, pool };
            Applied::conv2d_relu_pool(&tensor(&x, d), &tensor(&w, d), &tensor(&b, d), spec)
        });
        check(&format!("{n} {c} {side} {o} {k}, sums alone"), |d| {
            Applied::conv2d(&tensor(&x, d), &tensor(&w, d), None, stride, padding)
        });
    }
}

#[test]
fn linear_layers() {
    for [n, i, o] in [[1, 1, 1], [5, 9, 17], [3, 135, 5], [1, 4099, 1], [1, 3, 245]] {
        check(&format!("{n} {i} {o}"), |d| {
            Applied::linear(
                &wave(&[n, i], 0.37, d),
                &wave(&[o, i], 0.91, d),
                &wave(&[o], 1.1, d),
                true,
            )
        });
    }
}

#[test]
fn linear_layers_behind_a_relu() {
    // Enough rows, inputs and outputs for zeros to be skipped in both passes.
    let large = if cfg!(miri) { [4, 197, 64] } else { [33, 1027, 64] };
    for [n, i, o] in [[2, 9, 3], large] {
        check(&format!("{n} {i} {o}"), |d| {
            Applied::linear_behind_relu(
                &wave(&[n, i], 0.37, d).relu()?,
                &wave(&[o, i], 0.91, d),
                &wave(&[o], 1.1, d),
                true,
            )
        });
    }
}

#[test]
fn norms_and_pools() {
    let shape = [9, 2, 3, 7];
    for plus in [false, true] {
        check("batch norm", |d| {
            let plus = plus.then(|| wave(&shape, 0.53, d));
            let (w, b) = (wave(&[2], 1.0, d), wave(&[2], 1.3, d));
            let x = wave(&shape, 0.37, d);
            Applied::batch_norm(&x, (&w, &b), plus.as_ref(), plus.is_some(), Statistics::Batch)
        });
    }
    let spec = PoolSpec { side: 3, stride: 2, padding: 1 };
    check("max-pool", |d| Applied::max_pool(&wave(&shape, 0.37, d), spec));
    check("average pool", |d| Applied::average_pool(&wave(&shape, 0.37, d)));
}

#[test]
fn losses_and_steps() {
    let logits = wave(&[5, 3], 0.9, DType::F32);
    let labels = Tensor::new(&[2u32, 0, 1, 2, 0], &Device::Cpu).unwrap();
    let loss = softmax_cross_entropy(&logits, &labels).unwrap().to_scalar::<f32>().unwrap();
    let gradient = softmax_cross_entropy_gradient(&logits, &labels).unwrap();
    assert!(loss > 0.0 && gradient.sum_all().unwrap().to_scalar::<f32>().unwrap().abs() < 1e-6);
    let var = |a| Var::from_tensor(&wave(&[41], a, DType::F32)).unwrap();
    let (w, v, m, g) = (var(0.3), var(0.5), var(0.7), wave(&[41], 0.9, DType::F32));
    assert!(sgd_step(&w, &m, &g, 0.1, 0.9, 0.01).unwrap().update > 0.0);
    v.set(&v.sqr().unwrap()).unwrap();
    adam_step(&w, &m, &v, &g, 0.1, 1).unwrap();
    assert!(l2_norm(&w).unwrap().is_finite());
}
