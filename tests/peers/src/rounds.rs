//! Workers timed in turn, so that other load on the machine affects all of them.

use std::time::Duration;

use anyhow::Result;

use crate::process::Worker;

/// Something that is timed.
pub struct Entry {
    pub name: String,
    pub worker: Worker,
    /// Steps per turn.
    pub steps: u32,
    /// Rounds it takes part in: fewer if it is slow.
    rounds: usize,
    /// Seconds of a step, by round.
    pub seconds: Vec<f64>,
}

/// Median, smallest and largest.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub lo: f64,
    pub hi: f64,
}

impl Entry {
    /// Plans steps for about `share` seconds in all.
    pub fn new(name: String, mut worker: Worker, rounds: usize, share: f64) -> Result<Self> {
        let limit = limit(share);
        let first = worker.first;
        // The first step allocates the buffers; if it is short, it says little about the next ones.
        let step = if first < share { worker.run(1, limit)? } else { first };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and a million"
        )]
        let whole = |x: f64| x.clamp(1.0, 1e6) as usize;
        // Each turn begins with an uncounted step.
        let steps = u32::try_from(whole(share / rounds as f64 / step - 1.0))?;
        let rounds = whole(share / step).min(rounds);
        Ok(Self { name, worker, steps, rounds, seconds: Vec::new() })
    }
}

/// The longest time to wait for an answer of a worker with `share` seconds.
pub fn limit(share: f64) -> Duration {
    Duration::from_secs_f64(10.0 * share)
}

/// Lets all take turns, in reverse order every second round, and calls `other` after each round. Entries that fail are removed with a
/// message.
pub fn take_turns(entries: &mut Vec<Entry>, rounds: usize, share: f64, mut other: impl FnMut()) {
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        let mut failed = Vec::new();
        for i in order {
            let entry = &mut entries[i];
            if round >= entry.rounds {
                continue;
            }
            match entry.worker.run(entry.steps, limit(share)) {
                Ok(seconds) => entry.seconds.push(seconds / f64::from(entry.steps)),
                Err(e) => {
                    eprintln!("  {}: left out: {e:#}", entry.name);
                    failed.push(i);
                }
            }
        }
        failed.sort_unstable();
        for i in failed.into_iter().rev() {
            entries.remove(i);
        }
        other();
    }
}

impl Spread {
    /// Of at least one number.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let n = sorted.len();
        let median = f64::midpoint(at(n.saturating_sub(1) / 2), at(n / 2));
        Self { median, lo: at(0), hi: at(n.saturating_sub(1)) }
    }
}
