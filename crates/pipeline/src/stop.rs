//! SIGINT, SIGTERM, SIGQUIT and SIGHUP as a flag that loops look at.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use signal_hook::{
    consts::{SIGHUP, TERM_SIGNALS},
    flag,
};

/// Set by the first signal that asks the process to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Catches the signals from now on, but for those that are ignored so far, as `nohup` wants it. Where they cannot be caught
    /// they keep their usual effect, and a killed run loses no more than what it did since its last saved state.
    pub fn listen() -> Self {
        let flag = Arc::new(AtomicUsize::new(0));
        let ignored = ignored();
        // The last comes when a terminal is closed.
        for &signal in TERM_SIGNALS.iter().chain(&[SIGHUP]) {
            let number = usize::try_from(signal).unwrap_or(0);
            if ignored >> number.saturating_sub(1) & 1 == 1 {
                continue;
            }
            if let Err(error) = flag::register_usize(signal, Arc::clone(&flag), number) {
                tracing::warn!(signal, %error, "signal cannot be caught");
            }
        }
        Self(flag)
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<u8> {
        u8::try_from(self.0.load(Ordering::Relaxed)).ok().filter(|&s| s > 0)
    }
}

/// Signals that this process was started to ignore, a bit each from signal 1 on; none where the system does not tell.
fn ignored() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
