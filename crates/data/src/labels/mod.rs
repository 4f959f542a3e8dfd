//! Label schemes: which label an image is trained on.
//!
//! Labels by chance are a pure function of (scheme, label seed, image id, real class): they depend neither on which other
//! images are in use nor on their order.

mod asymmetric;
mod noisy;
mod patch_energy;
mod random;
mod real;

use randlab_core::{ClassId, ImageId, Purpose, Seed, Split, stream};

pub use self::{
    asymmetric::Asymmetric,
    noisy::{Noise, Noisy},
    patch_energy::PatchEnergy,
    random::Random,
    real::Real,
};
use crate::{DataError, Dataset};

randlab_core::kinds! {
    /// How labels are assigned to the images of a training run.
    pub enum Labels: LabelScheme {
        "real" => Real, "the class the source gives";
        "random" => Random, "uniform over `classes`, drawn once per image";
        "noisy" => Noisy, "the real class, redrawn with probability `ratio`";
        "asymmetric" => Asymmetric, "the real class, replaced by that of `map` with probability `ratio`";
        "patch-energy" => PatchEnergy, "ranks of the energy of an image's patches along a principal direction";
    }
}

/// Behaviour of a label scheme.
pub trait LabelScheme {
    /// Checks the specification as far as that is possible without a dataset.
    ///
    /// # Errors
    /// A text naming the key and what it can be.
    fn check(&self) -> Result<(), String>;

    /// Outputs the head needs, given the number of real classes (0 when the source has none).
    fn outputs(&self, real: ClassId) -> ClassId;

    /// Whether outputs can be judged by the real classes, of which there are `real`: then held-out images are scored.
    fn real_classes(&self, real: ClassId) -> bool;

    /// Whether the score on held-out images changes on the way, so that it is worth measuring after every epoch and not only
    /// at the start and the end.
    fn informative_midway(&self) -> bool {
        true
    }

    /// Labels `[n]` of the images of `cx.split`, in the order of their ids; none when the scheme needs real classes and the
    /// source has none.
    ///
    /// # Errors
    /// [`DataError::Labels`] when the scheme does not fit the dataset.
    fn assign(&self, cx: &LabelContext<'_>) -> Result<Option<Vec<ClassId>>, DataError>;

    /// The name used in tables: `real`, `random10`, `noisy-symmetric-0.4`.
    fn name(&self) -> String;

    /// What the table of runs says about the scheme besides its kind.
    fn facts(&self) -> LabelFacts {
        LabelFacts::default()
    }
}

/// What labels can be made from.
#[derive(Debug, Clone, Copy)]
pub struct LabelContext<'a> {
    /// The prepared dataset.
    pub data: &'a Dataset,
    /// The split whose images are labelled.
    pub split: Split,
    /// Its standardised images `[n, C*H*W]`, in the order of their ids.
    pub images: &'a [f32],
    /// Label seed.
    pub seed: Seed,
}

impl LabelContext<'_> {
    /// Labels drawn image by image from the real class and a generator of the image's own; none when an image has no class.
    fn redraw(
        &self,
        draw: impl Fn(ClassId, &mut dyn rand::Rng) -> ClassId,
    ) -> Option<Vec<ClassId>> {
        let images = self.data.ids(self.split).iter().zip(self.data.real(self.split));
        images.map(|(&id, &real)| Some(draw(real?, &mut label_stream(self.seed, id)))).collect()
    }
}

/// The generator of one image's label.
fn label_stream(seed: Seed, id: ImageId) -> impl rand::Rng {
    stream(seed, Purpose::Labels, u64::from(id))
}

/// Columns of the table of runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelFacts {
    /// Classes random labels are drawn from.
    pub random_classes: Option<ClassId>,
    /// Kind of label noise.
    pub noise: Option<&'static str>,
    /// Share of images whose label is redrawn, 0 to 1, in the sense of `noise`.
    pub noise_ratio: Option<f64>,
}

/// Checks a number of classes made up by a scheme.
fn made_up_classes(scheme: &str, classes: ClassId) -> Result<(), String> {
    const MOST: ClassId = 1 << 16;
    match classes {
        0 | 1 => Err(format!("{scheme} labels need 2 classes or more")),
        2..=MOST => Ok(()),
        _ => Err(format!("classes = {classes} is out of range (2 to {MOST})")),
    }
}

/// Checks a share of images.
fn share(what: &str, ratio: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&ratio) {
        return Ok(());
    }
    Err(format!("{what} {ratio} is not within 0 to 1"))
}
