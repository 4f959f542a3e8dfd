//! The surroundings of a run.

use std::time::Duration;

/// What a run asks its surroundings.
pub trait Hooks {
    /// True when the run should save its state and leave.
    fn stop(&self) -> bool;
    /// Called after each step.
    fn progress(&mut self, at: &Progress);
    /// Called with one line about something that the run gets over.
    fn warn(&mut self, line: &str);
    /// Time between saved states.
    fn save_every(&self) -> Duration;
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Optimiser steps done.
    pub step: u64,
    /// Steps of the longest possible run.
    pub steps: u64,
    /// Mean loss of the last minibatch, nat.
    pub loss: f64,
    /// Its accuracy.
    pub accuracy: f64,
}
