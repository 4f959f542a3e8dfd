//! How many held-out images activate the units of one training run.

use std::collections::BTreeMap;

use randlab_store::table::ActivityRow;

/// Bins of a histogram, equally wide.
pub(crate) const BINS: usize = 20;

/// Histograms of the hidden layers of one run at its first and last step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Histograms {
    /// By depth: name, and histograms by step.
    layers: BTreeMap<i32, (String, BTreeMap<i64, Histogram>)>,
}

/// Shares of a layer's units by the share of images that activate them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Histogram {
    /// Active on no image.
    pub dead: f64,
    /// The others: bin `k` holds shares of images above `k / BINS`, up to `(k + 1) / BINS`.
    pub bins: [f64; BINS],
}

impl Histograms {
    pub(crate) fn of(rows: &[ActivityRow]) -> Self {
        let mut layers = BTreeMap::<i32, (String, BTreeMap<i64, Histogram>)>::new();
        for row in rows {
            let (_, steps) = layers
                .entry(row.layer_index)
                .or_insert_with(|| (row.layer.clone(), BTreeMap::new()));
            steps.entry(row.step).or_default().count(row);
        }
        for histogram in layers.values_mut().flat_map(|layer| layer.1.values_mut()) {
            histogram.normalise();
        }
        Self { layers }
    }

    /// Depth and name of the hidden layers, the first of the net first.
    pub(crate) fn layers(&self) -> Vec<(i32, &str)> {
        self.layers.iter().map(|(&depth, (name, _))| (depth, name.as_str())).collect()
    }

    /// The layer at the first step.
    pub(crate) fn first(&self, depth: i32) -> Option<Histogram> {
        self.layers.get(&depth)?.1.values().next().copied()
    }

    /// The layer at the last step.
    pub(crate) fn last(&self, depth: i32) -> Option<Histogram> {
        self.layers.get(&depth)?.1.values().next_back().copied()
    }
}

impl Histogram {
    /// Adds the units of `row`, not yet divided by their number.
    fn count(&mut self, row: &ActivityRow) {
        let units = row.n_units as f64;
        let images = |n: i32| usize::try_from(n).unwrap_or(0);
        // Whole numbers, as a quotient can fall on the wrong side of an edge.
        let place = (images(row.active_on) * BINS).div_ceil(images(row.n_images).max(1));
        match place.checked_sub(1) {
            Some(bin) => self.bins[bin.min(BINS - 1)] += units,
            None => self.dead += units,
        }
    }

    fn normalise(&mut self) {
        let units = self.dead + self.bins.iter().sum::<f64>();
        self.dead /= units;
        for bin in &mut self.bins {
            *bin /= units;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: i64, active_on: i32, n_units: i64) -> ActivityRow {
        let layer = "fc1".to_owned();
        let (layer_index, n_images) = (3, 40);
        ActivityRow {
            step,
            layer,
            layer_index,
            active_on,
            n_images,
            n_units,
            ..ActivityRow::default()
        }
    }

    #[test]
    fn units_are_sorted_into_bins_and_the_dead_apart() {
        let rows = [row(0, 0, 1), row(0, 1, 2), row(0, 2, 3), row(0, 3, 4), row(0, 40, 10)];
        let activity = Histograms::of(&[&rows[..], &[row(9, 0, 7)]].concat());
        assert_eq!(activity.layers(), [(3, "fc1")]);
        let start = activity.first(3).unwrap();
        // Two images of 40 are a bin's width, and its upper edge belongs to it.
        let shares = (start.dead, start.bins[0], start.bins[1], start.bins[BINS - 1]);
        assert_eq!(shares, (0.05, 0.25, 0.2, 0.5));
        assert_eq!(activity.last(3), Some(Histogram { dead: 1.0, bins: [0.0; BINS] }));
    }
}
