//! Figures and the drawings they consist of.

use serde::{Deserialize, Serialize};

use crate::{ArmRef, Layout, ReportError, Runs, figure::Block};

/// What is drawn in a figure: blocks of points first, which become rows of `curves` and then SVG.
pub trait Drawing {
    /// Arms whose runs are shown.
    fn arms(&self) -> Vec<ArmRef>;

    /// Refuses a drawing that the experiment has no runs for.
    ///
    /// # Errors
    /// Says what does not fit.
    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        layout.arms(&self.arms())
    }

    /// Files of its runs that are read and so compared with their digests.
    fn needs(&self) -> Files {
        Files::Tables
    }

    /// The plots or pictures of the figure `name` (`EXPERIMENT.ID`). What is missing is noted in them.
    ///
    /// # Errors
    /// When a file is damaged.
    fn blocks(&self, runs: &Runs, name: &str) -> Result<Vec<Block>, ReportError>;
}

/// Files of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Tables only.
    Tables,
    /// Weights, too.
    Weights,
}

/// A figure of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FigureSpec<D> {
    /// Name of the files and of the rows in `curves`.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What to see, and what the paper shows.
    pub caption: String,
    /// What is drawn.
    pub draw: D,
}
