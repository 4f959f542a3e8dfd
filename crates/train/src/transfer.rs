//! What takes the place of initial weights when a run starts from another one, or from the data (paper, Figures 1, 5
//! and 6).

mod rescale;

use randlab_core::Seed;
use randlab_moments::{Moments, MomentsError};
use randlab_nn::{Layer, Parameter, Parameters};

pub(crate) use self::rescale::widen;
use self::rescale::{Outputs, multiply, norm_of, scaled, total_norm};
use crate::{Inputs, Norms, Starts, TrainConfig, TrainError, activity, start::Material};

/// The weights of a run before its first step: fresh ones, or what its configuration puts in their place.
///
/// # Errors
/// When the parent is missing or does not fit.
pub(crate) fn first_weights(
    config: &TrainConfig,
    inputs: &Inputs<'_>,
) -> Result<Parameters, TrainError> {
    let (shape, classes) = (inputs.data.shape(), inputs.data.classes());
    let classes = config.phase.labels.as_ref().outputs(classes) as usize;
    let layers = &randlab_nn::layers(&config.model, shape, classes)?;
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
    let seen = |kernel| inputs.data.patch_moments(kernel);
    let sources = Sources { fresh: &fresh, trained, seen: &seen, layers, seed: config.seed };
    let applied = |weights, norm| {
        sources.apply(transfer.layers, weights, norm).map_err(|e| match e {
            TransferError::Shape(problem) if path.is_empty() => wrong(problem),
            TransferError::Shape(problem) => {
                TrainError::Checkpoint { path: path.to_owned(), problem }
            }
            TransferError::Moments(error) => error.into(),
        })
    };
    let norm = transfer.norm;
    let moved = applied(transfer.weights, norm)?;
    let Some(like) = norm.as_ref().outputs_of() else { return Ok(moved) };
    if layers.iter().any(|layer| layer.norm.is_some()) {
        return Err(wrong(format!("{} says nothing of a net with batch norms", norm.kind())));
    }
    let images = activity::watched(inputs.data)?;
    let outputs = Outputs {
        config,
        shape,
        classes,
        images: images.ok_or_else(|| wrong(format!("{} needs held-out images", norm.kind())))?,
    };
    let goal = outputs.rms(&applied(like, Norms::Fresh)?)?;
    outputs.reach(&goal, moved, transfer, layers)
}

/// What weights can be made from.
struct Sources<'a> {
    fresh: &'a Parameters,
    trained: Option<&'a Parameters>,
    /// Moments of what a first layer with kernels of this side, or without any, looks at.
    seen: &'a dyn Fn(Option<usize>) -> Result<Moments, MomentsError>,
    layers: &'a [Layer],
    seed: Seed,
}

impl Sources<'_> {
    /// The fresh weights with those of the first `depth` layers replaced. Each replaced tensor gets the l2 norm of the fresh
    /// or of the trained one, or all together that of the fresh ones; biases and the head stay fresh.
    ///
    /// # Errors
    /// A text saying which tensor of the parent is missing or has another shape.
    fn apply(&self, depth: u32, kind: Starts, norm: Norms) -> Result<Parameters, TransferError> {
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
            let drawn_before = kind.as_ref().on_drawn() && i + 1 < depth;
            let kind = if drawn_before { Starts::Copy } else { kind };
            let values = self.weights(kind, (source, fresh), &name, i > 0)?;
            let size = norm.as_ref().like(fresh, source);
            let replaced = parameters.get_mut(&name).ok_or_else(missing)?;
            replaced.values = scaled(&values, norm_of(&widen(&size.values)));
            names.push(name);
        }
        if norm.as_ref().by_one_factor() {
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
        kind: Starts,
        (source, fresh): (&Parameter, &Parameter),
        name: &str,
        behind: bool,
    ) -> Result<Vec<f64>, TransferError> {
        let (seed, seen) = (self.seed, self.seen);
        let material = Material { source, fresh, name, behind, seed, seen };
        kind.as_ref().weights(&material).map_err(TransferError::Moments)
    }
}

/// Why a transfer cannot be made.
#[derive(Debug)]
enum TransferError {
    /// The parent does not fit.
    Shape(String),
    /// Its covariance cannot be used.
    Moments(MomentsError),
}

#[cfg(test)]
mod tests {
    use randlab_nn::{InitSpec, Laws, Mlp};

    use super::*;
    use crate::start::ClosedForm;

    const SEED: Seed = Seed::new(3);

    fn net(seed: u32) -> (Vec<Layer>, Parameters) {
        let model = Mlp { hidden: vec![4000, 5] }.into();
        let layers = randlab_nn::layers(&model, [4, 1, 1], 3).unwrap();
        let parameters =
            randlab_nn::init(&layers, &InitSpec::of(Laws::He), Seed::new(seed)).unwrap();
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
    fn seen(_: Option<usize>) -> Result<Moments, MomentsError> {
        let axis = |i: usize, x: f32| (0..4).map(move |j| if i == j { x } else { 0.0 });
        let rows = [(0, 4.0), (1, 2.0), (2, 1.0), (3, 0.0)];
        Moments::of_rows(&rows.into_iter().flat_map(|(i, x)| axis(i, x)).collect::<Vec<_>>(), 4)
    }

    fn try_moved(
        trained: Option<&Parameters>,
        weights: Starts,
        norm: Norms,
        depth: u32,
    ) -> Result<Parameters, String> {
        let (layers, fresh) = net(2);
        let sources = Sources { fresh: &fresh, trained, seen: &seen, layers: &layers, seed: SEED };
        sources.apply(depth, weights, norm).map_err(|e| match e {
            TransferError::Shape(problem) => problem,
            TransferError::Moments(e) => e.to_string(),
        })
    }

    fn moved(weights: Starts, norm: Norms, depth: u32) -> Parameters {
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
        let one = moved(Starts::Copy, Norms::Trained, 1);
        assert_eq!(one["fc1.weight"], trained()["fc1.weight"]);
        for same in ["fc1.bias", "fc2.weight", "fc2.bias", "head.weight", "head.bias"] {
            assert_eq!(one[same], fresh[same], "{same}");
        }
        let two = moved(Starts::Copy, Norms::Trained, 2);
        assert_eq!(two["fc2.weight"], trained()["fc2.weight"]);
        assert_eq!(two["head.weight"], fresh["head.weight"]);
    }

    #[test]
    fn norms_are_those_of_the_fresh_or_of_the_trained_tensor() {
        let (fresh, grown) = (norm(&net(2).1), norm(&trained()));
        assert!((fresh - grown).abs() > 1.0);
        for weights in [
            Starts::Copy,
            Starts::Covariance,
            Starts::RotatedCovariance,
            Starts::DiagonalCovariance,
            Starts::Shuffled,
            Starts::Fresh,
        ] {
            let of = |norm_kind| norm(&moved(weights, norm_kind, 1));
            assert!((of(Norms::Fresh) / fresh - 1.0).abs() < 1e-6, "{weights:?}");
            assert!((of(Norms::Trained) / grown - 1.0).abs() < 1e-6, "{weights:?}");
        }
    }

    #[test]
    fn one_factor_for_all_tensors_keeps_their_proportions() {
        let names = ["fc1.weight", "fc2.weight"].map(String::from);
        let copied = moved(Starts::Copy, Norms::FreshTotal, 2);
        let (total, fresh) = (total_norm(&copied, &names), total_norm(&net(2).1, &names));
        assert!((total / fresh - 1.0).abs() < 1e-6);
        let share = |p: &Parameters| total_norm(p, &names[1..]) / total_norm(p, &names);
        assert!((share(&copied) / share(&trained()) - 1.0).abs() < 1e-6);
        assert!((share(&copied) / share(&net(2).1) - 1.0).abs() > 0.01);
    }

    #[test]
    fn each_control_keeps_what_it_should_and_loses_the_rest() {
        let goal = trained();
        let of = |weights| moved(weights, Norms::Fresh, 1);
        let drawn = of(Starts::Covariance);
        // 4,000 draws: the sampling error of the normalised moment is about .02.
        assert!(distance(&drawn, &goal) < 0.05);
        assert_ne!(drawn["fc1.weight"], goal["fc1.weight"]);
        assert!(distance(&of(Starts::RotatedCovariance), &goal) > 0.2);
        let diagonal = moment(&of(Starts::DiagonalCovariance));
        assert!((diagonal[0] - moment(&goal)[0]).abs() < 0.03 && diagonal[1].abs() < 0.03);
        let shuffled = of(Starts::Shuffled);
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
        let of = |weights| moved(weights, Norms::Trained, 2);
        let (drawn, independent) = (of(Starts::Covariance), of(Starts::IndependentCovariance));
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
        close(mean(Starts::Covariance, true), 3.0);
        close(mean(Starts::IndependentCovariance, true), 3.0);
        close(mean(Starts::ZeroMeanCovariance, true), 0.0);
        close(mean(Starts::Covariance, false), 0.0);
    }

    #[test]
    fn filters_can_be_made_from_the_data_alone() {
        let of = |weights| moment(&try_moved(None, weights, Norms::Fresh, 1).unwrap());
        let close = |moment: &[f64], std: [f64; 4]| {
            let total: f64 = std.iter().map(|s| s * s).sum();
            (0..4).all(|i| (moment[5 * i] - std[i].powi(2) / total).abs() < 0.03)
        };
        assert!(close(&of(Starts::DataCovariance), [2.0, 1.0, 0.5, 0.0]));
        // (1 - exp(-l)) / sqrt(l) at l = 4, 1, 1/4, and nothing at 0.
        let std = [0.490_84, 0.632_12, 0.442_40, 0.0];
        assert!(close(&of(Starts::ClosedForm(ClosedForm { rate: 1.0 })), std));
    }

    #[test]
    fn a_parent_that_does_not_fit_is_refused() {
        let mut other = trained();
        other.get_mut("fc1.weight").unwrap().shape = vec![2000, 8];
        let problem = |trained: &Parameters, depth| {
            try_moved(Some(trained), Starts::Copy, Norms::Fresh, depth).unwrap_err()
        };
        assert!(problem(&other, 1).contains("[2000, 8], expected [4000, 4]"));
        assert!(problem(&Parameters::new(), 1).contains("no tensor fc1.weight"));
        assert!(problem(&trained(), 3).contains("2 before the head"));
    }
}
