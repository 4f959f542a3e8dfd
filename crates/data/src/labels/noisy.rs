//! Real classes with symmetric noise.

use rand::{Rng, RngExt};
use randlab_core::ClassId;
use serde::{Deserialize, Serialize};

use super::{LabelContext, LabelFacts, LabelScheme, share};
use crate::DataError;

/// The real class, replaced with probability `ratio`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noisy {
    /// What replaces it.
    pub noise: Noise,
    /// Share of images whose label is redrawn, 0 to 1.
    pub ratio: f64,
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

impl Noise {
    const fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "symmetric",
            Self::Uniform => "uniform",
        }
    }
}

impl Noisy {
    /// The label of an image of class `real` out of `classes`.
    fn label(&self, real: ClassId, classes: ClassId, rng: &mut dyn Rng) -> ClassId {
        if !rng.random_bool(self.ratio.clamp(0.0, 1.0)) {
            return real;
        }
        match self.noise {
            Noise::Uniform => rng.random_range(0..classes.max(1)),
            Noise::Symmetric if classes < 2 => real,
            // A draw over the other C - 1 classes: skip over the true one.
            Noise::Symmetric => {
                let other = rng.random_range(0..classes - 1);
                if other < real { other } else { other + 1 }
            }
        }
    }
}

impl LabelScheme for Noisy {
    fn check(&self) -> Result<(), String> {
        share("noise ratio", self.ratio)
    }

    fn outputs(&self, real: ClassId) -> ClassId {
        real
    }

    fn real_classes(&self, _: ClassId) -> bool {
        true
    }

    fn assign(&self, cx: &LabelContext<'_>) -> Result<Option<Vec<ClassId>>, DataError> {
        let classes = cx.data.classes();
        Ok(cx.redraw(|real, rng| self.label(real, classes, rng)))
    }

    fn name(&self) -> String {
        format!("noisy-{}-{}", self.noise.name(), self.ratio)
    }

    fn facts(&self) -> LabelFacts {
        LabelFacts {
            noise: Some(self.noise.name()),
            noise_ratio: Some(self.ratio),
            ..LabelFacts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use randlab_core::Seed;

    use super::*;
    use crate::labels::label_stream;

    fn wrong(noise: Noise, ratio: f64) -> f64 {
        const N: u32 = 20_000;
        let scheme = Noisy { noise, ratio };
        let label =
            |id: u32| scheme.label(id % 10, 10, &mut label_stream(Seed::new(7), id)) != id % 10;
        (0..N).filter(|&id| label(id)).count() as f64 / f64::from(N)
    }

    #[test]
    fn both_conventions_of_symmetric_noise_keep_their_rates() {
        assert!((wrong(Noise::Symmetric, 0.4) - 0.40).abs() < 0.015);
        assert!((wrong(Noise::Uniform, 0.4) - 0.36).abs() < 0.015);
        assert!(wrong(Noise::Symmetric, 0.0) == 0.0);
        assert!((wrong(Noise::Symmetric, 1.0) - 1.0).abs() < 1e-12);
    }
}
