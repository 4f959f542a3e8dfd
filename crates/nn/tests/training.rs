//! Whole nets: gradients against central differences, modes, optimisers and what is saved.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod pass;

use candle_core::{DType, Device, Tensor};
use pass::Pass;
use randlab_core::Seed;
use randlab_nn::{
    Adam, Architectures, Cnn, Cnn2, ConvLayer, CrossEntropy, InitSpec, Laws, Loss, Mlp, Net, Optim,
    Optimizers, Parameter, Parameters, Sgd, Targets, init, layers,
};

const SGD: Optimizers = Optimizers::Sgd(Sgd { momentum: 0.9, weight_decay: 0.0 });

/// Entry k is `s sin(a k + b)`.
fn wave(shape: &[usize], a: f64, b: f64, s: f64) -> Vec<f64> {
    (0..shape.iter().product()).map(|k| s * (a * k as f64 + b).sin()).collect()
}

fn tensor(shape: &[usize], values: Vec<f64>, dtype: DType) -> Tensor {
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn labels(n: usize, classes: usize) -> Tensor {
    let labels: Vec<u32> = (0..n).map(|k| u32::try_from(k % classes).unwrap()).collect();
    Tensor::from_vec(labels, n, &Device::Cpu).unwrap()
}

struct Case {
    model: Architectures,
    input: [usize; 3],
    n: usize,
    classes: usize,
}

fn cases() -> [Case; 5] {
    let cnn2 = |kernel, stride, padding, pool| {
        Cnn2 { kernel, filters: 4, stride, padding, pool, hidden: 5 }.into()
    };
    let case = |model: Architectures, input| Case { model, input, n: 6, classes: 3 };
    [
        case(Mlp { hidden: vec![9, 8] }.into(), [7, 1, 1]),
        case(cnn2(3, 1, 0, 1), [3, 8, 8]),
        case(cnn2(3, 2, 1, 1), [1, 9, 9]),
        case(cnn2(5, 1, 2, 2), [2, 7, 8]),
        case(
            Cnn {
                convs: vec![
                    ConvLayer { filters: 3, stride: 2, pool: 1 },
                    ConvLayer { filters: 3, stride: 1, pool: 2 },
                    ConvLayer { filters: 3, stride: 1, pool: 1 },
                ],
                hidden: vec![6],
            }
            .into(),
            [3, 12, 12],
        ),
    ]
}

fn fresh(case: &Case) -> Parameters {
    let layers = layers(&case.model, case.input, case.classes).unwrap();
    let mut parameters = init(&layers, &InitSpec::of(Laws::He), Seed::new(5)).unwrap();
    // Biases off zero, so that their gradients are tested away from a special point.
    for (name, p) in &mut parameters {
        if name.contains("bias") {
            p.values.iter_mut().enumerate().for_each(|(i, b)| *b = 0.1 + 0.03 * i as f32);
        }
    }
    parameters
}

fn pass(net: &Net, case: &Case) -> Pass {
    let shape = [case.n, case.input[0], case.input[1], case.input[2]];
    let x = tensor(&shape, wave(&shape, 0.371, 0.1, 1.3), DType::F64);
    pass::pass(net, &x, &labels(case.n, case.classes))
}

#[test]
fn gradients_of_whole_nets_match_finite_differences() {
    const H: f64 = 1e-6;
    for case in cases() {
        let parameters = fresh(&case);
        let net = Net::new(&case.model, case.input, case.classes, &parameters, DType::F64).unwrap();
        let grads = pass(&net, &case).grads;
        for (name, var) in net.parameters() {
            let analytic = grads.get(var.as_tensor()).unwrap().flatten_all().unwrap();
            let analytic = analytic.to_vec1::<f64>().unwrap();
            let largest = analytic.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
            let at = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for k in (0..at.len()).step_by(at.len().div_ceil(40)) {
                let moved = |h: f64| {
                    let mut values = at.clone();
                    values[k] += h;
                    var.set(&tensor(var.dims(), values, DType::F64)).unwrap();
                    pass(&net, &case).loss
                };
                let numeric = (moved(H) - moved(-H)) / (2.0 * H);
                moved(0.0);
                let error = (numeric - analytic[k]).abs() / largest;
                assert!(error < 1e-6, "{:?} {name}[{k}]: {error}", case.model);
            }
        }
    }
}

#[test]
fn without_batch_norm_evaluation_gives_the_bits_of_training() {
    for (case, dtype) in cases().iter().flat_map(|c| [(c, DType::F64), (c, DType::F32)]) {
        let net = Net::new(&case.model, case.input, case.classes, &fresh(case), dtype).unwrap();
        let shape = [case.n, case.input[0], case.input[1], case.input[2]];
        let x = tensor(&shape, wave(&shape, 0.371, 0.1, 1.3), dtype);
        let y = labels(case.n, case.classes);
        let (logits, pass) = (net.forward(&x).unwrap(), pass::pass(&net, &x, &y));
        let (trained, _) = net.forward_train(&x).unwrap();
        let loss = CrossEntropy {}.value(&logits, &Targets::Classes(y)).unwrap();
        assert_eq!(loss.to_bits(), pass.loss.to_bits());
        let list = |t: &Tensor| {
            let t = t.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
            t.to_vec1::<f64>().unwrap()
        };
        assert_eq!(list(&logits), list(&trained));
        assert_eq!(net.buffers().count(), 0);
    }
}

/// One step, written out by hand for one weight and one bias.
#[test]
fn optimisers_follow_their_formulas() {
    let case = &cases()[0];
    let build =
        || Net::new(&case.model, case.input, case.classes, &fresh(case), DType::F64).unwrap();
    let read = |net: &Net, name: &str| {
        let var = net.parameters().find(|(n, _)| *n == name).unwrap().1;
        var.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
    };
    let grad = |net: &Net, name: &str| {
        let var = net.parameters().find(|(n, _)| *n == name).unwrap().1;
        let grads = pass(net, case).grads;
        grads.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
    };
    for (name, decay) in [("fc1.weight", 0.01), ("fc1.bias", 0.0)] {
        let (net, kind) = (build(), Sgd { momentum: 0.9, weight_decay: 0.01 }.into());
        let mut optim = Optim::new(&kind, &net).unwrap();
        let (mut w, mut v) = (read(&net, name), 0.0);
        for _ in 0..3 {
            v = 0.9 * v + grad(&net, name) + decay * w;
            w -= 0.1 * v;
            optim.step(&net, &pass(&net, case).grads, 0.1).unwrap();
            assert!((read(&net, name) - w).abs() < 1e-14, "{name}");
        }
    }
    let net = build();
    let mut optim = Optim::new(&Adam {}.into(), &net).unwrap();
    let (mut w, mut m, mut v) = (read(&net, "fc1.weight"), 0.0, 0.0);
    for t in 1..4 {
        let g = grad(&net, "fc1.weight");
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        let (mean, square) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
        w -= 0.01 * mean / (square.sqrt() + 1e-8);
        optim.step(&net, &pass(&net, case).grads, 0.01).unwrap();
        assert!((read(&net, "fc1.weight") - w).abs() < 1e-13);
    }
}

#[test]
fn a_saved_optimiser_goes_on_with_the_same_bits() {
    let case = &cases()[1];
    for kind in [SGD, Adam {}.into()] {
        let start =
            || Net::new(&case.model, case.input, case.classes, &fresh(case), DType::F32).unwrap();
        let step = |net: &Net, optim: &mut Optim| {
            let shape = [case.n, case.input[0], case.input[1], case.input[2]];
            let x = tensor(&shape, wave(&shape, 0.371, 0.1, 1.3), DType::F32);
            let pass = pass::pass(net, &x, &labels(case.n, case.classes));
            optim.step(net, &pass.grads, 0.05).unwrap();
        };
        let straight = start();
        let mut optim = Optim::new(&kind, &straight).unwrap();
        (0..3).for_each(|_| step(&straight, &mut optim));
        let saved = (straight.export().unwrap(), optim.export().unwrap());
        (0..3).for_each(|_| step(&straight, &mut optim));
        let resumed =
            Net::new(&case.model, case.input, case.classes, &saved.0, DType::F32).unwrap();
        let mut optim = Optim::new(&kind, &resumed).unwrap();
        optim.import(&saved.1).unwrap();
        (0..3).for_each(|_| step(&resumed, &mut optim));
        assert_eq!(straight.export().unwrap(), resumed.export().unwrap());
    }
}

#[test]
fn norms_are_those_of_gradient_and_change() {
    let case = &cases()[0];
    let net = Net::new(&case.model, case.input, case.classes, &fresh(case), DType::F64).unwrap();
    let before = net.export().unwrap();
    let mut optim = Optim::new(&SGD, &net).unwrap();
    let grads = pass(&net, case).grads;
    let norms = optim.step(&net, &grads, 0.1).unwrap();
    let after = net.export().unwrap();
    for (name, norm) in &norms.update {
        let pairs = before[name].values.iter().zip(&after[name].values);
        let change = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
        assert!((change - norm).abs() < 1e-6, "{name}");
        // The first step has no momentum yet.
        assert!((norms.grad[name] * 0.1 - norm).abs() < 1e-12, "{name}");
    }
    let total: f64 = norms.grad.values().map(|n| n * n).sum();
    assert!((norms.grad_total().powi(2) - total).abs() < 1e-12);
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let case = &cases()[1];
    let build = |p: &Parameters| {
        Net::new(&case.model, case.input, case.classes, p, DType::F32).err().unwrap().to_string()
    };
    let mut missing = fresh(case);
    missing.remove("fc1.bias");
    assert_eq!(build(&missing), "tensor fc1.bias: missing");
    let mut wrong = fresh(case);
    wrong.insert("head.bias".into(), Parameter { shape: vec![4], values: vec![0.0; 4] });
    assert_eq!(build(&wrong), "tensor head.bias: shape [4], expected [3]");
    let large = Cnn2 { kernel: 9, filters: 1, stride: 1, padding: 0, pool: 1, hidden: 1 }.into();
    let message = layers(&large, [3, 8, 8], 2).unwrap_err().to_string();
    assert!(message.contains("kernel 9") && message.contains("8x8"), "{message}");
}
