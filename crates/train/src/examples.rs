//! The images of one split with the labels they are trained on or judged by.

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use randlab_core::{ClassId, ImageId, Purpose, Seed, Split, stream};
use randlab_data::{DataError, Dataset, LabelContext, LabelScheme};

/// Standardised inputs `[N, C*H*W]` f32 and labels `[N]`.
pub(crate) struct Examples {
    pub ids: Vec<ImageId>,
    pub labels: Vec<ClassId>,
    inputs: Vec<f32>,
    shape: [usize; 3],
}

impl Examples {
    /// The images of `split` with labels by `scheme`; `None` when the scheme needs real classes and there are none.
    ///
    /// # Errors
    /// When the scheme does not fit the dataset.
    pub fn new(
        data: &Dataset,
        split: Split,
        scheme: &dyn LabelScheme,
        seed: Seed,
    ) -> Result<Option<Self>, DataError> {
        let inputs = data.standardised(split);
        let labels = scheme.assign(&LabelContext { data, split, images: &inputs, seed })?;
        let ids = data.ids(split).to_vec();
        Ok(labels.map(|labels| Self { ids, labels, inputs, shape: data.shape() }))
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Images `[n, C, H, W]` f32 and labels `[n]` u32 at `positions`, on `device`.
    pub fn batch(
        &self,
        positions: &[usize],
        device: &Device,
    ) -> candle_core::Result<(Tensor, Tensor)> {
        let [c, h, w] = self.shape;
        let size = c * h * w;
        let mut inputs = Vec::with_capacity(positions.len() * size);
        for &p in positions {
            inputs.extend_from_slice(&self.inputs[p * size..(p + 1) * size]);
        }
        let labels: Vec<u32> = positions.iter().map(|&p| self.labels[p]).collect();
        let x = Tensor::from_vec(inputs, (positions.len(), c, h, w), device)?;
        let y = Tensor::from_vec(labels, positions.len(), device)?;
        Ok((x, y))
    }

    /// Positions in the order of an epoch.
    pub fn order(&self, seed: Seed, epoch: u64) -> Vec<usize> {
        epoch_order(self.len(), seed, epoch)
    }
}

/// Positions of `images` training images in the order in which epoch `epoch` takes them, a function of seed and epoch alone.
pub fn epoch_order(images: usize, seed: Seed, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images).collect();
    order.shuffle(&mut stream(seed, Purpose::BatchOrder, epoch));
    order
}
