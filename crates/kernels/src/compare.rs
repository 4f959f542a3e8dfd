//! For tests of the f32 kernels against definitions.

/// `s sin(a k + b)`, rounded to f32 so that both sides get the same numbers.
#[expect(clippy::cast_possible_truncation, reason = "rounding on purpose")]
pub(crate) fn wave(count: usize, a: f64, b: f64, s: f64) -> Vec<f32> {
    (0..count).map(|k| (s * (a * k as f64 + b).sin()) as f32).collect()
}

/// The same numbers in f64.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// Largest difference relative to the largest value.
pub(crate) fn distance(fast: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(fast.len(), exact.len());
    let largest = exact.iter().fold(1e-30_f64, |m, v| m.max(v.abs()));
    let pairs = fast.iter().zip(exact);
    pairs.fold(0.0, |m: f64, (&f, e)| m.max((f64::from(f) - e).abs() / largest))
}
