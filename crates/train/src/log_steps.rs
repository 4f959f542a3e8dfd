//! When a net is looked at while it trains.

use std::collections::BTreeSet;

/// Steps `2^(k / per_octave)`, rounded, from 0 on; none for 0 per octave.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a power of two below the number of steps"
)]
pub(crate) fn steps_per_octave(per_octave: u32, steps: u64) -> BTreeSet<u64> {
    if per_octave == 0 {
        return BTreeSet::new();
    }
    let at = |k: u32| (f64::from(k) / f64::from(per_octave)).exp2().round() as u64;
    [0].into_iter().chain((0..u32::MAX).map(at).take_while(|&step| step <= steps)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lie_evenly_on_a_log_scale() {
        let steps =
            |per_octave, steps| steps_per_octave(per_octave, steps).into_iter().collect::<Vec<_>>();
        assert_eq!(steps(1, 20), [0, 1, 2, 4, 8, 16]);
        assert_eq!(steps(2, 12), [0, 1, 2, 3, 4, 6, 8, 11]);
        assert_eq!(steps(0, 20), [] as [u64; 0]);
    }
}
