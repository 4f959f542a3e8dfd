use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Loss, Targets, like, mean, numbers, one_hot, rounded, shaped, shares, sizes};
use crate::NnError;

/// Mean over the outputs of the squared difference from the target. Classes and probabilities are targets 0 to 1, one per output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanSquaredError {}

impl Loss for MeanSquaredError {
    fn per_example(&self, outputs: &Tensor, targets: &Targets) -> Result<Vec<f64>, NnError> {
        let (_, k) = sizes(outputs)?;
        let differences = differences(outputs, targets)?;
        let squares = |row: &[f64]| row.iter().map(|d| d * d).sum::<f64>();
        Ok(differences.chunks_exact(k).map(|row| squares(row) / k as f64).collect())
    }

    fn value_and_gradient(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        weights: Option<&[f64]>,
    ) -> Result<(f64, Tensor), NnError> {
        let (n, k) = sizes(outputs)?;
        let value = if weights.is_none() {
            self.value(outputs, targets)?
        } else {
            let losses = self.per_example(outputs, targets)?;
            rounded(mean(&losses, Some(&shares(weights, n)?)), outputs.dtype())
        };
        let (differences, shares) = (differences(outputs, targets)?, shares(weights, n)?);
        let rows = differences.chunks_exact(k).zip(&shares);
        let gradient =
            rows.flat_map(|(row, share)| row.iter().map(move |d| 2.0 * d * share / k as f64));
        Ok((value, shaped(gradient.collect(), outputs)?))
    }
}

/// Outputs less targets.
fn differences(outputs: &Tensor, targets: &Targets) -> Result<Vec<f64>, NnError> {
    let targets = match targets {
        Targets::Classes(classes) => one_hot(classes, sizes(outputs)?)?,
        Targets::Soft(numbers) | Targets::Values(numbers) => like(outputs, numbers)?,
    };
    Ok(numbers(outputs)?.iter().zip(targets).map(|(x, t)| x - t).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn tensor(values: &[f64]) -> Tensor {
        Tensor::from_slice(values, (values.len() / 2, 2), &Device::Cpu).unwrap()
    }

    #[test]
    fn classes_are_one_hot_and_values_are_taken_as_they_are() {
        let x = tensor(&[0.5, 1.0, 3.0, -1.0]);
        let classes = Targets::Classes(Tensor::new(&[0_u32, 1], &Device::Cpu).unwrap());
        let losses = MeanSquaredError {}.per_example(&x, &classes).unwrap();
        assert_eq!(losses, [0.625, 6.5]);
        let values = Targets::Values(tensor(&[0.5, 0.0, 3.0, 1.0]));
        assert_eq!(MeanSquaredError {}.per_example(&x, &values).unwrap(), [0.5, 2.0]);
        // The mean over all entries.
        assert!((MeanSquaredError {}.value(&x, &values).unwrap() - 1.25).abs() < 1e-15);
    }

    #[test]
    fn gradients_match_finite_differences() {
        const H: f64 = 1e-6;
        let at = [0.5, 1.0, 3.0, -1.0];
        let targets = Targets::Values(tensor(&[0.1, 0.2, -0.3, 0.4]));
        for weights in [None, Some(&[1.0, 3.0][..])] {
            let of = |values: &[f64]| {
                MeanSquaredError {}.value_and_gradient(&tensor(values), &targets, weights).unwrap()
            };
            for (k, g) in numbers(&of(&at).1).unwrap().iter().enumerate() {
                let moved = |h: f64| {
                    let mut values = at;
                    values[k] += h;
                    of(&values).0
                };
                let numeric = (moved(H) - moved(-H)) / (2.0 * H);
                assert!((numeric - g).abs() < 1e-8, "{k}: {numeric} {g}");
            }
        }
    }
}
