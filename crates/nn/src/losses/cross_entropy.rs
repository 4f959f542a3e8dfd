use candle_core::{DType, Tensor};
use randlab_kernels::{softmax_cross_entropy, softmax_cross_entropy_gradient};
use serde::{Deserialize, Serialize};

use super::{Loss, Targets, like, mean, numbers, one_hot, rounded, shaped, shares, sizes, wrong};
use crate::NnError;

/// Cross-entropy of the softmax of the outputs, nat, with classes or probabilities as targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {}

impl Loss for CrossEntropy {
    fn per_example(&self, outputs: &Tensor, targets: &Targets) -> Result<Vec<f64>, NnError> {
        let (_, k) = sizes(outputs)?;
        let targets = probabilities(outputs, targets)?;
        let rows = numbers(outputs)?;
        let rows = rows.chunks_exact(k).zip(targets.chunks_exact(k));
        Ok(rows.map(|(row, target)| row_loss(row, target)).collect())
    }

    fn value(&self, outputs: &Tensor, targets: &Targets) -> Result<f64, NnError> {
        match targets {
            Targets::Classes(classes) => scalar(&softmax_cross_entropy(outputs, classes)?),
            Targets::Soft(_) | Targets::Values(_) => {
                let losses = self.per_example(outputs, targets)?;
                Ok(rounded(mean(&losses, None), outputs.dtype()))
            }
        }
    }

    fn value_and_gradient(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        weights: Option<&[f64]>,
    ) -> Result<(f64, Tensor), NnError> {
        if let (Targets::Classes(classes), None) = (targets, weights) {
            let gradient = softmax_cross_entropy_gradient(outputs, classes)?;
            return Ok((self.value(outputs, targets)?, gradient));
        }
        let (n, k) = sizes(outputs)?;
        let shares = shares(weights, n)?;
        let losses = self.per_example(outputs, targets)?;
        let (rows, targets) = (numbers(outputs)?, probabilities(outputs, targets)?);
        let rows = rows.chunks_exact(k).zip(targets.chunks_exact(k)).zip(&shares);
        let gradient = rows.flat_map(|((row, target), &share)| row_gradient(row, target, share));
        let value = rounded(mean(&losses, Some(&shares)), outputs.dtype());
        Ok((value, shaped(gradient.collect(), outputs)?))
    }
}

/// Targets `[N, K]` as probabilities.
fn probabilities(outputs: &Tensor, targets: &Targets) -> Result<Vec<f64>, NnError> {
    match targets {
        Targets::Classes(classes) => one_hot(classes, sizes(outputs)?),
        Targets::Soft(probabilities) => like(outputs, probabilities),
        Targets::Values(_) => Err(wrong("cross-entropy takes classes or probabilities")),
    }
}

/// Exponentials of `row` less its largest value, their sum, and that value.
fn exponentials(row: &[f64]) -> (Vec<f64>, f64, f64) {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = row.iter().map(|x| (x - top).exp()).collect();
    let sum = exponentials.iter().sum();
    (exponentials, sum, top)
}

fn row_loss(row: &[f64], target: &[f64]) -> f64 {
    let (_, sum, top) = exponentials(row);
    let normaliser = sum.ln() + top;
    // An output of minus infinity whose probability is 0 costs nothing.
    let terms = row.iter().zip(target).filter(|(_, t)| **t > 0.0);
    terms.map(|(x, t)| t * (normaliser - x)).sum()
}

/// `share (softmax sum(t) - t)`.
fn row_gradient(row: &[f64], target: &[f64], share: f64) -> Vec<f64> {
    let (exponentials, sum, _) = exponentials(row);
    let mass: f64 = target.iter().sum();
    let entries = exponentials.iter().zip(target);
    entries.map(|(e, t)| (e / sum * mass - t) * share).collect()
}

fn scalar(value: &Tensor) -> Result<f64, NnError> {
    Ok(value.to_dtype(DType::F64)?.to_scalar()?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn tensor(values: &[f64], k: usize) -> Tensor {
        Tensor::from_slice(values, (values.len() / k, k), &Device::Cpu).unwrap()
    }

    fn outputs() -> Tensor {
        tensor(&[0.3, -1.2, 2.0, 1.5, 0.1, -0.4], 3)
    }

    fn classes(classes: &[u32]) -> Targets {
        Targets::Classes(Tensor::new(classes, &Device::Cpu).unwrap())
    }

    fn list(t: &Tensor) -> Vec<f64> {
        numbers(t).unwrap()
    }

    fn close(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn equal_weights_and_sure_probabilities_change_nothing() {
        let (x, hard) = (outputs(), classes(&[2, 0]));
        let (value, gradient) = CrossEntropy {}.value_and_gradient(&x, &hard, None).unwrap();
        let soft = Targets::Soft(tensor(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0], 3));
        for (targets, weights) in
            [(&hard, Some(&[3.0, 3.0][..])), (&soft, None), (&soft, Some(&[1.0, 1.0]))]
        {
            let (v, g) = CrossEntropy {}.value_and_gradient(&x, targets, weights).unwrap();
            assert!((v - value).abs() < 1e-12 && close(&list(&g), &list(&gradient)));
        }
        let losses = CrossEntropy {}.per_example(&x, &hard).unwrap();
        assert!((f64::midpoint(losses[0], losses[1]) - value).abs() < 1e-12);
    }

    #[test]
    fn weights_choose_examples() {
        let (x, hard) = (outputs(), classes(&[2, 1]));
        let losses = CrossEntropy {}.per_example(&x, &hard).unwrap();
        let (value, gradient) =
            CrossEntropy {}.value_and_gradient(&x, &hard, Some(&[0.0, 2.0])).unwrap();
        assert!((value - losses[1]).abs() < 1e-12);
        assert!(list(&gradient)[..3].iter().all(|&g| g == 0.0));
        let refused =
            |weights: &[f64]| CrossEntropy {}.value_and_gradient(&x, &hard, Some(weights)).is_err();
        assert!(refused(&[1.0]) && refused(&[0.0, 0.0]) && refused(&[-1.0, 2.0]));
    }

    #[test]
    fn gradients_match_finite_differences() {
        const H: f64 = 1e-6;
        let soft = Targets::Soft(tensor(&[0.2, 0.5, 0.3, 0.9, 0.0, 0.1], 3));
        for (targets, weights) in
            [(&classes(&[1, 1]), Some(&[0.3, 0.9][..])), (&soft, None), (&soft, Some(&[2.0, 0.5]))]
        {
            let at = list(&outputs());
            let value = |k: usize, h: f64| {
                let mut moved = at.clone();
                moved[k] += h;
                CrossEntropy {}.value_and_gradient(&tensor(&moved, 3), targets, weights).unwrap().0
            };
            let (_, gradient) =
                CrossEntropy {}.value_and_gradient(&outputs(), targets, weights).unwrap();
            for (k, g) in list(&gradient).iter().enumerate() {
                let numeric = (value(k, H) - value(k, -H)) / (2.0 * H);
                assert!((numeric - g).abs() < 1e-8, "{k}: {numeric} {g}");
            }
        }
    }

    #[test]
    fn targets_that_do_not_fit_are_refused() {
        let refused = |targets: &Targets| CrossEntropy {}.per_example(&outputs(), targets).is_err();
        assert!(refused(&Targets::Values(outputs())));
        assert!(refused(&Targets::Soft(tensor(&[1.0, 0.0], 1))));
        assert!(refused(&classes(&[0, 3])) && refused(&classes(&[0])));
    }
}
