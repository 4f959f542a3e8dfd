//! Labels that have nothing to do with the images.

use rand::RngExt;
use randlab_core::{ClassId, ImageId, Seed};
use serde::{Deserialize, Serialize};

use super::{LabelContext, LabelFacts, LabelScheme, label_stream, made_up_classes};
use crate::DataError;

/// Uniform over `classes`, drawn once per image, independent of the image (paper, section 1): independent draws and not a
/// permutation of the real labels, which would keep the class counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// Number of classes drawn from.
    pub classes: ClassId,
}

impl Random {
    fn label(&self, seed: Seed, id: ImageId) -> ClassId {
        label_stream(seed, id).random_range(0..self.classes.max(1))
    }
}

impl LabelScheme for Random {
    fn check(&self) -> Result<(), String> {
        made_up_classes("random", self.classes)
    }

    fn outputs(&self, _: ClassId) -> ClassId {
        self.classes
    }

    /// Where there happen to be as many real classes, the score against them is chance. Tables of CIFAR-10 with 10 random
    /// classes hold that baseline, so it stays.
    fn real_classes(&self, real: ClassId) -> bool {
        self.classes == real
    }

    fn informative_midway(&self) -> bool {
        false
    }

    fn assign(&self, cx: &LabelContext<'_>) -> Result<Option<Vec<ClassId>>, DataError> {
        Ok(Some(cx.data.ids(cx.split).iter().map(|&id| self.label(cx.seed, id)).collect()))
    }

    fn name(&self) -> String {
        format!("random{}", self.classes)
    }

    fn facts(&self) -> LabelFacts {
        LabelFacts { random_classes: Some(self.classes), ..LabelFacts::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed::new(7);
    const N: u32 = 20_000;

    #[test]
    fn labels_are_uniform_and_independent_of_the_class() {
        let scheme = Random { classes: 10 };
        let mut table = [[0.0; 10]; 10];
        for id in 0..N {
            table[(id % 10) as usize][scheme.label(SEED, id) as usize] += 1.0;
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
    fn numbers_of_classes_are_checked() {
        assert!(Random { classes: 2 }.check().is_ok());
        assert!(Random { classes: 1 }.check().unwrap_err().contains("2 classes or more"));
        assert!(Random { classes: u32::MAX }.check().unwrap_err().contains("2 to 65536"));
    }
}
