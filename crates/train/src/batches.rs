//! Which images are trained on, and in which order.

use candle_core::{Device, Tensor};
use randlab_core::Seed;

use crate::examples::Examples;

/// The images trained on, in the order of the current epoch.
pub(crate) struct Batches {
    examples: Examples,
    seed: Seed,
    size: usize,
    per_epoch: u64,
    order: Vec<usize>,
}

impl Batches {
    /// Batches of `size` images; the last partial batch of an epoch is dropped.
    ///
    /// # Errors
    /// A text, when the images do not fill one batch.
    pub fn new(examples: Examples, size: u32, seed: Seed) -> Result<Self, String> {
        let per_epoch = examples.len() as u64 / u64::from(size.max(1));
        if per_epoch == 0 {
            return Err(format!("batch {size} is larger than the {} images", examples.len()));
        }
        Ok(Self { examples, seed, size: size as usize, per_epoch, order: Vec::new() })
    }

    /// All images.
    pub const fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Batches of an epoch.
    pub const fn per_epoch(&self) -> u64 {
        self.per_epoch
    }

    /// Images of a batch.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Takes the order of the epoch that the step after `step` steps belongs to.
    pub fn shuffle(&mut self, step: u64) {
        self.order = self.examples.order(self.seed, step / self.per_epoch);
    }

    /// Images and labels of the step after `step` steps, on `device`.
    pub fn at(&self, step: u64, device: &Device) -> candle_core::Result<(Tensor, Tensor)> {
        let first = usize::try_from(step % self.per_epoch).unwrap_or(0) * self.size;
        self.examples.batch(&self.order[first..first + self.size], device)
    }
}
