//! Which seeds may be used: those whose pretrain run fitted its labels. A net that has not learnt them says nothing about
//! what is learnt from them.

use randlab_core::Seed;

use crate::Runs;

/// The seeds of one or more panels, sorted by whether they fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Converged {
    /// Seeds all of whose pretrain runs fit, rising.
    pub kept: Vec<Seed>,
    /// All seeds that every panel has, rising.
    pub all: Vec<Seed>,
    /// Pretrain runs looked at.
    pub n_runs: usize,
    /// How many of them missed their target.
    pub n_missed: usize,
    /// The target, the largest if there are several.
    target: Option<f64>,
}

impl Converged {
    /// Of the seeds that all of `panels` have.
    pub fn of(runs: &Runs, panels: &[&str]) -> Self {
        let pretrained: Vec<_> = panels.iter().flat_map(|p| runs.of("pretrain", p)).collect();
        let has_all = |s: &Seed| panels.iter().all(|p| runs.pretrain(p, *s).is_some());
        let mut all = panels.first().map_or_else(Vec::new, |p| runs.seeds(p));
        all.retain(has_all);
        let missed = |s: Seed| pretrained.iter().any(|r| r.info.seed == s && !r.fits());
        Self {
            kept: all.iter().copied().filter(|&s| !missed(s)).collect(),
            all,
            n_runs: pretrained.len(),
            n_missed: pretrained.iter().filter(|r| !r.fits()).count(),
            target: pretrained.iter().filter_map(|r| r.row.target_train_accuracy).reduce(f64::max),
        }
    }

    /// What to say about the runs that missed; none if all fit.
    pub fn remark(&self) -> Option<String> {
        let below = self.target.map_or_else(String::new, |t| format!(" (below {t})"));
        (self.n_missed > 0).then(|| {
            format!("{} of {} runs did not fit their labels{below}", self.n_missed, self.n_runs)
        })
    }

    /// `of` each seed kept, in order.
    ///
    /// # Errors
    /// The first error of `of`.
    pub fn each<T>(&self, of: impl FnMut(Seed) -> Result<T, String>) -> Result<Vec<T>, String> {
        self.kept.iter().copied().map(of).collect()
    }
}
