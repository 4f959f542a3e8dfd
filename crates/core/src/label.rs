//! Which label an image is trained on.
//!
//! A label is a pure function of (scheme, label seed, image id, real class): it does not depend on which other images
//! are in use, nor on their order. Random labels are independent draws, as in the paper, and not a permutation of the
//! real ones, which would keep the class counts.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{ClassId, ImageId, Purpose, Seed, stream};

/// How labels are assigned to the images of a training run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LabelScheme {
    /// The class the source gives.
    Real {},
    /// Uniform over `classes`, drawn once per image, independent of the image (paper, section 1).
    Random {
        /// Number of classes drawn from.
        classes: ClassId,
    },
    /// The real class, replaced with probability `ratio`.
    Noisy {
        /// What replaces it.
        noise: Noise,
        /// Share of images whose label is redrawn, 0 to 1.
        ratio: f64,
    },
    /// How much of an image's patches lies along one principal direction of all patches, in as many equally large classes:
    /// a control whose labels do depend on the first layer's inputs (Chowers and Weiss 2023, section 5).
    PatchEnergy {
        /// Number of the direction, 0 for the one with the largest eigenvalue.
        component: u16,
        /// Side of the patches, in pixels.
        kernel: u16,
        /// Number of classes.
        classes: ClassId,
    },
}

/// The two conventions of symmetric label noise in the literature. With C classes and ratio p, the share of labels that
/// end up wrong is p under `symmetric` and p (C-1)/C under `uniform`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Uniform over the other classes: a redrawn label is always wrong.
    Symmetric,
    /// Uniform over all classes: a redrawn label may be right by chance.
    Uniform,
}

impl LabelScheme {
    /// The label of image `id`, whose class in the source is `real`, out of `classes` real classes. `None` when the
    /// scheme needs a real class and the source has none, or when it depends on what is in the image.
    pub fn assign(
        &self,
        seed: Seed,
        id: ImageId,
        real: Option<ClassId>,
        classes: ClassId,
    ) -> Option<ClassId> {
        let mut rng = stream(seed, Purpose::Labels, u64::from(id));
        match *self {
            Self::Real {} => real,
            Self::PatchEnergy { .. } => None,
            Self::Random { classes } => Some(rng.random_range(0..classes.max(1))),
            Self::Noisy { noise, ratio } => {
                let real = real?;
                if !rng.random_bool(ratio.clamp(0.0, 1.0)) {
                    return Some(real);
                }
                Some(match noise {
                    Noise::Uniform => rng.random_range(0..classes.max(1)),
                    Noise::Symmetric if classes < 2 => real,
                    // A draw over the other C - 1 classes: skip over the true one.
                    Noise::Symmetric => {
                        let other = rng.random_range(0..classes - 1);
                        if other < real { other } else { other + 1 }
                    }
                })
            }
        }
    }

    /// Number of outputs the head needs, given the number of real classes.
    pub fn head_classes(&self, real_classes: ClassId) -> ClassId {
        match *self {
            Self::Random { classes } | Self::PatchEnergy { classes, .. } => classes,
            Self::Real {} | Self::Noisy { .. } => real_classes,
        }
    }

    /// The name used in tables: `real`, `random10`, `noisy-symmetric-0.4`, `patch-energy-14`.
    pub fn name(&self) -> String {
        match *self {
            Self::Real {} => "real".into(),
            Self::Random { classes } => format!("random{classes}"),
            Self::PatchEnergy { component, .. } => format!("patch-energy-{component}"),
            Self::Noisy { noise: Noise::Symmetric, ratio } => format!("noisy-symmetric-{ratio}"),
            Self::Noisy { noise: Noise::Uniform, ratio } => format!("noisy-uniform-{ratio}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed::new(7);
    const N: u32 = 20_000;

    fn wrong(scheme: LabelScheme) -> f64 {
        let wrong =
            (0..N).filter(|&id| scheme.assign(SEED, id, Some(id % 10), 10) != Some(id % 10));
        wrong.count() as f64 / f64::from(N)
    }

    #[test]
    fn random_labels_are_uniform_and_independent_of_the_class() {
        let scheme = LabelScheme::Random { classes: 10 };
        let mut table = [[0.0; 10]; 10];
        for id in 0..N {
            table[(id % 10) as usize][scheme.assign(SEED, id, None, 10).unwrap() as usize] += 1.0;
        }
        let expected = f64::from(N) / 100.0;
        let chi2: f64 =
            table.iter().flatten().map(|&n: &f64| (n - expected).powi(2) / expected).sum();
        // 99.9 % point of chi-square with 90 degrees of freedom (independence plus both uniform margins: 99 at most).
        assert!(chi2 < 148.2, "{chi2}");
        // Independent draws do not give every class the same count; a permutation of the real labels would.
        assert!((0..10).any(|c| {
            let count: f64 = table.iter().map(|row| row[c]).sum();
            (count - f64::from(N) / 10.0).abs() > 1.0
        }));
    }

    #[test]
    fn a_label_depends_on_seed_and_id_alone() {
        let scheme = LabelScheme::Random { classes: 10 };
        let forward: Vec<_> = (0..50).map(|id| scheme.assign(SEED, id, None, 10)).collect();
        let backward: Vec<_> =
            (0..50).rev().map(|id| scheme.assign(SEED, id, Some(3), 4)).collect();
        assert!(forward.iter().eq(backward.iter().rev()));
        let reseeded: Vec<_> =
            (0..50).map(|id| scheme.assign(Seed::new(8), id, None, 10)).collect();
        assert_ne!(forward, reseeded);
    }

    #[test]
    fn both_conventions_of_symmetric_noise_keep_their_rates() {
        let noisy = |noise| LabelScheme::Noisy { noise, ratio: 0.4 };
        assert!((wrong(noisy(Noise::Symmetric)) - 0.40).abs() < 0.015);
        assert!((wrong(noisy(Noise::Uniform)) - 0.36).abs() < 0.015);
        assert!(wrong(LabelScheme::Noisy { noise: Noise::Symmetric, ratio: 0.0 }) == 0.0);
        assert!(
            (wrong(LabelScheme::Noisy { noise: Noise::Symmetric, ratio: 1.0 }) - 1.0).abs() < 1e-12
        );
    }
}
