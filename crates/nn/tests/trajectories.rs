//! Every net trained for some steps: against `PyTorch`, and bit by bit under several thread counts.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod goldens;
mod pass;
mod small;

use candle_core::DType;
use pass::{Pass, pass};
use randlab_nn::{Adam, Architectures, Optim, Optimizers, Sgd};
use small::{Small, evaluated};

const SGD: Optimizers = Optimizers::Sgd(Sgd { momentum: 0.9, weight_decay: 0.001 });

/// Losses before each of 20 steps, and the loss in evaluation mode after them.
#[test]
fn every_net_follows_the_trajectory_of_pytorch() {
    for (small, expected) in small::all().iter().zip(goldens::ALL) {
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
            let (net, x, y) = small.start(dtype);
            let mut optim = Optim::new(&SGD, &net).unwrap();
            let mut losses = Vec::new();
            for _ in 0..20 {
                let Pass { loss, grads } = pass(&net, &x, &y);
                losses.push(loss);
                optim.step(&net, &grads, small.lr).unwrap();
            }
            losses.push(evaluated(&net, &x, &y));
            for (loss, expected) in losses.iter().zip(expected) {
                let error = (loss - expected).abs() / expected.abs().max(1.0);
                assert!(error < tolerance, "{:?} {dtype:?} {losses:?}", small.model);
            }
        }
    }
}

/// All that two steps leave behind, and the logits after them, as bits.
fn bits(small: &Small, kind: &Optimizers) -> Vec<u64> {
    let (net, x, y) = small.start(DType::F32);
    let mut optim = Optim::new(kind, &net).unwrap();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let Pass { loss, grads } = pass(&net, &x, &y);
        let norms = optim.step(&net, &grads, small.lr).unwrap();
        numbers.push(loss);
        numbers.extend(norms.grad.into_values().chain(norms.update.into_values()));
    }
    let saved = [net.export().unwrap(), optim.export().unwrap()];
    let saved = saved.into_iter().flat_map(|tensors| tensors.into_values().flat_map(|p| p.values));
    let logits = net.forward(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    numbers.extend(saved.chain(logits).map(f64::from));
    numbers.into_iter().map(f64::to_bits).collect()
}

/// Two full shards of images and a rest, and for the fully connected net several blocks of each matrix product.
#[test]
fn bits_depend_neither_on_the_number_of_threads_nor_on_the_run() {
    for small in small::all() {
        let fully_connected = matches!(small.model, Architectures::Mlp(_));
        let (side, images) = if fully_connected { (40, 270) } else { (small.side, 19) };
        let small = Small { side, images, ..small };
        for kind in [SGD, Adam {}.into()] {
            let with = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| [bits(&small, &kind), bits(&small, &kind)])
            };
            let [one, again] = with(1);
            assert!(one == again, "{:?} {kind:?}: two runs", small.model);
            for threads in [2, 3] {
                let same = with(threads).iter().all(|bits| *bits == one);
                assert!(same, "{:?} {kind:?}: {threads} threads", small.model);
            }
        }
    }
}
