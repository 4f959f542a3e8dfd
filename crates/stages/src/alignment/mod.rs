//! The first layer of trained nets against the data it looked at.

mod config;
mod net;
mod seen;
mod tables;

use randlab_moments::{Filters, MomentsError};
use randlab_store::{
    TensorFile,
    table::{AlignmentRow, SpectrumRow},
};

pub use config::{AlignConfig, Subject};
pub use net::Net;
use seen::Seen;
use tables::{Tables, basis_file};

/// Version of the numbers of an [`Analysis`].
pub const STAGE_VERSION: u32 = 2;

/// Step under which a pool stands in tables: its runs may have stopped at different ones.
const POOL: i64 = -1;

/// What the first layers of nets have in common with their data.
pub struct Analysis {
    /// One row per checkpoint, or one for a pool.
    pub alignment: Vec<AlignmentRow>,
    /// One row per checkpoint and principal direction.
    pub spectra: Vec<SpectrumRow>,
    /// Directions of the data and of the last filters: see `eigenbasis.safetensors`.
    pub basis: TensorFile,
}

/// Analyses one net at all of its checkpoints, or several pooled, at their last.
///
/// # Errors
/// When there is no net, the nets do not fit together or a decomposition fails.
pub fn analyse(config: &AlignConfig, nets: &[Net]) -> anyhow::Result<Analysis> {
    let first = nets.first().ok_or(MomentsError::Size { what: "nets", found: 0, expected: 1 })?;
    let data = Seen::pool(nets.iter().map(|net| &net.seen))?;
    let last: Vec<Filters> = nets.iter().map(|net| net.last().1.clone()).collect();
    let mut tables = Tables::default();
    if nets.len() == 1 {
        for (step, filters) in &first.steps {
            let start = first.start().filter(|_| *step > 0);
            let step = i64::try_from(*step)?;
            tables.add(config, first, &data, step, std::slice::from_ref(filters), start)?;
        }
    } else {
        tables.add(config, first, &data, POOL, &last, None)?;
    }
    let basis = basis_file(first, &data, &Filters::pool(&last)?)?;
    Ok(Analysis { alignment: tables.alignment, spectra: tables.spectra, basis })
}
