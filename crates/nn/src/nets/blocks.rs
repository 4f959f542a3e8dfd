//! Parts that several nets have.

use crate::{NetPlan, NnError, plan::Value};

/// Hidden layers `fc1`.. with ReLU, and the head.
pub(super) fn hidden_and_head(
    plan: &mut NetPlan,
    mut from: Value,
    hidden: &[usize],
    outputs: usize,
) {
    for (i, &units) in hidden.iter().enumerate() {
        from = plan.linear(&format!("fc{}", i + 1), from, units, true);
    }
    plan.linear("head", from, outputs, false);
}

/// A block of a residual net.
pub(super) struct Block {
    /// `layer1.0` and so on.
    pub name: String,
    /// Filters of its convolutions.
    pub filters: usize,
    /// Stride of the first of them.
    pub stride: usize,
}

/// Groups of `blocks` blocks each, one group per width. The first block of each group but the first halves the size of the map.
pub(super) fn groups<T>(
    widths: &[usize],
    blocks: usize,
    mut from: T,
    mut write: impl FnMut(T, &Block) -> Result<T, NnError>,
) -> Result<T, NnError> {
    for (group, &filters) in widths.iter().enumerate() {
        for block in 0..blocks {
            let stride = if group > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", group + 1);
            from = write(from, &Block { name, filters, stride })?;
        }
    }
    Ok(from)
}

/// A width times a factor, rounded, and at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive whole number; one too large saturates, and memory is the limit anyway"
)]
pub(super) fn scaled(width: usize, factor: f64) -> usize {
    (width as f64 * factor).round().max(1.0) as usize
}
