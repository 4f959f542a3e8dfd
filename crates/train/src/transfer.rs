//! What takes the place of initial weights when a run starts from another one, or from the data (paper, Figures 1, 5
//! and 6).

use candle_core::{DType, Device};
use rand::{Rng, seq::SliceRandom};
use randlab_align::{
    AlignError, Eigenbasis, Filters, Mat, Moments, PatchShape, closed_form, diagonal, haar,
    resample, rotated,
};
use randlab_core::{Purpose, Seed, Split, name_index, stream};
use randlab_data::Dataset;
use randlab_nn::{Layer, Net, Parameter, Parameters};
use randlab_recipe::{TrainConfig, Transfer, TransferNorm, TransferWeights};

use crate::{Inputs, TrainError, activity, examples::Examples};

/// The weights of a run before its first step: fresh ones, or what its configuration puts in their place.
///
/// # Errors
/// When the parent is missing or does not fit.
pub(crate) fn first_weights(
    config: &TrainConfig,
    inputs: &Inputs<'_>,
    layers: &[Layer],
    classes: usize,
) -> Result<Parameters, TrainError> {
    let fresh = randlab_nn::init(layers, &config.init, config.seed)?;
    let Some(transfer) = &config.transfer else { return Ok(fresh) };
    let wrong = |problem: String| TrainError::Config { run: config.run.id.to_string(), problem };
    let (path, trained) = match (&transfer.parent, inputs.parent) {
        (None, _) => ("", None),
        (Some(_), Some((path, parent))) => (path, Some(&parent.parameters)),
        (Some(parent), None) => {
            return Err(wrong(format!("needs the last checkpoint of {parent}")));
        }
    };
    let seen = |kernel| first_layer_moments(inputs.data, kernel);
    let sources = Sources { fresh: &fresh, trained, seen: &seen, layers, seed: config.seed };
    let applied = |weights, norm| {
        sources.apply(transfer.layers, weights, norm).map_err(|e| match e {
            TransferError::Shape(problem) if path.is_empty() => wrong(problem),
            TransferError::Shape(problem) => {
                TrainError::Checkpoint { path: path.to_owned(), problem }
            }
            TransferError::Align(error) => error.into(),
        })
    };
    let norm = transfer.norm;
    let goal = match norm {
        TransferNorm::Fresh | TransferNorm::FreshTotal | TransferNorm::Trained => {
            return applied(transfer.weights, norm);
        }
        TransferNorm::FreshOutput => None,
        TransferNorm::CopyOutput => Some(applied(TransferWeights::Copy, TransferNorm::Fresh)?),
    };
    if layers.iter().any(|layer| layer.norm.is_some()) {
        return Err(wrong(format!("{} says nothing of a net with batch norms", norm.name())));
    }
    let images = activity::watched(inputs.data)?;
    let outputs = Outputs {
        config,
        shape: inputs.data.shape(),
        classes,
        images: images.ok_or_else(|| wrong(format!("{} needs held-out images", norm.name())))?,
    };
    let goal = outputs.rms(goal.as_ref().unwrap_or(&fresh))?;
    outputs.reach(&goal, applied(transfer.weights, TransferNorm::Fresh)?, transfer, layers)
}

/// How large the outputs of the hidden layers are.
struct Outputs<'a> {
    config: &'a TrainConfig,
    shape: [usize; 3],
    classes: usize,
    images: Examples,
}

impl Outputs<'_> {
    /// Root mean square of each hidden layer's output on held-out images, from the input.
    fn rms(&self, parameters: &Parameters) -> Result<Vec<f64>, TrainError> {
        let net = Net::new(&self.config.model, self.shape, self.classes, parameters, DType::F32)?;
        let layers = activity::measure(&net, &self.images, &Device::Cpu)?;
        Ok(layers.iter().map(|layer| layer.rms).collect())
    }

    /// Scales the transferred layers, one after the other, until their outputs are as large as `goal` says.
    fn reach(
        &self,
        goal: &[f64],
        mut parameters: Parameters,
        transfer: &Transfer,
        layers: &[Layer],
    ) -> Result<Parameters, TrainError> {
        let depth = transfer.layers as usize;
        for (i, (layer, goal)) in layers[..depth].iter().zip(goal).enumerate() {
            let own = self.rms(&parameters)?.get(i).copied().unwrap_or(0.0);
            let name = format!("{}.weight", layer.name);
            let factor = if own > 0.0 { goal / own } else { 0.0 };
            parameters.entry(name).and_modify(|weight| multiply(weight, factor));
        }
        Ok(parameters)
    }
}

/// What weights can be made from.
struct Sources<'a> {
    fresh: &'a Parameters,
    trained: Option<&'a Parameters>,
    /// Moments of what a first layer with kernels of this side looks at.
    seen: &'a dyn Fn(usize) -> Result<Moments, AlignError>,
    layers: &'a [Layer],
    seed: Seed,
}

impl Sources<'_> {
    /// The fresh weights with those of the first `depth` layers replaced. Each replaced tensor gets the l2 norm of the fresh
    /// or of the trained one, or all together that of the fresh ones; biases and the head stay fresh.
    ///
    /// # Errors
    /// A text saying which tensor of the parent is missing or has another shape.
    fn apply(
        &self,
        depth: u32,
        kind: TransferWeights,
        norm: TransferNorm,
    ) -> Result<Parameters, TransferError> {
        let depth = depth as usize;
        if depth >= self.layers.len() {
            return Err(TransferError::Shape(format!(
                "{depth} layers to transfer, but {} before the head",
                self.layers.len() - 1
            )));
        }
        let mut parameters = self.fresh.clone();
        let mut names = Vec::new();
        for (i, layer) in self.layers[..depth].iter().enumerate() {
            let name = format!("{}.weight", layer.name);
            let missing = || TransferError::Shape(format!("no tensor {name}"));
            let fresh = self.fresh.get(&name).ok_or_else(missing)?;
            let source = match self.trained {
                None => fresh,
                Some(trained) => trained.get(&name).ok_or_else(missing)?,
            };
            if source.shape != fresh.shape {
                let problem = format!("{name} is {:?}, expected {:?}", source.shape, fresh.shape);
                return Err(TransferError::Shape(problem));
            }
            // What lies below the last drawn layer was drawn before, and the parent was trained on top of it.
            let drawn_before = kind.on_drawn() && i + 1 < depth;
            let kind = if drawn_before { TransferWeights::Copy } else { kind };
            let values = self.weights(kind, (source, fresh), &name, i > 0)?;
            let grown = matches!(norm, TransferNorm::Trained | TransferNorm::FreshTotal);
            let size = if grown { source } else { fresh };
            let replaced = parameters.get_mut(&name).ok_or_else(missing)?;
            replaced.values = scaled(&values, norm_of(&widen(&size.values)));
            names.push(name);
        }
        if norm == TransferNorm::FreshTotal {
            let factor = total_norm(self.fresh, &names) / total_norm(&parameters, &names);
            for name in &names {
                parameters.entry(name.clone()).and_modify(|weight| multiply(weight, factor));
            }
        }
        Ok(parameters)
    }

    /// `behind`: behind another layer.
    fn weights(
        &self,
        kind: TransferWeights,
        (source, fresh): (&Parameter, &Parameter),
        name: &str,
        behind: bool,
    ) -> Result<Vec<f64>, TransferError> {
        // Each filter is a row: outputs first, then what they look at.
        let n = source.shape[0];
        let d = source.values.len() / n;
        let mut rng = stream(self.seed, Purpose::Resample, name_index(name));
        let moment = || Ok(Filters::of(&source.values, d)?.second_moment());
        let kernel = fresh.shape.get(2).copied().unwrap_or(1);
        let seen = || Ok((self.seen)(kernel)?.second_moment());
        let drawn: Result<Mat<f64>, AlignError> = match kind {
            TransferWeights::Copy => return Ok(widen(&source.values)),
            TransferWeights::Fresh => return Ok(widen(&fresh.values)),
            TransferWeights::Shuffled => {
                let mut values = widen(&source.values);
                values.chunks_exact_mut(d).for_each(|filter| filter.shuffle(&mut rng));
                return Ok(values);
            }
            TransferWeights::Covariance | TransferWeights::IndependentCovariance if behind => {
                let filters = Filters::of(&source.values, d).map_err(TransferError::Align)?;
                return around_mean(&filters, &mut rng).map_err(TransferError::Align);
            }
            TransferWeights::Covariance
            | TransferWeights::ZeroMeanCovariance
            | TransferWeights::IndependentCovariance => moment(),
            TransferWeights::DiagonalCovariance => moment().map(|s| diagonal(&s)),
            TransferWeights::RotatedCovariance => {
                let q = haar(d, &mut stream(self.seed, Purpose::Rotation, name_index(name)));
                moment().map(|s| rotated(&s, &q))
            }
            TransferWeights::DataCovariance => seen(),
            TransferWeights::ClosedForm { rate } => seen().and_then(|s| learnt(&s, rate)),
        };
        drawn.and_then(|s| resample(&s, n, &mut rng)).map_err(TransferError::Align)
    }
}

/// As many filters as there are, from the normal distribution of their mean and covariance.
fn around_mean(filters: &Filters, rng: &mut impl Rng) -> Result<Vec<f64>, AlignError> {
    let mut drawn = resample(&filters.covariance(), filters.count(), rng)?;
    let mean = filters.mean();
    for filter in drawn.chunks_exact_mut(mean.len()) {
        filter.iter_mut().zip(&mean).for_each(|(x, m)| *x += m);
    }
    Ok(drawn)
}

/// The second moment of filters along the eigenvectors of the patches' `second`, with the standard deviations of the closed
/// form of Chowers and Weiss.
fn learnt(second: &Mat<f64>, rate: f64) -> Result<Mat<f64>, AlignError> {
    let basis = Eigenbasis::of(second)?;
    let d = basis.dim();
    // A direction the data do not have teaches nothing.
    let std = |&l: &f64| if l > 0.0 { closed_form(l, rate) } else { 0.0 };
    let std: Vec<f64> = basis.values.iter().map(std).collect();
    let scaled = Mat::from_fn(d, d, |i, j| basis.vectors[(i, j)] * std[j].powi(2));
    Ok(scaled * basis.vectors.transpose())
}

/// Moments of what first-layer filters look at: patches of side `kernel` of the upstream images, or for 1 whole inputs.
///
/// # Errors
/// [`AlignError::Size`] when the patch is larger than the image.
pub fn first_layer_moments(data: &Dataset, kernel: usize) -> Result<Moments, AlignError> {
    let [channels, height, width] = data.shape();
    let inputs = data.standardised(Split::Upstream);
    if kernel == 1 {
        return Moments::of_rows(&inputs, channels * height * width);
    }
    Moments::of_patches(&inputs, PatchShape { channels, height, width, kernel })
}

/// Why a transfer cannot be made.
#[derive(Debug)]
enum TransferError {
    /// The parent does not fit.
    Shape(String),
    /// Its covariance cannot be used.
    Align(AlignError),
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// l2 norm over all entries.
fn norm_of(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// l2 norm over all entries of the tensors called `names`.
fn total_norm(parameters: &Parameters, names: &[String]) -> f64 {
    let norms = names.iter().filter_map(|name| parameters.get(name));
    norms.map(|weight| norm_of(&widen(&weight.values)).powi(2)).sum::<f64>().sqrt()
}

fn multiply(weight: &mut Parameter, factor: f64) {
    let values = widen(&weight.values);
    weight.values = scaled(&values, factor * norm_of(&values));
}

#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn scaled(values: &[f64], norm: f64) -> Vec<f32> {
    let own = norm_of(values);
    let factor = if own > 0.0 { norm / own } else { 0.0 };
    values.iter().map(|x| (x * factor) as f32).collect()
}

#[cfg(test)]
mod tests {
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

    /// Rows with second moment diag(4, 1, 1/4, 0).
    fn seen(_: usize) -> Result<Moments, AlignError> {
        let axis = |i: usize, x: f32| (0..4).map(move |j| if i == j { x } else { 0.0 });
        let rows = [(0, 4.0), (1, 2.0), (2, 1.0), (3, 0.0)];
        Moments::of_rows(&rows.into_iter().flat_map(|(i, x)| axis(i, x)).collect::<Vec<_>>(), 4)
    }

    fn try_moved(
        trained: Option<&Parameters>,
        weights: TransferWeights,
        norm: TransferNorm,
        depth: u32,
    ) -> Result<Parameters, String> {
        let (layers, fresh) = net(2);
        let sources = Sources { fresh: &fresh, trained, seen: &seen, layers: &layers, seed: SEED };
        sources.apply(depth, weights, norm).map_err(|e| match e {
            TransferError::Shape(problem) => problem,
            TransferError::Align(e) => e.to_string(),
        })
    }

    fn moved(weights: TransferWeights, norm: TransferNorm, depth: u32) -> Parameters {
        try_moved(Some(&trained()), weights, norm, depth).unwrap()
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
        norm_of(&widen(&p["fc1.weight"].values))
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
    fn one_factor_for_all_tensors_keeps_their_proportions() {
        let names = ["fc1.weight", "fc2.weight"].map(String::from);
        let copied = moved(TransferWeights::Copy, TransferNorm::FreshTotal, 2);
        let (total, fresh) = (total_norm(&copied, &names), total_norm(&net(2).1, &names));
        assert!((total / fresh - 1.0).abs() < 1e-6);
        let share = |p: &Parameters| total_norm(p, &names[1..]) / total_norm(p, &names);
        assert!((share(&copied) / share(&trained()) - 1.0).abs() < 1e-6);
        assert!((share(&copied) / share(&net(2).1) - 1.0).abs() > 0.01);
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
    fn below_the_last_drawn_layer_the_parent_is_copied() {
        let of = |weights| moved(weights, TransferNorm::Trained, 2);
        let (drawn, independent) =
            (of(TransferWeights::Covariance), of(TransferWeights::IndependentCovariance));
        assert_eq!(drawn["fc1.weight"], trained()["fc1.weight"]);
        assert_ne!(drawn["fc2.weight"], trained()["fc2.weight"]);
        assert_ne!(independent["fc1.weight"], trained()["fc1.weight"]);
        assert!(distance(&independent, &trained()) < 0.05);
    }

    #[test]
    fn behind_another_layer_filters_are_drawn_around_their_mean() {
        let ((layers, fresh), mut source) = (net(2), trained()["fc1.weight"].clone());
        source.values.iter_mut().step_by(4).for_each(|first| *first += 3.0);
        let sources =
            Sources { fresh: &fresh, trained: None, seen: &seen, layers: &layers, seed: SEED };
        let mean = |kind, behind| {
            let both = (&source, &source);
            let drawn = sources.weights(kind, both, "fc1.weight", behind).unwrap();
            let sum: f64 = drawn.iter().step_by(4).sum();
            sum / 4000.0
        };
        let close = |mean: f64, expected: f64| assert!((mean - expected).abs() < 0.2, "{mean}");
        close(mean(TransferWeights::Covariance, true), 3.0);
        close(mean(TransferWeights::IndependentCovariance, true), 3.0);
        close(mean(TransferWeights::ZeroMeanCovariance, true), 0.0);
        close(mean(TransferWeights::Covariance, false), 0.0);
    }

    #[test]
    fn filters_can_be_made_from_the_data_alone() {
        let of = |weights| moment(&try_moved(None, weights, TransferNorm::Fresh, 1).unwrap());
        let close = |moment: &[f64], std: [f64; 4]| {
            let total: f64 = std.iter().map(|s| s * s).sum();
            (0..4).all(|i| (moment[5 * i] - std[i].powi(2) / total).abs() < 0.03)
        };
        assert!(close(&of(TransferWeights::DataCovariance), [2.0, 1.0, 0.5, 0.0]));
        // (1 - exp(-l)) / sqrt(l) at l = 4, 1, 1/4, and nothing at 0.
        let std = [0.490_84, 0.632_12, 0.442_40, 0.0];
        assert!(close(&of(TransferWeights::ClosedForm { rate: 1.0 }), std));
    }

    #[test]
    fn a_parent_that_does_not_fit_is_refused() {
        let mut other = trained();
        other.get_mut("fc1.weight").unwrap().shape = vec![2000, 8];
        let problem = |trained: &Parameters, depth| {
            try_moved(Some(trained), TransferWeights::Copy, TransferNorm::Fresh, depth).unwrap_err()
        };
        assert!(problem(&other, 1).contains("[2000, 8], expected [4000, 4]"));
        assert!(problem(&Parameters::new(), 1).contains("no tensor fc1.weight"));
        assert!(problem(&trained(), 3).contains("2 before the head"));
    }
}
