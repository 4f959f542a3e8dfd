//! Every operation against central differences in f64, against candle's own, and under several thread counts.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use candle_core::{DType, Device, Result, Tensor, Var};
use randlab_kernels::{
    Applied, ConvSpec, PoolSpec, Statistics, TensorGradients, conv2d_relu_pool, correct, linear,
    softmax_cross_entropy,
};

/// `s sin(a k + b)`: deterministic, without ties, and positive as often as negative.
fn wave(shape: &[usize], a: f64, b: f64, s: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|k| s * (a * k as f64 + b).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Largest difference between the gradients of `f` and central differences, relative to the largest gradient.
fn worst(at: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> f64 {
    const H: f64 = 1e-5;
    let vars: Vec<Var> = at.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let grads = f(&tensors).unwrap().backward().unwrap();
    let mut worst: f64 = 0.0;
    for (i, t) in tensors.iter().enumerate() {
        let analytic = grads.get(t).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let values = at[i].flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let largest = analytic.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        assert!(largest > 1e-3, "argument {i} has no gradient to speak of");
        for k in 0..values.len() {
            let moved = |h: f64| {
                let mut values = values.clone();
                values[k] += h;
                let mut args = at.to_vec();
                args[i] = Tensor::from_vec(values, at[i].shape(), &Device::Cpu).unwrap();
                f(&args).unwrap().to_scalar::<f64>().unwrap()
            };
            let numeric = (moved(H) - moved(-H)) / (2.0 * H);
            worst = worst.max((numeric - analytic[k]).abs() / largest);
        }
    }
    worst
}

/// A scalar whose gradient differs for every entry of `y`.
fn weighted(y: &Tensor) -> Result<Tensor> {
    (y * wave(y.dims(), 0.7, 0.3, 1.0))?.sum_all()
}

/// The same for a layer that is not on the tape; `of` picks the gradients that belong to the arguments.
fn worst_applied(
    at: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Applied>,
    of: impl Fn(TensorGradients) -> Vec<Option<Tensor>>,
) -> f64 {
    const H: f64 = 1e-5;
    let applied = f(at).unwrap();
    let grad = wave(applied.y().dims(), 0.7, 0.3, 1.0);
    let grads = of(applied.gradients(&grad, true).unwrap());
    let mut worst: f64 = 0.0;
    for (i, (t, grad)) in at.iter().zip(grads).enumerate() {
        let list = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let (values, analytic) = (list(t), list(&grad.unwrap()));
        let largest = analytic.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        for (k, analytic) in analytic.iter().enumerate() {
            let moved = |h: f64| {
                let mut values = values.clone();
                values[k] += h;
                let mut args = at.to_vec();
                args[i] = Tensor::from_vec(values, t.shape(), &Device::Cpu).unwrap();
                weighted(f(&args).unwrap().y()).unwrap().to_scalar::<f64>().unwrap()
            };
            let numeric = (moved(H) - moved(-H)) / (2.0 * H);
            worst = worst.max((numeric - analytic).abs() / largest);
        }
    }
    worst
}

#[test]
fn batch_norm_gradients_match_finite_differences() {
    let shape = [10, 3, 3, 2];
    let [x, plus] = [wave(&shape, 0.371, 0.1, 1.2), wave(&shape, 0.53, 0.7, 0.8)];
    let [w, b] = [wave(&[3], 1.0, 0.6, 1.1), wave(&[3], 1.3, 0.5, 0.2)];
    let (mean, var) = (wave(&[3], 0.9, 0.1, 0.5), wave(&[3], 0.2, 1.0, 2.0));
    let given = Statistics::Given { mean: &mean, var: &var };
    for statistics in [Statistics::Batch, given] {
        for relu in [false, true] {
            let args = [x.clone(), w.clone(), b.clone(), plus.clone()];
            let alone = worst_applied(
                &args[..3],
                |a| Applied::batch_norm(&a[0], (&a[1], &a[2]), None, relu, statistics),
                |g| vec![g.x, g.w, g.b],
            );
            let added = worst_applied(
                &args,
                |a| Applied::batch_norm(&a[0], (&a[1], &a[2]), Some(&a[3]), relu, statistics),
                |g| vec![g.x, g.w, g.b, g.plus],
            );
            assert!(alone < 1e-6 && added < 1e-6, "{statistics:?} {relu}: {alone} {added}");
        }
    }
}

#[test]
fn batch_statistics_are_mean_and_unbiased_variance() {
    let x = Tensor::new(&[1.0_f64, 2.0, 6.0, 3.0, 3.0, 3.0], &Device::Cpu).unwrap();
    let x = x.reshape((1, 2, 3, 1)).unwrap();
    let one = Tensor::ones(2, DType::F64, &Device::Cpu).unwrap();
    let norm =
        |x: &Tensor, statistics| Applied::batch_norm(x, (&one, &one), None, false, statistics);
    let (mean, var) = norm(&x, Statistics::Batch).unwrap().batch_statistics().unwrap().unwrap();
    for (found, expected) in [(&mean, [3.0, 3.0]), (&var, [7.0, 0.0])] {
        let found = found.to_vec1::<f64>().unwrap();
        assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-14), "{found:?}");
    }
    let given = norm(&x, Statistics::Given { mean: &mean, var: &var }).unwrap();
    assert!(given.batch_statistics().unwrap().is_none());
    let y = given.y().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert!((y[2] - (1.0 + 3.0 / 7.00001_f64.sqrt())).abs() < 1e-12 && (y[4] - 1.0).abs() < 1e-12);
    let message = norm(&x.narrow(2, 0, 1).unwrap(), Statistics::Batch).err().unwrap().to_string();
    assert!(message.contains("no variance of one value"), "{message}");
}

#[test]
fn gradients_of_plain_convolutions_and_pools_match_finite_differences() {
    for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (1, 2, 0), (7, 2, 3)] {
        let args = conv_arguments([9, 2, 7, 6], [3, 2, kernel, kernel]);
        let with = worst_applied(
            &args,
            |a| Applied::conv2d(&a[0], &a[1], Some(&a[2]), stride, padding),
            |g| vec![g.x, g.w, g.b],
        );
        let without = worst_applied(
            &args[..2],
            |a| Applied::conv2d(&a[0], &a[1], None, stride, padding),
            |g| {
                assert!(g.b.is_none());
                vec![g.x, g.w]
            },
        );
        assert!(with < 1e-6 && without < 1e-6, "{kernel} {stride}: {with} {without}");
    }
    let x = [wave(&[3, 2, 7, 6], 0.371, 0.1, 1.2), wave(&[3, 2, 7, 6], 0.53, 0.7, 0.8)];
    for spec in
        [PoolSpec { side: 2, stride: 2, padding: 0 }, PoolSpec { side: 3, stride: 2, padding: 1 }]
    {
        let error = worst_applied(&x[..1], |a| Applied::max_pool(&a[0], spec), |g| vec![g.x]);
        assert!(error < 1e-6, "{spec:?} {error}");
    }
    let error = worst_applied(&x[..1], |a| Applied::average_pool(&a[0]), |g| vec![g.x]);
    assert!(error < 1e-6, "{error}");
    let error = worst_applied(&x, |a| Applied::sum(&a[0], &a[1]), |g| vec![g.x, g.plus]);
    assert!(error < 1e-6, "{error}");
}

fn conv_arguments(shape: [usize; 4], filters: [usize; 4]) -> [Tensor; 3] {
    [
        wave(&shape, 0.371, 0.1, 1.2),
        wave(&filters, 0.93, 0.2, 0.6),
        wave(&filters[..1], 1.3, 0.5, 0.2),
    ]
}

#[test]
fn convolution_gradients_match_finite_differences() {
    for (stride, padding, pool) in
        [(1, 0, 1), (2, 0, 1), (2, 1, 1), (1, 1, 2), (1, 0, 2), (2, 1, 2), (1, 2, 3), (3, 0, 1)]
    {
        let spec = ConvSpec { stride, padding, pool };
        // Ten images: a full shard and a remainder. Nine rows and eight columns: partial pool windows.
        let args = conv_arguments([10, 2, 9, 8], [3, 2, 3, 3]);
        let error = worst(&args, |a| weighted(&conv2d_relu_pool(&a[0], &a[1], &a[2], spec)?));
        assert!(error < 1e-6, "{spec:?}: {error}");
    }
}

#[test]
fn of_equal_values_in_a_window_the_first_gets_the_gradient() {
    let one = |v: &[f64], shape: &[usize]| {
        Var::from_tensor(&Tensor::from_slice(v, shape, &Device::Cpu).unwrap()).unwrap()
    };
    let x = one(&[3.0, 3.0, 1.0, 3.0, 0.0, 0.0, -1.0, 0.0], &[1, 1, 2, 4]);
    let (w, b) = (one(&[1.0], &[1, 1, 1, 1]), one(&[0.0], &[1]));
    let spec = ConvSpec { stride: 1, padding: 0, pool: 2 };
    let y = conv2d_relu_pool(&x, &w, &b, spec).unwrap();
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), [3.0, 3.0]);
    let grads = y.sum_all().unwrap().backward().unwrap();
    let dx = grads.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(dx, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    // A window without a positive value has no gradient.
    let negative = one(&[-1.0, -2.0, 0.0, -3.0], &[1, 1, 2, 2]);
    let y = conv2d_relu_pool(&negative, &w, &b, spec).unwrap();
    let dx = y.sum_all().unwrap().backward().unwrap().get(&negative).unwrap().clone();
    assert_eq!(dx.abs().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().to_bits(), 0);
}

/// One image, one channel, and sides that are odd and differ.
#[test]
fn gradients_of_a_single_image_match_finite_differences() {
    for (kernel, stride, padding, pool) in [(1, 1, 0, 2), (3, 1, 1, 1), (5, 1, 2, 2), (5, 2, 0, 1)]
    {
        for channels in [1, 3] {
            let spec = ConvSpec { stride, padding, pool };
            let args = conv_arguments([1, channels, 7, 9], [5, channels, kernel, kernel]);
            let error = worst(&args, |a| weighted(&conv2d_relu_pool(&a[0], &a[1], &a[2], spec)?));
            assert!(error < 1e-6, "{spec:?} {kernel} {channels}: {error}");
        }
    }
    let args =
        [wave(&[1, 7], 0.37, 1.1, 1.5), wave(&[3, 7], 0.91, 0.2, 0.7), wave(&[3], 1.1, 0.4, 0.3)];
    let error = worst(&args, |a| weighted(&linear(&a[0], &a[1], &a[2], true)?));
    assert!(error < 1e-6, "linear: {error}");
    let args = [
        wave(&[1, 3, 5, 3], 0.371, 0.1, 1.2),
        wave(&[3], 1.0, 0.6, 1.1),
        wave(&[3], 1.3, 0.5, 0.2),
    ];
    let error = worst_applied(
        &args,
        |a| Applied::batch_norm(&a[0], (&a[1], &a[2]), None, true, Statistics::Batch),
        |g| vec![g.x, g.w, g.b],
    );
    assert!(error < 1e-6, "batch norm: {error}");
    let x = [wave(&[1, 1, 5, 7], 0.371, 0.1, 1.2)];
    let spec = PoolSpec { side: 3, stride: 2, padding: 1 };
    let error = worst_applied(&x, |a| Applied::max_pool(&a[0], spec), |g| vec![g.x]);
    assert!(error < 1e-6, "max-pool: {error}");
    let label = Tensor::new(&[1u32], &Device::Cpu).unwrap();
    let logits = [wave(&[1, 3], 0.9, 0.2, 3.0)];
    let error = worst(&logits, |a| softmax_cross_entropy(&a[0], &label));
    assert!(error < 1e-6, "cross-entropy: {error}");
}

#[test]
fn linear_gradients_match_finite_differences() {
    for relu in [false, true] {
        let args = [
            wave(&[70, 6], 0.37, 0.1, 1.5),
            wave(&[5, 6], 0.91, 0.2, 0.7),
            wave(&[5], 1.1, 0.4, 0.3),
        ];
        let error = worst(&args, |a| weighted(&linear(&a[0], &a[1], &a[2], relu)?));
        assert!(error < 1e-6, "relu {relu}: {error}");
    }
}

#[test]
fn wide_weight_gradients_are_assembled_correctly() {
    // More columns than one task computes.
    let (x, w) = (wave(&[3, 9000], 0.37, 0.1, 1.0), wave(&[2, 9000], 0.91, 0.2, 0.1));
    let w = Var::from_tensor(&w).unwrap();
    let b = Var::from_tensor(&wave(&[2], 1.0, 0.0, 0.1)).unwrap();
    let weights = wave(&[3, 2], 0.7, 0.3, 1.0);
    let y = linear(&x, &w, &b, false).unwrap();
    let grads = (y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
    let expected = weights.t().unwrap().matmul(&x).unwrap();
    assert!(distance(grads.get(&w).unwrap(), &expected) < 1e-12);
}

#[test]
fn cross_entropy_is_right_and_so_is_its_gradient() {
    let labels = Tensor::from_slice(&[2u32, 0, 1, 2], 4, &Device::Cpu).unwrap();
    let logits = wave(&[4, 3], 0.9, 0.2, 3.0);
    let error = worst(std::slice::from_ref(&logits), |a| {
        softmax_cross_entropy(&a[0], &labels)?.affine(2.0, 0.0)
    });
    assert!(error < 1e-6, "{error}");
    let ours = softmax_cross_entropy(&logits, &labels).unwrap().to_scalar::<f64>().unwrap();
    let theirs = candle_nn::loss::cross_entropy(&logits, &labels).unwrap();
    assert!((ours - theirs.to_scalar::<f64>().unwrap()).abs() < 1e-12);
    // Large logits neither overflow nor lose precision.
    let large = Tensor::new(&[[1000.0_f32, 0.0], [0.0, 1000.0]], &Device::Cpu).unwrap();
    let zeros = Tensor::new(&[0u32, 0], &Device::Cpu).unwrap();
    let loss = softmax_cross_entropy(&large, &zeros).unwrap().to_scalar::<f32>().unwrap();
    assert!((loss - 500.0).abs() < 1e-3);
    let wrong = Tensor::new(&[0u32, 2], &Device::Cpu).unwrap();
    let message = softmax_cross_entropy(&large, &wrong).unwrap_err().to_string();
    assert!(message.contains("label 2, but 2 classes"), "{message}");
}

#[test]
fn predictions_count_the_first_of_equal_values() {
    let logits =
        Tensor::new(&[[1.0_f32, 1.0, 0.0], [0.0, 2.0, 2.0], [0.0, 0.0, 1.0]], &Device::Cpu);
    let labels = Tensor::new(&[0u32, 2, 2], &Device::Cpu).unwrap();
    assert_eq!(correct(&logits.unwrap(), &labels).unwrap(), 2);
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a.to_dtype(DType::F64).unwrap() - b.to_dtype(DType::F64).unwrap()).unwrap();
    let size = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
    size(&difference) / size(&b.to_dtype(DType::F64).unwrap())
}

#[test]
fn convolution_agrees_with_candles_in_single_precision() {
    for (stride, padding) in [(1, 0), (2, 0), (2, 1)] {
        let args = conv_arguments([11, 3, 12, 12], [5, 3, 3, 3]);
        let [x, w, b] = args.map(|t| Var::from_tensor(&t.to_dtype(DType::F32).unwrap()).unwrap());
        let spec = ConvSpec { stride, padding, pool: 1 };
        let ours = conv2d_relu_pool(&x, &w, &b, spec).unwrap();
        let theirs = x.conv2d(&w, padding, stride, 1, 1).unwrap();
        let theirs =
            theirs.broadcast_add(&b.reshape((1, 5, 1, 1)).unwrap()).unwrap().relu().unwrap();
        assert!(distance(&ours, &theirs) < 3e-6);
        let grads =
            [&ours, &theirs].map(|y| y.sqr().unwrap().sum_all().unwrap().backward().unwrap());
        for var in [&x, &w, &b] {
            let [one, other] = [0, 1].map(|i| grads[i].get(var).unwrap().clone());
            assert!(distance(&one, &other) < 3e-6);
        }
    }
}

#[test]
fn a_layer_without_the_tape_gives_the_bits_of_the_tape() {
    for dtype in [DType::F64, DType::F32] {
        let var = |t: Tensor| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap();
        let grad = |y: &Tensor| wave(y.dims(), 0.7, 0.3, 1.0).to_dtype(dtype).unwrap();
        let check = |[x, w, b]: &[Var; 3], tape: Tensor, applied: Applied| {
            let list = |t: &Tensor| {
                let t = t.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
                t.to_vec1::<f64>().unwrap()
            };
            assert_eq!(list(&tape), list(applied.y()));
            let theirs = (&tape * grad(&tape)).unwrap().sum_all().unwrap().backward().unwrap();
            let ours = applied.gradients(&grad(&tape), true).unwrap();
            for (var, ours) in [(x, ours.x), (w, ours.w), (b, ours.b)] {
                assert_eq!(list(theirs.get(var).unwrap()), list(&ours.unwrap()));
            }
        };
        let spec = ConvSpec { stride: 1, padding: 1, pool: 2 };
        let args = conv_arguments([11, 3, 12, 12], [5, 3, 3, 3]).map(var);
        let [x, w, b] = &args;
        let tape = conv2d_relu_pool(x, w, b, spec).unwrap();
        check(&args, tape, Applied::conv2d_relu_pool(x, w, b, spec).unwrap());
        let args = [
            wave(&[70, 6], 0.37, 0.1, 1.5),
            wave(&[5, 6], 0.91, 0.2, 0.7),
            wave(&[5], 1.1, 0.4, 0.3),
        ]
        .map(var);
        let [x, w, b] = &args;
        check(&args, linear(x, w, b, true).unwrap(), Applied::linear(x, w, b, true).unwrap());
    }
}

/// Values and gradients of a small net, as bits.
fn bits() -> Vec<u32> {
    let single = |t: Tensor| Var::from_tensor(&t.to_dtype(DType::F32).unwrap()).unwrap();
    let [x, w, b] = conv_arguments([37, 3, 12, 12], [6, 3, 3, 3]).map(single);
    let fc = single(wave(&[4, 150], 0.5, 0.1, 0.2));
    let fb = single(wave(&[4], 0.5, 0.1, 0.2));
    let spec = ConvSpec { stride: 1, padding: 0, pool: 2 };
    let y = conv2d_relu_pool(&x, &w, &b, spec).unwrap().flatten_from(1).unwrap();
    let logits = linear(&y, &fc, &fb, false).unwrap();
    let labels: Vec<u32> = (0..37).map(|i| i % 4).collect();
    let labels = Tensor::from_vec(labels, 37, &Device::Cpu).unwrap();
    let loss = softmax_cross_entropy(&logits, &labels).unwrap();
    let grads = loss.backward().unwrap();
    let tensors = [&x, &w, &b, &fc, &fb].map(|v| grads.get(v).unwrap().clone());
    let all = tensors.iter().chain([&logits, &loss]);
    let values = all.flat_map(|t| t.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    values.map(f32::to_bits).collect()
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let with = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(bits)
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert!(one == with(threads), "{threads} threads");
    }
}

#[test]
fn mismatched_shapes_are_refused() {
    let [x, w, b] = conv_arguments([2, 3, 4, 4], [2, 3, 3, 3]);
    let spec = |pool| ConvSpec { stride: 1, padding: 0, pool };
    assert!(conv2d_relu_pool(&x, &w, &b, spec(3)).is_err());
    assert!(conv2d_relu_pool(&x, &wave(&[2, 3, 5, 5], 1.0, 0.0, 1.0), &b, spec(1)).is_err());
    assert!(conv2d_relu_pool(&x, &wave(&[2, 1, 3, 3], 1.0, 0.0, 1.0), &b, spec(1)).is_err());
    assert!(conv2d_relu_pool(&x, &w.to_dtype(DType::F32).unwrap(), &b, spec(1)).is_err());
    for (side, padding) in [(7, 1), (2, 2)] {
        assert!(Applied::max_pool(&x, PoolSpec { side, stride: 2, padding }).is_err());
    }
    let norm = |w: &Tensor| Applied::batch_norm(&x, (w, w), None, false, Statistics::Batch);
    assert!(norm(&wave(&[3], 1.0, 0.0, 1.0)).is_ok() && norm(&b).is_err());
    assert!(
        linear(&wave(&[2, 3], 1.0, 0.0, 1.0), &wave(&[2, 4], 1.0, 0.0, 1.0), &b, true).is_err()
    );
}

/// candle's gradient is 1/k^2 of the true one, which is why its pool is not used here. When this fails, candle has
/// changed: reconsider using its pool.
#[test]
#[expect(clippy::disallowed_methods, reason = "the trap itself is under test")]
fn upstreams_max_pool_gradient_is_still_wrong() {
    let x = Var::from_tensor(&wave(&[1, 1, 2, 2], 1.0, 0.1, 1.0)).unwrap();
    let grads = x.max_pool2d(2).unwrap().sum_all().unwrap().backward().unwrap();
    let largest = grads.get(&x).unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
    assert!((largest - 0.25).abs() < 1e-12, "{largest}");
}
