//! Labels that depend on what a first layer looks at.

use randlab_core::ClassId;
use randlab_moments::{Eigenbasis, PatchShape, patch_energies};
use serde::{Deserialize, Serialize};

use super::{LabelContext, LabelScheme, made_up_classes};
use crate::DataError;

/// How much of an image's patches lies along one principal direction of all patches, in as many equally large classes:
/// a control whose labels do depend on the first layer's inputs (Chowers and Weiss 2023, section 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchEnergy {
    /// Number of the direction, 0 for the one with the largest eigenvalue.
    pub component: u16,
    /// Side of the patches, in pixels.
    pub kernel: u16,
    /// Number of classes.
    pub classes: ClassId,
}

impl LabelScheme for PatchEnergy {
    fn check(&self) -> Result<(), String> {
        made_up_classes("patch-energy", self.classes)?;
        if self.kernel == 0 { Err("kernel must be at least 1".into()) } else { Ok(()) }
    }

    fn outputs(&self, _: ClassId) -> ClassId {
        self.classes
    }

    /// As for random labels: kept as a baseline where the numbers of classes agree.
    fn real_classes(&self, real: ClassId) -> bool {
        self.classes == real
    }

    fn assign(&self, cx: &LabelContext<'_>) -> Result<Option<Vec<ClassId>>, DataError> {
        let (component, kernel) = (usize::from(self.component), usize::from(self.kernel));
        let basis = Eigenbasis::of(&cx.data.patch_moments(Some(kernel))?.second_moment())?;
        if component >= basis.dim() {
            let last = basis.dim() - 1;
            return Err(DataError::Labels(format!(
                "there is no component {component} of {kernel}x{kernel} patches: the last one is {last}"
            )));
        }
        let direction: Vec<f64> = (0..basis.dim()).map(|i| basis.vectors[(i, component)]).collect();
        let [channels, height, width] = cx.data.shape();
        let shape = PatchShape { channels, height, width, kernel };
        Ok(Some(self.ranked(&patch_energies(cx.images, shape, &direction)?)))
    }

    fn name(&self) -> String {
        format!("patch-energy-{}", self.component)
    }
}

impl PatchEnergy {
    /// Classes of equal size by rank.
    fn ranked(&self, energies: &[f64]) -> Vec<ClassId> {
        let mut order: Vec<usize> = (0..energies.len()).collect();
        order.sort_by(|&a, &b| energies[a].total_cmp(&energies[b]));
        let mut labels = vec![0; order.len()];
        for (rank, &image) in order.iter().enumerate() {
            let class = rank * self.classes as usize / order.len();
            labels[image] = ClassId::try_from(class).unwrap_or(0);
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ranks() {
        let scheme = PatchEnergy { component: 0, kernel: 1, classes: 3 };
        assert_eq!(scheme.ranked(&[5.0, 1.0, 4.0, 2.0, 9.0, 3.0]), [2, 0, 1, 0, 2, 1]);
    }

    #[test]
    fn specifications_are_checked() {
        let scheme = |kernel, classes| PatchEnergy { component: 0, kernel, classes };
        assert!(scheme(3, 10).check().is_ok());
        assert!(scheme(0, 10).check().unwrap_err().contains("kernel"));
        assert!(scheme(3, 1).check().unwrap_err().contains("2 classes or more"));
    }
}
