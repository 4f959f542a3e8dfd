//! Learning rates over a run.

mod constant;
mod cosine;
mod divide;

pub use constant::Constant;
pub use cosine::Cosine;
pub use divide::Divide;

/// What a schedule does.
pub trait Schedule {
    /// Refuses settings out of range.
    ///
    /// # Errors
    /// What is wrong, in one line.
    fn check(&self) -> Result<(), String>;

    /// The rate tables show.
    fn initial(&self) -> f64;

    /// Learning rate once the fraction `done` of the longest possible run is over.
    fn after(&self, done: f64) -> f64;

    /// Learning rate of the step after `step` steps, in a run of at most `total` steps.
    fn at(&self, step: u64, total: u64) -> f64 {
        self.after(step as f64 / total.max(1) as f64)
    }
}

randlab_core::kinds! {
    /// Learning rate over the run.
    pub enum Schedules: Schedule {
        "constant" => Constant, "the same throughout";
        "divide" => Divide, "divided at given fractions of the run";
        "cosine" => Cosine, "half a cosine down to 0";
    }
}
