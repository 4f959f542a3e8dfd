//! Time of a whole training step of each net: forward, loss, backward and update. Compare in one run; single times on a shared
//! machine mean little.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use candle_core::{DType, Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use randlab_core::Seed;
use randlab_kernels::{LineAligned, prepare_process};
use randlab_nn::{
    Architectures, Cnn, Cnn2, ConvLayer, CrossEntropy, InitSpec, Laws, Loss, Mlp, Net, Optim,
    ResNet, Sgd, Stem, Targets, Vgg, Wrn, init, layers,
};

#[global_allocator]
static HEAP: LineAligned = LineAligned;

/// Name, net, input `[C, H, W]` and images per step.
fn nets() -> Vec<(&'static str, Architectures, [usize; 3], usize)> {
    let cnn2 = |filters, stride| {
        Cnn2 { kernel: 3, filters, stride, padding: 0, pool: 1, hidden: 64 }.into()
    };
    let image = [3, 32, 32];
    vec![
        ("cnn2-64-stride2", cnn2(64, 2), image, 128),
        ("cnn2-256-stride2", cnn2(256, 2), image, 100),
        ("cnn2-256-stride1", cnn2(256, 1), image, 128),
        (
            "cnn2-256-pool",
            Cnn2 { kernel: 5, filters: 256, stride: 1, padding: 0, pool: 2, hidden: 64 }.into(),
            image,
            128,
        ),
        (
            "cnn-32",
            Cnn {
                convs: vec![
                    ConvLayer { filters: 32, stride: 2, pool: 1 },
                    ConvLayer { filters: 32, stride: 1, pool: 2 },
                    ConvLayer { filters: 32, stride: 1, pool: 1 },
                ],
                hidden: vec![64],
            }
            .into(),
            image,
            128,
        ),
        ("vgg-quarter", Vgg { depth: 16, width: 0.25, batch_norm: false }.into(), image, 128),
        ("resnet-quarter", ResNet { depth: 18, stem: Stem::Cifar, width: 0.25 }.into(), image, 128),
        ("wrn-10-2", Wrn { depth: 10, width: 2, kernel: 3 }.into(), image, 128),
        ("mlp-30-2048-256", Mlp { hidden: vec![2048, 256] }.into(), [30, 1, 1], 125),
        ("mlp-30-256-256", Mlp { hidden: vec![256, 256] }.into(), [30, 1, 1], 100),
    ]
}

fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|k| (0.37 * k as f32).sin()).collect()
}

fn steps(c: &mut Criterion) {
    prepare_process().unwrap();
    let mut group = c.benchmark_group("step");
    group.sample_size(20);
    for (name, model, [ch, h, w], n) in nets() {
        let shapes = layers(&model, [ch, h, w], 10).unwrap();
        let spec = InitSpec::of(Laws::He);
        let parameters = init(&shapes, &spec, Seed::new(0)).unwrap();
        let net = Net::new(&model, [ch, h, w], 10, &parameters, DType::F32).unwrap();
        let sgd = Sgd { momentum: 0.9, weight_decay: 0.0 }.into();
        let mut optim = Optim::new(&sgd, &net).unwrap();
        let x = Tensor::from_vec(wave(n * ch * h * w), (n, ch, h, w), &Device::Cpu).unwrap();
        let labels: Vec<u32> = (0..10).cycle().take(n).collect();
        let y = Targets::Classes(Tensor::from_vec(labels, n, &Device::Cpu).unwrap());
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let (outputs, tape) = net.forward_train(&x).unwrap();
                let (_, grad) = CrossEntropy {}.value_and_gradient(&outputs, &y, None).unwrap();
                optim.step(&net, &tape.backward(grad).unwrap(), 1e-3).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
