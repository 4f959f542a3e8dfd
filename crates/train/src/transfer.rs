//! What takes the place of initial weights when a run starts from another one (paper, Figure 5).

use rand::seq::SliceRandom;
use randlab_align::{Filters, diagonal, haar, resample, rotated};
use randlab_core::{Purpose, Seed, name_index, stream};
use randlab_nn::{Layer, Parameter, Parameters};
use randlab_recipe::{TrainConfig, Transfer, TransferNorm, TransferWeights};

use crate::{Checkpoint, TrainError};

/// The weights of a run before its first step: fresh ones, or those its configuration takes from `parent`, the last
/// checkpoint of another run with its path.
///
/// # Errors
/// When the parent is missing or does not fit.
pub(crate) fn first_weights(
    config: &TrainConfig,
    parent: Option<(&str, &Checkpoint)>,
    layers: &[Layer],
) -> Result<Parameters, TrainError> {
    let fresh = randlab_nn::init(layers, &config.init, config.seed)?;
    match (&config.transfer, parent) {
        (None, _) => Ok(fresh),
        (Some(transfer), Some((path, parent))) => {
            apply(fresh, &parent.parameters, layers, transfer, config.seed).map_err(|e| e.at(path))
        }
        (Some(transfer), None) => Err(TrainError::Config {
            run: config.run.id.to_string(),
            problem: format!("needs the last checkpoint of {}", transfer.parent),
        }),
    }
}

/// `fresh` with the first layers' weights replaced as `transfer` says, by those of `trained` or by what is drawn from
/// them. Each replaced tensor gets the l2 norm asked for; biases and the head stay fresh.
///
/// # Errors
/// A text saying which tensor of `trained` is missing or has another shape.
fn apply(
    mut fresh: Parameters,
    trained: &Parameters,
    layers: &[Layer],
    transfer: &Transfer,
    seed: Seed,
) -> Result<Parameters, TransferError> {
    let depth = transfer.layers as usize;
    if depth >= layers.len() {
        let problem =
            format!("{depth} layers to transfer, but {} before the head", layers.len() - 1);
        return Err(TransferError::Shape(problem));
    }
    for layer in &layers[..depth] {
        let name = format!("{}.weight", layer.name);
        let missing = || TransferError::Shape(format!("no tensor {name}"));
        let source = trained.get(&name).ok_or_else(missing)?;
        let target = fresh.get_mut(&name).ok_or_else(missing)?;
        if source.shape != target.shape {
            let problem = format!("{name} is {:?}, expected {:?}", source.shape, target.shape);
            return Err(TransferError::Shape(problem));
        }
        let values = weights(transfer.weights, source, target, seed, &name)?;
        let norm = match transfer.norm {
            TransferNorm::Fresh => l2(&target.values),
            TransferNorm::Trained => l2(&source.values),
        };
        target.values = scaled(&values, norm);
    }
    Ok(fresh)
}

/// Why a transfer cannot be made.
#[derive(Debug)]
enum TransferError {
    /// The parent does not fit.
    Shape(String),
    /// Its covariance cannot be used.
    Align(randlab_align::AlignError),
}

impl TransferError {
    /// As an error of the run, naming the parent's file.
    fn at(self, path: &str) -> TrainError {
        match self {
            Self::Shape(problem) => TrainError::Checkpoint { path: path.to_owned(), problem },
            Self::Align(error) => error.into(),
        }
    }
}

fn weights(
    kind: TransferWeights,
    source: &Parameter,
    fresh: &Parameter,
    seed: Seed,
    name: &str,
) -> Result<Vec<f64>, TransferError> {
    // Each filter is a row: outputs first, then what they look at.
    let n = source.shape[0];
    let d = source.values.len() / n;
    let mut rng = stream(seed, Purpose::Resample, name_index(name));
    let moment = || Filters::of(&source.values, d).map(|f| f.second_moment());
    let drawn = match kind {
        TransferWeights::Copy => return Ok(widen(&source.values)),
        TransferWeights::Fresh => return Ok(widen(&fresh.values)),
        TransferWeights::Shuffled => {
            let mut values = widen(&source.values);
            values.chunks_exact_mut(d).for_each(|filter| filter.shuffle(&mut rng));
            return Ok(values);
        }
        TransferWeights::Covariance => moment(),
        TransferWeights::DiagonalCovariance => moment().map(|s| diagonal(&s)),
        TransferWeights::RotatedCovariance => {
            let q = haar(d, &mut stream(seed, Purpose::Rotation, name_index(name)));
            moment().map(|s| rotated(&s, &q))
        }
    };
    drawn.and_then(|s| resample(&s, n, &mut rng)).map_err(TransferError::Align)
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// l2 norm over all entries.
fn l2(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn scaled(values: &[f64], norm: f64) -> Vec<f32> {
    let own = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let factor = if own > 0.0 { norm / own } else { 0.0 };
    values.iter().map(|x| (x * factor) as f32).collect()
}

#[cfg(test)]
mod tests {
    use randlab_core::RunId;
    use randlab_recipe::{InitLaw, InitSpec, ModelSpec};

    use super::*;

    const SEED: Seed = Seed::new(3);

    fn net(seed: u32) -> (Vec<Layer>, Parameters) {
        let model = ModelSpec::Mlp { hidden: vec![4000, 5] };
        let layers = randlab_nn::layers(&model, [4, 1, 1], 3).unwrap();
        let init = InitSpec {
            law: InitLaw::He,
            scale: std::collections::BTreeMap::default(),
            odd_inputs: 1.0,
        };
        let parameters = randlab_nn::init(&layers, &init, Seed::new(seed)).unwrap();
        (layers, parameters)
    }

    /// A trained net: variances 4, 1, .25, 0 of combinations of inputs, and one bias that moved.
    fn trained() -> Parameters {
        let (_, mut p) = net(1);
        for w in p.get_mut("fc1.weight").unwrap().values.chunks_exact_mut(4) {
            let (a, b) = (w[0] * 2.0, w[1]);
            w.copy_from_slice(&[a + b, a - b, w[2] * 0.5, 0.0]);
        }
        p.get_mut("fc1.bias").unwrap().values[0] = 1.0;
        p
    }

    fn moved(weights: TransferWeights, norm: TransferNorm, depth: u32) -> Parameters {
        let (layers, fresh) = net(2);
        let parent = RunId::try_from("p".to_owned()).unwrap();
        let transfer = Transfer { parent, layers: depth, weights, norm };
        apply(fresh, &trained(), &layers, &transfer, SEED).unwrap()
    }

    fn moment(p: &Parameters) -> Vec<f64> {
        let w = &p["fc1.weight"].values;
        let mut s = [0.0; 16];
        for f in w.chunks_exact(4) {
            for i in 0..4 {
                for j in 0..4 {
                    s[4 * i + j] += f64::from(f[i] * f[j]) / 4000.0;
                }
            }
        }
        let trace: f64 = (0..4).map(|i| s[5 * i]).sum();
        s.iter().map(|x| x / trace).collect()
    }

    fn distance(a: &Parameters, b: &Parameters) -> f64 {
        let (a, b) = (moment(a), moment(b));
        a.iter().zip(&b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
    }

    fn norm(p: &Parameters) -> f64 {
        l2(&p["fc1.weight"].values)
    }

    #[test]
    fn only_the_weights_asked_for_are_replaced() {
        let fresh = net(2).1;
        let one = moved(TransferWeights::Copy, TransferNorm::Trained, 1);
        assert_eq!(one["fc1.weight"], trained()["fc1.weight"]);
        for same in ["fc1.bias", "fc2.weight", "fc2.bias", "head.weight", "head.bias"] {
            assert_eq!(one[same], fresh[same], "{same}");
        }
        let two = moved(TransferWeights::Copy, TransferNorm::Trained, 2);
        assert_eq!(two["fc2.weight"], trained()["fc2.weight"]);
        assert_eq!(two["head.weight"], fresh["head.weight"]);
    }

    #[test]
    fn norms_are_those_of_the_fresh_or_of_the_trained_tensor() {
        let (fresh, grown) = (norm(&net(2).1), norm(&trained()));
        assert!((fresh - grown).abs() > 1.0);
        for weights in [
            TransferWeights::Copy,
            TransferWeights::Covariance,
            TransferWeights::RotatedCovariance,
            TransferWeights::DiagonalCovariance,
            TransferWeights::Shuffled,
            TransferWeights::Fresh,
        ] {
            let of = |norm_kind| norm(&moved(weights, norm_kind, 1));
            assert!((of(TransferNorm::Fresh) / fresh - 1.0).abs() < 1e-6, "{weights:?}");
            assert!((of(TransferNorm::Trained) / grown - 1.0).abs() < 1e-6, "{weights:?}");
        }
    }

    #[test]
    fn each_control_keeps_what_it_should_and_loses_the_rest() {
        let goal = trained();
        let of = |weights| moved(weights, TransferNorm::Fresh, 1);
        let drawn = of(TransferWeights::Covariance);
        // 4,000 draws: the sampling error of the normalised moment is about .02.
        assert!(distance(&drawn, &goal) < 0.05);
        assert_ne!(drawn["fc1.weight"], goal["fc1.weight"]);
        assert!(distance(&of(TransferWeights::RotatedCovariance), &goal) > 0.2);
        let diagonal = moment(&of(TransferWeights::DiagonalCovariance));
        assert!((diagonal[0] - moment(&goal)[0]).abs() < 0.03 && diagonal[1].abs() < 0.03);
        let shuffled = of(TransferWeights::Shuffled);
        let sorted = |p: &Parameters| {
            let mut first: Vec<f32> = p["fc1.weight"].values[..4].to_vec();
            first.sort_by(f32::total_cmp);
            let scale = norm(p);
            first.iter().map(|x| f64::from(*x) / scale).collect::<Vec<_>>()
        };
        let close = sorted(&shuffled).iter().zip(sorted(&goal)).all(|(a, b)| (a - b).abs() < 1e-7);
        assert!(close && distance(&shuffled, &goal) > 0.2);
    }

    #[test]
    fn a_parent_that_does_not_fit_is_refused() {
        let (layers, fresh) = net(2);
        let parent = RunId::try_from("p".to_owned()).unwrap();
        let transfer = |layers| Transfer {
            parent: parent.clone(),
            layers,
            weights: TransferWeights::Copy,
            norm: TransferNorm::Fresh,
        };
        let mut other = trained();
        other.get_mut("fc1.weight").unwrap().shape = vec![2000, 8];
        let problem = |trained: &Parameters, depth| match apply(
            fresh.clone(),
            trained,
            &layers,
            &transfer(depth),
            SEED,
        )
        .unwrap_err()
        {
            TransferError::Shape(problem) => problem,
            TransferError::Align(e) => e.to_string(),
        };
        assert!(problem(&other, 1).contains("[2000, 8], expected [4000, 4]"));
        assert!(problem(&Parameters::new(), 1).contains("no tensor fc1.weight"));
        assert!(problem(&trained(), 3).contains("2 before the head"));
    }
}
