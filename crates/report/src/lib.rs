//! From tables to verdicts, figures and the page that shows them.

use std::path::Path;

use randlab_recipe::ReportConfig;
use randlab_store::StoreError;

/// Version of what this crate produces; part of every fingerprint.
pub const STAGE_VERSION: u32 = 0;

/// What can go wrong with a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Reading or writing artifacts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the page `config` names into `out`; so far it writes nothing.
pub fn build(_: &ReportConfig, _: &Path, _: &Path) -> Result<Vec<String>, ReportError> {
    Ok(Vec::new())
}
