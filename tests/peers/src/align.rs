//! The two parts of the alignment whose cost grows with images and patches.

use anyhow::Result;
use randlab_moments::{Eigenbasis, Mat, Moments, PatchShape};

use crate::{nets::noise, worker::Step};

const fn shape(kernel: usize) -> PatchShape {
    PatchShape { channels: 3, height: 32, width: 32, kernel }
}

/// Covariance of the patches of 32x32 colour images.
pub fn covariance(images: usize, kernel: usize) -> Box<dyn Step> {
    Box::new(Covariance { images: noise(images * 3 * 32 * 32, 1.0), shape: shape(kernel) })
}

struct Covariance {
    images: Vec<f32>,
    shape: PatchShape,
}

impl Step for Covariance {
    fn size(&self) -> usize {
        self.shape.dim().pow(2)
    }

    fn step(&mut self) -> Result<()> {
        Moments::of_patches(&self.images, self.shape)?.covariance();
        Ok(())
    }
}

/// Eigenbasis of such a covariance.
pub fn eigen(kernel: usize) -> Result<Box<dyn Step>> {
    let shape = shape(kernel);
    let images = noise(100 * 3 * 32 * 32, 1.0);
    Ok(Box::new(Eigen(Moments::of_patches(&images, shape)?.covariance())))
}

struct Eigen(Mat<f64>);

impl Step for Eigen {
    fn size(&self) -> usize {
        self.0.nrows().pow(2)
    }

    fn step(&mut self) -> Result<()> {
        Eigenbasis::of(&self.0)?;
        Ok(())
    }
}
