//! Holm's correction of p-values for the number of questions asked at once.

/// Holm's step-down adjusted p-values, in the order of `p`. Rejecting where they are below a level keeps the probability
/// of any false rejection below that level, however the tests depend on each other (Holm 1979).
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = p.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p.len()];
    // Stepping down stops at the first test that is not rejected, so no later one may come out smaller.
    let mut largest = 0.0_f64;
    for (rank, (place, p_value)) in order.into_iter().enumerate() {
        largest = largest.max(p_value * (p.len() - rank) as f64).min(1.0);
        if let Some(slot) = adjusted.get_mut(place) {
            *slot = largest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_example() {
        // By hand, and as R's p.adjust(c(.01, .04, .03, .005), "holm"): .01 * 3, .04 after .03 * 2, .03 * 2, .005 * 4.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn probabilities_stay_probabilities() {
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
        assert_eq!(holm(&[0.2]), [0.2]);
        assert!(holm(&[]).is_empty());
    }
}
