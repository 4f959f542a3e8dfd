//! The images of one split with the labels they are trained on or judged by.

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use randlab_core::{ClassId, ImageId, LabelScheme, Purpose, Seed, Split, stream};
use randlab_data::Dataset;
use randlab_moments::{Eigenbasis, PatchShape, patch_energies};

use crate::TrainError;

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
    /// When the scheme looks at patches that the images do not have.
    pub fn new(
        data: &Dataset,
        split: Split,
        scheme: &LabelScheme,
        seed: Seed,
    ) -> Result<Option<Self>, TrainError> {
        let ids = data.ids(split).to_vec();
        let real = data.real(split);
        let classes = data.classes();
        let inputs = data.standardised(split);
        let assign =
            |(&id, &real): (&ImageId, &Option<ClassId>)| scheme.assign(seed, id, real, classes);
        let labels = match *scheme {
            LabelScheme::PatchEnergy { component, kernel, classes } => {
                Some(by_energy(data, &inputs, (component, kernel), classes)?)
            }
            _ => ids.iter().zip(real).map(assign).collect::<Option<Vec<_>>>(),
        };
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

/// Classes of equal size by the energy of `images` along a principal direction of the upstream patches.
fn by_energy(
    data: &Dataset,
    images: &[f32],
    (component, kernel): (u16, u16),
    classes: ClassId,
) -> Result<Vec<ClassId>, TrainError> {
    let (component, kernel) = (usize::from(component), usize::from(kernel));
    let basis = Eigenbasis::of(&data.patch_moments(Some(kernel))?.second_moment())?;
    if component >= basis.dim() {
        return Err(TrainError::Labels(format!(
            "there is no component {component} of {kernel}x{kernel} patches: the last one is {}",
            basis.dim() - 1
        )));
    }
    let direction: Vec<f64> = (0..basis.dim()).map(|i| basis.vectors[(i, component)]).collect();
    let [channels, height, width] = data.shape();
    let energies =
        patch_energies(images, PatchShape { channels, height, width, kernel }, &direction)?;
    let mut order: Vec<usize> = (0..energies.len()).collect();
    order.sort_by(|&a, &b| energies[a].total_cmp(&energies[b]));
    let mut labels = vec![0; order.len()];
    for (rank, &image) in order.iter().enumerate() {
        let class = rank * classes as usize / order.len();
        labels[image] = ClassId::try_from(class).unwrap_or(0);
    }
    Ok(labels)
}

/// Positions of `images` training images in the order in which epoch `epoch` takes them, a function of seed and epoch alone.
pub fn epoch_order(images: usize, seed: Seed, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images).collect();
    order.shuffle(&mut stream(seed, Purpose::BatchOrder, epoch));
    order
}
