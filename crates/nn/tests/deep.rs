//! Deep nets: names, sizes, gradients, and the two modes of batch norm.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod pass;
mod small;

use std::{fs, path::Path};

use candle_core::{DType, Device, Tensor};
use pass::pass;
use randlab_nn::{
    Architectures, Layer, Net, Optim, Parameter, Parameters, ResNet, Sgd, Stem, Vgg, Wrn, layers,
};
use serde_json::Value;
use small::{CLASSES, Small, evaluated, fresh, number, resnet, vgg};

const RGB: [usize; 3] = [3, 32, 32];

fn parameters(model: &Architectures, input: [usize; 3], classes: usize) -> usize {
    layers(model, input, classes).unwrap().iter().map(Layer::parameters).sum()
}

#[test]
fn parameters_are_as_many_as_published() {
    let resnet18 = resnet(Stem::Imagenet, 1.0);
    assert_eq!(parameters(&resnet18, [3, 224, 224], 1000), 11_689_512);
    // torchvision's `features` have 14,714,688 and with batch norm 14,723,136; the head is ours.
    let head = 512 * 10 + 10;
    assert_eq!(parameters(&vgg(1.0, false), RGB, 10), 14_714_688 + head);
    assert_eq!(parameters(&vgg(1.0, true), RGB, 10), 14_723_136 + head);
    // The paper gives 36.5 million.
    let wrn = Wrn { depth: 28, width: 10, kernel: 3 }.into();
    assert_eq!(parameters(&wrn, RGB, 10), 36_479_194);
    // The tensors hold these and two running statistics for each channel of a batch norm.
    let small = vgg(0.1, true);
    let numbers: usize = fresh(&small, RGB, 10).values().map(|p| p.values.len()).sum();
    let channels: usize = layers(&small, RGB, 10).unwrap()[..13].iter().map(|l| l.shape[0]).sum();
    assert_eq!(numbers, parameters(&small, RGB, 10) + 2 * channels);
}

/// Names and shapes, one per line.
fn listed(parameters: &Parameters) -> Vec<String> {
    parameters.iter().map(|(name, p)| format!("{name} {:?}", p.shape)).collect()
}

#[test]
fn names_and_shapes_of_resnet18_are_those_of_torchvision() {
    let mut expected = vec!["conv1.weight [64, 3, 7, 7]".to_owned()];
    let norm = |name: &str, c: usize| {
        ["bias", "running_mean", "running_var", "weight"].map(|s| format!("{name}.{s} [{c}]"))
    };
    expected.extend(norm("bn1", 64));
    for (group, (c, before)) in [(64, 64), (128, 64), (256, 128), (512, 256)].iter().enumerate() {
        for block in 0..2 {
            let name = format!("layer{}.{block}", group + 1);
            let from = if block == 0 { before } else { c };
            expected.push(format!("{name}.conv1.weight [{c}, {from}, 3, 3]"));
            expected.push(format!("{name}.conv2.weight [{c}, {c}, 3, 3]"));
            expected.extend(
                [norm(&format!("{name}.bn1"), *c), norm(&format!("{name}.bn2"), *c)].concat(),
            );
            if group > 0 && block == 0 {
                expected.push(format!("{name}.downsample.0.weight [{c}, {from}, 1, 1]"));
                expected.extend(norm(&format!("{name}.downsample.1"), *c));
            }
        }
    }
    expected.extend(["fc.weight [1000, 512]".into(), "fc.bias [1000]".into()]);
    expected.sort();
    // All of torchvision's 122 tensors but the 20 counters `num_batches_tracked`.
    assert_eq!(expected.len(), 102);
    assert_eq!(listed(&fresh(&resnet(Stem::Imagenet, 1.0), [3, 64, 64], 1000)), expected);
}

#[test]
fn names_and_shapes_of_vgg16_are_those_of_torchvision() {
    let plain = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
    let normed = [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40];
    let widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512];
    for (numbers, batch_norm) in [(plain, false), (normed, true)] {
        let mut expected = vec!["head.weight [10, 512]".to_owned(), "head.bias [10]".to_owned()];
        let mut from = 3;
        for (number, width) in numbers.into_iter().zip(widths) {
            expected.push(format!("features.{number}.weight [{width}, {from}, 3, 3]"));
            expected.push(format!("features.{number}.bias [{width}]"));
            if batch_norm {
                for suffix in ["weight", "bias", "running_mean", "running_var"] {
                    expected.push(format!("features.{}.{suffix} [{width}]", number + 1));
                }
            }
            from = width;
        }
        expected.sort();
        assert_eq!(listed(&fresh(&vgg(1.0, batch_norm), RGB, 10)), expected);
    }
}

#[test]
fn names_of_a_wide_residual_net_follow_the_same_scheme() {
    let model = Wrn { depth: 10, width: 1, kernel: 5 }.into();
    let found = layers(&model, RGB, 10).unwrap();
    let found: Vec<(&str, &[usize], Option<&str>)> =
        found.iter().map(|l| (l.name.as_str(), &l.shape[..], l.norm.as_deref())).collect();
    let expected: [(&str, &[usize], Option<&str>); 10] = [
        ("conv1", &[16, 3, 5, 5], Some("layer1.0.bn1")),
        ("layer1.0.conv1", &[16, 16, 3, 3], Some("layer1.0.bn2")),
        ("layer1.0.conv2", &[16, 16, 3, 3], Some("layer2.0.bn1")),
        ("layer2.0.shortcut", &[32, 16, 1, 1], None),
        ("layer2.0.conv1", &[32, 16, 3, 3], Some("layer2.0.bn2")),
        ("layer2.0.conv2", &[32, 32, 3, 3], Some("layer3.0.bn1")),
        ("layer3.0.shortcut", &[64, 32, 1, 1], None),
        ("layer3.0.conv1", &[64, 32, 3, 3], Some("layer3.0.bn2")),
        ("layer3.0.conv2", &[64, 64, 3, 3], Some("bn")),
        ("head", &[10, 64], None),
    ];
    assert_eq!(found, expected);
}

#[test]
fn widths_are_scaled_rounded_and_at_least_one() {
    let widths = |factor| {
        let layers = layers(&vgg(factor, false), RGB, 10).unwrap();
        [0, 2, 4, 7].map(|i| layers[i].shape[0])
    };
    assert_eq!(widths(0.125), [8, 16, 32, 64]);
    assert_eq!(widths(0.1), [6, 13, 26, 51]);
    assert_eq!(widths(0.001), [1, 1, 1, 1]);
}

#[test]
fn sizes_that_are_not_provided_for_are_refused() {
    let message = |model, input| layers(&model, input, 10).unwrap_err().to_string();
    let wrn = |depth, width, kernel| Architectures::from(Wrn { depth, width, kernel });
    for (model, part) in [
        (
            Vgg { depth: 19, width: 1.0, batch_norm: false }.into(),
            "depth = 19 is not supported; use 16",
        ),
        (
            ResNet { depth: 50, stem: Stem::Cifar, width: 1.0 }.into(),
            "depth = 50 is not supported; use 18",
        ),
        (wrn(27, 4, 3), "depth = 27 is not supported; use 10, 16, 22"),
        (wrn(28, 4, 4), "kernel = 4 is not supported; use 3 or 5"),
        (wrn(28, 0, 3), "width = 0 is out of range (1 to 1048576)"),
        (vgg(-1.0, false), "width = -1 is out of range (above 0)"),
        (vgg(f64::NAN, false), "width = NaN"),
    ] {
        assert!(message(model, RGB).contains(part), "{part}");
    }
    assert!(message(vgg(0.1, false), [3, 16, 16]).contains("leave nothing of 1x1"));
}

#[test]
fn models_are_read_from_their_description() {
    let read = |text: &str| serde_json::from_str::<Architectures>(text).unwrap();
    let text = r#"{"kind":"resnet","depth":18,"stem":"imagenet","width":0.5}"#;
    assert_eq!(read(text), resnet(Stem::Imagenet, 0.5));
    let text = r#"{"kind":"vgg","depth":16,"width":1.0,"batch_norm":true}"#;
    assert_eq!(read(text), vgg(1.0, true));
    let text = r#"{"kind":"wrn","depth":28,"width":4,"kernel":5}"#;
    assert_eq!(read(text), Wrn { depth: 28, width: 4, kernel: 5 }.into());
}

#[test]
fn evaluation_uses_running_statistics_and_changes_nothing() {
    for small in small::all().into_iter().skip(4) {
        let (net, x, y) = small.start(DType::F64);
        let model = &small.model;
        let fresh = net.export().unwrap();
        let first = evaluated(&net, &x, &y);
        assert_eq!(net.export().unwrap(), fresh, "{model:?}");
        let trained = pass(&net, &x, &y).loss;
        assert!((first - trained).abs() > 1e-3, "{model:?}");
        // Parameters stay, statistics move by a tenth.
        let moved = net.export().unwrap();
        for (name, p) in &moved {
            assert_eq!(p == &fresh[name], !name.contains("running"), "{model:?} {name}");
        }
        let logits = net.forward(&x).unwrap();
        // An image's logits do not depend on the images beside it.
        let alone = net.forward(&x.narrow(0, 2, 1).unwrap()).unwrap();
        let difference = (logits.narrow(0, 2, 1).unwrap() - alone).unwrap().abs().unwrap();
        assert!(number(&difference.max_all().unwrap()) < 1e-12, "{model:?}");
    }
}

#[test]
fn running_statistics_are_no_parameters() {
    let small = &small::all()[5];
    let (net, x, y) = small.start(DType::F32);
    let running = |name: &str| name.contains("running");
    assert!(net.buffers().all(|(n, _)| running(n)) && net.buffers().count() == 40);
    assert!(net.parameters().all(|(n, _)| !running(n)) && net.parameters().count() == 62);
    let kind = Sgd { momentum: 0.9, weight_decay: 0.1 }.into();
    let mut optim = Optim::new(&kind, &net).unwrap();
    assert!(optim.export().unwrap().keys().all(|n| !running(n)));
    let norms = optim.step(&net, &pass(&net, &x, &y).grads, 0.0).unwrap();
    assert!(norms.grad.keys().all(|n| !running(n)));
    // A net built from what was exported evaluates to the same bits.
    let saved = net.export().unwrap();
    let again =
        Net::new(&small.model, [3, small.side, small.side], CLASSES, &saved, DType::F32).unwrap();
    assert_eq!(evaluated(&net, &x, &y).to_bits(), evaluated(&again, &x, &y).to_bits());
    let mut wrong = saved;
    wrong.insert("bn1.running_var".into(), Parameter { shape: vec![3], values: vec![1.0; 3] });
    let message = Net::new(&small.model, [3, small.side, small.side], CLASSES, &wrong, DType::F32)
        .err()
        .unwrap();
    assert_eq!(message.to_string(), "tensor bn1.running_var: shape [3], expected [4]");
}

#[test]
fn weight_decay_leaves_batch_norms_and_biases_alone() {
    let small = &small::all()[4];
    let step = |weight_decay| {
        let (net, x, y) = small.start(DType::F64);
        let mut optim = Optim::new(&Sgd { momentum: 0.0, weight_decay }.into(), &net).unwrap();
        optim.step(&net, &pass(&net, &x, &y).grads, small.lr).unwrap();
        net.export().unwrap()
    };
    let (without, with) = (step(0.0), step(0.5));
    for (name, p) in &without {
        assert_eq!(p != &with[name], p.shape.len() > 1, "{name}");
    }
}

#[test]
fn hidden_layers_are_shown_in_order_and_before_their_pools() {
    let x = Tensor::ones((2, 3, 32, 32), DType::F32, &Device::Cpu).unwrap();
    let shown = |model: &Architectures| {
        let net = Net::new(model, RGB, CLASSES, &fresh(model, RGB, CLASSES), DType::F32).unwrap();
        let mut outputs = Vec::new();
        net.visit(&x, &mut |layer, y| {
            assert!(y.flatten_all().unwrap().min(0).unwrap().to_scalar::<f32>().unwrap() >= 0.0);
            outputs.push((net.layers()[layer].name.clone(), y.dims().to_vec()));
            Ok(())
        })
        .unwrap();
        outputs
    };
    for batch_norm in [false, true] {
        let outputs = shown(&vgg(0.0625, batch_norm));
        assert_eq!(outputs.len(), 13);
        // The second convolution has a pool behind it, the last one works on maps of 2x2.
        assert_eq!(
            (&outputs[1].1[..], &outputs[12].1[..]),
            (&[2, 4, 32, 32][..], &[2, 32, 2, 2][..])
        );
    }
    // Projections of shortcuts and the head have no ReLU of their own.
    let names: Vec<_> = shown(&resnet(Stem::Cifar, 0.0625)).into_iter().map(|o| o.0).collect();
    assert_eq!(names.len(), 17);
    assert!(names.iter().all(|name| !name.contains("downsample") && name != "fc"));
}

/// Each kind with its small instances.
fn instances() -> Vec<(&'static str, Vec<Small>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nets");
    let read = |kind: &str| {
        let path = folder.join(format!("{kind}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let list: Vec<Value> = serde_json::from_str(&text).unwrap();
        list.iter().map(small).collect()
    };
    Architectures::KINDS.iter().map(|&(kind, _)| (kind, read(kind))).collect()
}

fn small(value: &Value) -> Small {
    let model = serde_json::from_value(value["model"].clone()).unwrap();
    let side = usize::try_from(value["side"].as_u64().unwrap()).unwrap();
    Small { model, side, images: 3, lr: 0.0 }
}

#[test]
fn settings_are_checked_and_unknown_ones_refused() {
    for (kind, list) in instances() {
        assert!(!list.is_empty(), "{kind}");
        for small in list {
            assert_eq!(small.model.kind(), kind);
            assert_eq!(small.model.as_ref().check(), Ok(()));
            let mut table = serde_json::to_value(&small.model).unwrap();
            let again: Architectures = serde_json::from_value(table.clone()).unwrap();
            assert_eq!(again, small.model);
            table.as_object_mut().unwrap().insert("surplus".into(), 1.into());
            let problem = serde_json::from_value::<Architectures>(table).unwrap_err();
            assert!(problem.to_string().contains("surplus"), "{kind}: {problem}");
        }
    }
}

#[test]
fn the_last_layer_has_an_output_per_class() {
    for (kind, list) in instances() {
        for small in list {
            let layers = layers(&small.model, [3, small.side, small.side], 7).unwrap();
            assert_eq!(layers.last().unwrap().shape[0], 7, "{kind}");
        }
    }
}

/// Gradients against central differences.
#[test]
fn gradients_match_finite_differences() {
    for small in instances().into_iter().flat_map(|(_, list)| list) {
        check_gradients(&small);
    }
}

fn check_gradients(small: &Small) {
    const H: f64 = 1e-6;
    let (net, x, y) = small.start(DType::F64);
    let list = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let grads = pass(&net, &x, &y).grads;
    for (name, var) in net.parameters() {
        let (analytic, at) = (list(grads.get(var).unwrap()), list(var));
        // A bias before a batch norm changes nothing, and its gradient is a sum of rounding errors.
        let largest = analytic.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let (scale, bound) = if largest < 1e-10 { (1.0, 1e-7) } else { (largest, 1e-6) };
        // Two entries, one of them that of the largest gradient.
        let top = (0..at.len()).max_by(|&a, &b| analytic[a].abs().total_cmp(&analytic[b].abs()));
        for k in [at.len() / 3, top.unwrap()] {
            let moved = |h: f64| {
                let mut values = at.clone();
                values[k] += h;
                var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
                pass(&net, &x, &y).loss
            };
            let numeric = (moved(H) - moved(-H)) / (2.0 * H);
            moved(0.0);
            let error = (numeric - analytic[k]).abs() / scale;
            assert!(error < bound, "{:?} {name}[{k}]: {error}", small.model);
        }
    }
}
