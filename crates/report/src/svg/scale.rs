//! Scales and their ticks.

use crate::figure::Scale;

/// An axis with its ends, in numbers and in user units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapped {
    scale: Scale,
    ends: (f64, f64),
    place: (f64, f64),
}

impl Mapped {
    /// An axis that holds `values`, with some air at its ends. Values a scale has no place for are passed over.
    pub(super) fn over(scale: Scale, values: impl Iterator<Item = f64>, place: (f64, f64)) -> Self {
        const AIR: f64 = 0.04;
        let usable = |v: &f64| v.is_finite() && (scale != Scale::Log || *v > 0.0);
        let (lo, hi) = values
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        let (lo, hi) = if lo > hi { (1.0, 2.0) } else { (lo, hi) };
        let (a, b) = (warp(scale, lo), warp(scale, hi));
        // A flat curve gets an axis too.
        let air = ((b - a) * AIR).max(1e-9 + a.abs() * 0.01);
        // Small steps from 0 show as what they are when the axis begins there.
        let from_zero = scale == Scale::Linear && lo >= 0.0 && lo < 0.5 * hi;
        let from_step_0 = matches!(scale, Scale::LogFromZero | Scale::Phases { .. }) && lo <= 0.0;
        let start = if from_zero || from_step_0 { 0.0 } else { a - air };
        Self { scale, ends: (start, b + air), place }
    }

    /// Where `value` stands; outside the axis for what it has no place for.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (a, b) = self.ends;
        let below = a - (b - a);
        let warped = warp(self.scale, value);
        let share = (if warped.is_finite() { warped } else { below } - a) / (b - a);
        self.place.0 + share.clamp(-10.0, 10.0) * (self.place.1 - self.place.0)
    }

    /// Ticks: places and labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let (lo, hi) = (unwarp(self.scale, self.ends.0), unwarp(self.scale, self.ends.1));
        let plain = |values: Vec<f64>| values.into_iter().map(|v| (self.at(v), label(v))).collect();
        match self.scale {
            Scale::Linear => plain(linear(lo, hi)),
            Scale::Log => plain(logarithmic(lo, hi)),
            Scale::LogFromZero => plain(from_zero(lo, hi)),
            // Ticks of the second phase count from the switch, which itself has no label.
            Scale::Phases { switch } => {
                let mut ticks: Vec<_> = plain(from_zero(lo, switch));
                let later = decades(0.9, hi - switch, &[1.0]).into_iter();
                ticks.extend(later.map(|v| (self.at(switch + v), format!("+{}", label(v)))));
                ticks
            }
        }
    }
}

fn warp(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log => value.ln(),
        Scale::Phases { switch } if value > switch => switch.ln_1p() + (value - switch).ln_1p(),
        Scale::LogFromZero | Scale::Phases { .. } => value.ln_1p(),
    }
}

fn unwarp(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log => value.exp(),
        Scale::Phases { switch } if value > switch.ln_1p() => {
            switch + (value - switch.ln_1p()).exp_m1()
        }
        Scale::LogFromZero | Scale::Phases { .. } => value.exp_m1(),
    }
}

/// Zero and decades.
fn from_zero(lo: f64, hi: f64) -> Vec<f64> {
    let zero = (lo <= 0.0).then_some(0.0);
    zero.into_iter().chain(decades(lo.max(0.9), hi, &[1.0])).collect()
}

/// Round numbers between `lo` and `hi`, at the largest spacing that leaves four or more.
fn linear(lo: f64, hi: f64) -> Vec<f64> {
    let most = (hi - lo) / 3.5;
    let power = 10_f64.powf(most.log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().map(|m| m * power).find(|&s| s <= most);
    let step = step.unwrap_or(most);
    let first = (lo / step).ceil();
    (0..12).map(|i| (first + f64::from(i)) * step).take_while(|&v| v <= hi + step * 1e-9).collect()
}

/// Decades; with fewer than three of them, 2 and 5 as well; with too few even then, round numbers.
fn logarithmic(lo: f64, hi: f64) -> Vec<f64> {
    for mantissas in [&[1.0][..], &[1.0, 2.0, 5.0]] {
        let ticks = decades(lo, hi, mantissas);
        if ticks.len() >= 3 {
            return ticks;
        }
    }
    linear(lo, hi)
}

fn decades(lo: f64, hi: f64, mantissas: &[f64]) -> Vec<f64> {
    (-12..=15)
        .flat_map(|e| mantissas.iter().map(move |m| m * 10_f64.powi(e)))
        .filter(|v| *v >= lo && *v <= hi)
        .collect()
}

/// A tick's label: round numbers without the noise of binary fractions.
fn label(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64]) -> Vec<String> {
        let axis = Mapped::over(scale, values.iter().copied(), (0.0, 100.0));
        axis.ticks().into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::Linear, &[0.0, 1.0]), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(Scale::Linear, &[0.31, 0.38]), ["0.32", "0.34", "0.36", "0.38"]);
        assert_eq!(labels(Scale::Log, &[0.009, 21.0]), ["0.01", "0.1", "1", "10"]);
        assert_eq!(labels(Scale::Log, &[0.3, 4.0]), ["0.5", "1", "2"]);
        assert_eq!(labels(Scale::LogFromZero, &[0.0, 720.0]), ["0", "1", "10", "100"]);
    }

    #[test]
    fn the_second_phase_counts_from_the_switch() {
        let scale = Scale::Phases { switch: 500.0 };
        assert_eq!(labels(scale, &[0.0, 530.0]), ["0", "1", "10", "100", "+1", "+10"]);
        let axis = Mapped::over(scale, [0.0, 1000.0].into_iter(), (0.0, 100.0));
        // Equally long phases are equally wide.
        let (start, switch, end) = (axis.at(0.0), axis.at(500.0), axis.at(1000.0));
        assert!((end - switch - (switch - start)).abs() < 1e-9 && start == 0.0);
    }

    #[test]
    fn flat_and_empty_data_have_an_axis() {
        for values in [&[2.0][..], &[], &[f64::NAN]] {
            let axis = Mapped::over(Scale::Log, values.iter().copied(), (0.0, 100.0));
            assert!(axis.at(2.0).is_finite() && axis.at(0.0).is_finite());
        }
    }
}
