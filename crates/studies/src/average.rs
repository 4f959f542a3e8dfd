//! Which seeds are drawn, and their averages.

use std::collections::BTreeSet;

use randlab_core::Seed;
use randlab_report::{
    Converged, Runs,
    figure::{Block, Body, Point},
    stats::{Mean, mean},
};

/// The seeds of a panel that are drawn, and how.
pub(crate) struct Drawn {
    pub seeds: Vec<Seed>,
    /// Nothing fitted: what is drawn is drawn as a warning.
    pub dashed: bool,
    /// What the panel must say.
    pub notes: Vec<String>,
}

impl Drawn {
    /// Runs that missed their target are left out. Where all did, they are drawn dashed: an empty plot would hide more.
    pub(crate) fn of(runs: &Runs, panel: &str) -> Self {
        let seeds = Converged::of(runs, &[panel]);
        let dashed = seeds.kept.is_empty();
        let how = if dashed { "shown dashed, excluded from every estimate" } else { "excluded" };
        let notes = seeds.remark().map(|r| format!("{r}: {how}")).into_iter().collect();
        Self { seeds: if dashed { seeds.all } else { seeds.kept }, dashed, notes }
    }

    /// What `of` finds for each seed; a seed without it is skipped and named in the notes.
    pub(crate) fn found<T>(&mut self, of: impl Fn(Seed) -> Result<T, String>) -> Vec<T> {
        let mut found = Vec::new();
        for &seed in &self.seeds {
            match of(seed) {
                Ok(item) => found.push(item),
                Err(why) => self.notes.push(why),
            }
        }
        found
    }

    /// A block of `panel` with these notes. `name` is its name in `curves`.
    pub(crate) fn block(self, runs: &Runs, panel: &str, head: Head, body: Body) -> Block {
        let Head { name, title } = head;
        let dataset = runs.dataset(panel).to_owned();
        Block { panel: name, title, dataset, notes: self.notes, body }
    }
}

/// How a block is called.
pub(crate) struct Head {
    /// Name in `curves`.
    pub name: String,
    pub title: String,
}

/// Mean over seeds at `x`, with its interval.
pub(crate) fn average(x: f64, values: &[f64]) -> Point {
    let m = Mean::of(values);
    Point { x, y: m.value, band: m.interval() }
}

/// Component by component means over seeds of curves given as (abscissae, ordinates). Data eigenvalues differ a little
/// between seeds, so abscissae are averaged too. Directions of one eigenspace stand at one place and are one point.
pub(crate) fn average_curves(curves: &[(Vec<f64>, Vec<f64>)]) -> Vec<Point> {
    let n = curves.iter().map(|(x, y)| x.len().min(y.len())).min().unwrap_or(0);
    let xs = |k: usize| curves.iter().filter_map(|c| c.0.get(k).copied()).collect::<Vec<_>>();
    let ys = |k: usize| curves.iter().filter_map(|c| c.1.get(k).copied()).collect::<Vec<_>>();
    let mut points: Vec<_> = (0..n).map(|k| average(mean(&xs(k)), &ys(k))).collect();
    points.dedup_by(|a, b| a.x.total_cmp(&b.x).is_eq());
    points
}

/// Values at the steps that all runs, given as (step, value), have. A run that ended before counts with its last value.
pub(crate) fn carried(runs: &[Vec<(i64, f64)>]) -> Vec<(i64, Vec<f64>)> {
    let at = |run: &Vec<(i64, f64)>, step: i64| {
        let ended = run.last().filter(|last| last.0 < step);
        ended.or_else(|| run.iter().find(|p| p.0 == step)).map(|p| p.1)
    };
    let steps: BTreeSet<i64> = runs.iter().flatten().map(|p| p.0).collect();
    let all = |step| Some((step, runs.iter().map(|run| at(run, step)).collect::<Option<_>>()?));
    steps.into_iter().filter_map(all).collect()
}

/// At most `most` of `items`, evenly chosen, with the first and the last.
pub(crate) fn thin<T: Copy>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most || most < 2 {
        return items.to_vec();
    }
    let pick = |i: usize| items.get(i * (items.len() - 1) / (most - 1)).copied();
    (0..most).filter_map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_ends() {
        let items: Vec<_> = (0..100).collect();
        assert_eq!(thin(&items, 4), [0, 33, 66, 99]);
        assert_eq!(thin(&items[..3], 4), [0, 1, 2]);
    }

    #[test]
    fn ended_runs_are_carried_on_and_steps_of_some_left_out() {
        let long = vec![(0, 0.1), (10, 0.2), (40, 0.4)];
        let short = vec![(0, 0.5), (10, 0.6), (25, 0.7)];
        let expected = [(0, vec![0.1, 0.5]), (10, vec![0.2, 0.6]), (40, vec![0.4, 0.7])];
        assert_eq!(carried(&[long, short]), expected);
    }

    #[test]
    fn curves_are_averaged_by_component_and_ties_become_one_point() {
        let curves = [
            (vec![1.0, 1.0, 4.0], vec![2.0, 2.0, 6.0]),
            (vec![1.0, 1.0, 6.0], vec![4.0, 4.0, 8.0]),
        ];
        let points = average_curves(&curves);
        let xy: Vec<_> = points.iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(xy, [(1.0, 3.0), (5.0, 7.0)]);
    }
}
