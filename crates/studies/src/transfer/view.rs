//! Accuracies of one training run.

use std::rc::Rc;

use randlab_core::{Seed, Split};
use randlab_report::{Arm, ArmRef, ReportError, Run, Runs, View, stats::mean};
use randlab_store::table::MetricRow;

/// Accuracy of every minibatch, measured before its update, in order; and accuracy on held-out images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Batches {
    accuracy: Vec<f64>,
    steps_per_epoch: usize,
    held_out: Vec<HeldOut>,
}

/// Accuracy on held-out images with their real labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HeldOut {
    pub step: i64,
    pub accuracy: f64,
}

impl View for Batches {
    fn of(run: &Run) -> Result<Self, ReportError> {
        let rows = run.read::<MetricRow>()?;
        let wrong = |problem: &str| ReportError::content(run.path::<MetricRow>(), problem);
        let steps_per_epoch =
            steps_per_epoch(&rows).ok_or_else(|| wrong("no row tells how long an epoch is"))?;
        let wanted = |r: &&MetricRow| r.pass == "batch" && r.metric == "accuracy";
        let mut steps: Vec<_> = rows.iter().filter(wanted).map(|r| (r.step, r.value)).collect();
        steps.sort_by_key(|s| s.0);
        let accuracy: Vec<_> = steps.into_iter().map(|s| s.1).collect();
        if accuracy.len() < steps_per_epoch {
            return Err(wrong("fewer minibatches than one epoch has"));
        }
        Ok(Self { accuracy, steps_per_epoch, held_out: held_out(&rows) })
    }
}

/// Steps of the longest run of a panel and downstream task: the horizon all its runs are compared over.
pub(crate) fn horizon(runs: &Runs, panel: &str, task: &str) -> usize {
    let of_task = |r: &&Run| matches!(&r.arm, Arm::Variant { task: of, .. } if of == task);
    let runs_of_task = runs.of("finetune", panel).filter(of_task);
    // A damaged file is an error of the page whatever is returned here.
    let steps = runs_of_task.filter_map(|r| runs.view::<Batches>(r).ok()).map(|b| b.len());
    steps.max().unwrap_or(0)
}

impl Batches {
    /// Of one downstream run.
    ///
    /// # Errors
    /// Names the run that is missing.
    pub(crate) fn find(runs: &Runs, arm: &ArmRef, seed: Seed) -> Result<Rc<Self>, String> {
        runs.view(runs.run("finetune", arm, seed)?)
    }

    /// Accuracy on held-out images, in the order of steps; empty for labels no image outside the training set has.
    pub(crate) fn held_out(&self) -> &[HeldOut] {
        &self.held_out
    }

    /// Steps done.
    pub(crate) fn len(&self) -> usize {
        self.accuracy.len()
    }

    /// Steps of one epoch.
    pub(crate) fn steps_per_epoch(&self) -> usize {
        self.steps_per_epoch
    }

    /// Mean over the last epoch, the value a run that stops early is continued with.
    fn last_epoch(&self) -> f64 {
        mean(&self.accuracy[self.accuracy.len() - self.steps_per_epoch..])
    }

    /// Area under the curve: mean accuracy over `horizon` steps.
    pub(crate) fn auc(&self, horizon: usize) -> f64 {
        let missing = horizon.saturating_sub(self.len()) as f64;
        let sum = self.accuracy.iter().sum::<f64>() + missing * self.last_epoch();
        sum / horizon.max(self.len()) as f64
    }

    /// Mean over the epoch that ends with step `step`, counted from 1; none before the first epoch is over.
    pub(crate) fn moving_average(&self, step: usize) -> Option<f64> {
        if step > self.len() {
            return Some(self.last_epoch());
        }
        let start = step.checked_sub(self.steps_per_epoch)?;
        self.accuracy.get(start..step).map(mean)
    }

    /// First step at which the moving average over one epoch is at least `accuracy`.
    pub(crate) fn steps_to(&self, accuracy: f64) -> Option<usize> {
        // A sum of equal decimals can fall short of the threshold by rounding alone.
        const SLACK: f64 = 1e-12;
        let reached = |&s: &usize| self.moving_average(s).is_some_and(|a| a >= accuracy - SLACK);
        (self.steps_per_epoch..=self.len()).find(reached)
    }
}

fn held_out(rows: &[MetricRow]) -> Vec<HeldOut> {
    let wanted = |r: &&MetricRow| {
        r.split == Split::Holdout.name()
            && r.pass == "full"
            && r.labels == "real"
            && r.metric == "accuracy"
    };
    let point = |r: &MetricRow| HeldOut { step: r.step, accuracy: r.value };
    let mut points: Vec<_> = rows.iter().filter(wanted).map(point).collect();
    points.sort_by_key(|p| p.step);
    points
}

/// The step at which `epoch` reaches 1.
fn steps_per_epoch(rows: &[MetricRow]) -> Option<usize> {
    let full = rows.iter().filter(|r| r.epoch >= 1.0).min_by_key(|r| r.step)?;
    usize::try_from(full.step).ok().filter(|&n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches() -> Batches {
        let accuracy = vec![0.0, 0.2, 0.6, 0.8, 1.0, 0.8];
        Batches { accuracy, steps_per_epoch: 2, held_out: Vec::new() }
    }

    #[test]
    fn a_short_run_is_continued_at_its_last_epoch() {
        // (3.4 + 2 * 0.9) / 8
        assert!((batches().auc(8) - 0.65).abs() < 1e-12);
        assert!((batches().auc(6) - 3.4 / 6.0).abs() < 1e-12);
        assert_eq!(batches().moving_average(7), Some(0.9));
    }

    #[test]
    fn held_out_accuracy_is_that_of_full_passes_with_real_labels() {
        let row = |split: &str, labels: &str, step: i64, value: f64| MetricRow {
            step,
            split: split.to_owned(),
            labels: labels.to_owned(),
            pass: "full".to_owned(),
            metric: "accuracy".to_owned(),
            epoch: step as f64 / 2.0,
            value,
            ..MetricRow::default()
        };
        let rows = [
            row("holdout", "real", 4, 0.6),
            row("holdout", "real", 0, 0.1),
            row("downstream", "real", 2, 0.9),
            row("holdout", "assigned", 2, 0.8),
        ];
        let point = |step, accuracy| HeldOut { step, accuracy };
        assert_eq!(held_out(&rows), [point(0, 0.1), point(4, 0.6)]);
    }

    #[test]
    fn the_first_epoch_over_the_threshold_counts() {
        assert_eq!(batches().moving_average(1), None);
        assert_eq!(batches().steps_to(0.7), Some(4));
        assert_eq!(batches().steps_to(0.9), Some(5));
        assert_eq!(batches().steps_to(0.95), None);
    }
}
