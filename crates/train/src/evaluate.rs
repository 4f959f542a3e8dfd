//! Measuring a net on a whole split.

use candle_core::Device;
use randlab_kernels::correct;
use randlab_nn::{Loss, Net, Targets};

use crate::{TrainError, examples::Examples};

/// Images per forward pass when measuring; bounds memory, and being fixed it keeps the sums the same everywhere.
pub(crate) const EVALUATED_AT_ONCE: usize = 250;

/// Sum of the loss over the images, and number of images classified as labelled.
pub(crate) fn evaluate(
    net: &Net,
    examples: &Examples,
    loss: &dyn Loss,
    device: &Device,
) -> Result<(f64, f64), TrainError> {
    let (mut loss_sum, mut right) = (0.0, 0);
    let positions: Vec<usize> = (0..examples.len()).collect();
    for chunk in positions.chunks(EVALUATED_AT_ONCE) {
        let (x, y) = examples.batch(chunk, device)?;
        let logits = net.forward(&x)?.detach();
        right += correct(&logits, &y)?;
        loss_sum += loss.value(&logits, &Targets::Classes(y))? * chunk.len() as f64;
    }
    Ok((loss_sum, right as f64))
}
