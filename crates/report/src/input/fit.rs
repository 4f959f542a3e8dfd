//! Which seeds may be used: those whose pretrain run fitted its labels. A net that has not learnt them says nothing about
//! what is learnt from them.

use randlab_core::Seed;

use super::{AlignRun, Experiment};

/// The seeds of one or more panels, sorted by whether they fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    /// Seeds all of whose pretrain runs fit, rising.
    pub kept: Vec<Seed>,
    /// All seeds that every panel has.
    pub all: Vec<Seed>,
    /// Pretrain runs looked at.
    pub n_runs: usize,
    /// How many of them missed their target.
    pub n_missed: usize,
    /// The target, the largest if there are several.
    target: Option<f64>,
}

impl Fit {
    /// Of the seeds that all of `panels` have.
    pub(crate) fn of(experiment: &Experiment<'_>, panels: &[&str]) -> Self {
        let runs: Vec<_> = panels.iter().flat_map(|p| experiment.of("pretrain", p)).collect();
        let has_all = |s: &Seed| panels.iter().all(|p| experiment.pretrain(p, *s).is_some());
        let all: Vec<_> = panels.first().map_or_else(Vec::new, |p| experiment.seeds(p));
        let all: Vec<_> = all.into_iter().filter(has_all).collect();
        let missed = |s: Seed| runs.iter().any(|r| r.info.seed == s && !r.fits());
        Self {
            kept: all.iter().copied().filter(|&s| !missed(s)).collect(),
            all,
            n_runs: runs.len(),
            n_missed: runs.iter().filter(|r| !r.fits()).count(),
            target: runs.iter().filter_map(|r| r.row.target_train_accuracy).reduce(f64::max),
        }
    }

    /// Whether `pool` holds runs that missed: a pool cannot be cleaned afterwards.
    pub(crate) fn taints(&self, pool: &AlignRun) -> bool {
        let pooled = pool.rows.last().map_or(0, |r| usize::try_from(r.n_runs).unwrap_or(0));
        self.n_missed > 0 && pooled > self.kept.len()
    }

    /// What to say about the runs that missed; none if all fit.
    pub(crate) fn remark(&self) -> Option<String> {
        let below = self.target.map_or_else(String::new, |t| format!(" (below {t})"));
        (self.n_missed > 0).then(|| {
            format!("{} of {} runs did not fit their labels{below}", self.n_missed, self.n_runs)
        })
    }
}
