//! Batch norm, with an addition and a ReLU in the same operation.

mod kernel;
mod reference;
#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor, WithDType, bail};

use crate::{
    element::{Element, common_dtype, dispatch, hold},
    gradients::TensorGradients,
};

/// Added to every variance.
pub(crate) const EPSILON: f64 = 1e-5;

/// What a batch norm normalises with.
#[derive(Debug, Clone, Copy)]
pub enum Statistics<'a> {
    /// Mean and variance of the batch itself: training.
    Batch,
    /// Given ones: evaluation.
    Given {
        /// `[C]`
        mean: &'a Tensor,
        /// `[C]`
        var: &'a Tensor,
    },
}

/// A batch norm that was applied, with what its gradients need.
pub(crate) struct Norm {
    size: Size,
    moments: Moments,
    /// Whether the moments are taken from the batch, and so depend on it.
    batch: bool,
    plus: bool,
    relu: bool,
    x: Tensor,
    w: Tensor,
}

/// Images, channels, and values per channel of an image.
#[derive(Debug, Clone, Copy)]
struct Size {
    images: usize,
    channels: usize,
    plane: usize,
}

impl Size {
    const fn image(self) -> usize {
        self.channels * self.plane
    }

    /// Values a channel's moments are taken over.
    const fn count(self) -> usize {
        self.images * self.plane
    }
}

/// Of each channel.
#[derive(Debug, Clone, PartialEq)]
struct Moments {
    mean: Vec<f64>,
    /// Sum of squares divided by the count.
    var: Vec<f64>,
}

/// Per channel: `scale (x - mean) + shift`.
struct Coefficients<T> {
    mean: Vec<T>,
    scale: Vec<T>,
    shift: Vec<T>,
}

impl<T: Element> Coefficients<T> {
    fn new(moments: &Moments, w: &[T], b: &[T]) -> Self {
        let mut by = Self { mean: Vec::new(), scale: Vec::new(), shift: Vec::new() };
        for ((&mean, &var), (&w, &b)) in moments.mean.iter().zip(&moments.var).zip(w.iter().zip(b))
        {
            let scale = WithDType::to_f64(w) * inverse(var);
            let rounded = T::from_f64(mean);
            // If the mean is far from 0, its rounding error is not small compared with the deviations.
            let lost = WithDType::to_f64(rounded) - mean;
            by.mean.push(rounded);
            by.scale.push(T::from_f64(scale));
            by.shift.push(T::from_f64(WithDType::to_f64(b) + scale * lost));
        }
        by
    }
}

/// One over the standard deviation.
fn inverse(var: f64) -> f64 {
    1.0 / (var + EPSILON).sqrt()
}

/// Sums over each channel: of `dz`, and of `dz (x - mean)`.
type Sums = Vec<[f64; 2]>;

/// The parts with a definition in f64 and kernels in f32.
trait Compute: Element {
    fn moments(size: Size, x: &[Self]) -> Moments;

    /// `scale (x - mean) + shift + plus`, negative values set to 0 if `relu`.
    fn normalise(
        size: Size,
        x: &[Self],
        by: &Coefficients<Self>,
        plus: Option<&[Self]>,
        relu: bool,
    ) -> Vec<Self>;

    /// `dy` where `y` is positive and 0 elsewhere: the derivative of the ReLU at 0 is 0.
    fn gate(size: Size, dy: &[Self], y: &[Self]) -> Vec<Self>;

    fn sums(size: Size, dz: &[Self], x: &[Self], mean: &[f64]) -> Sums;

    /// `scale (dz - shift - slope (x - mean))`, with coefficients `[mean, scale, shift, slope]` of each channel.
    fn input_gradient(size: Size, dz: &[Self], x: &[Self], by: &[[f64; 4]]) -> Vec<Self>;
}

impl Norm {
    /// The operation and its result, see [`Applied::batch_norm`](crate::Applied::batch_norm). The arguments have passed [`check`].
    pub fn apply(
        x: &Tensor,
        (w, b): (&Tensor, &Tensor),
        plus: Option<&Tensor>,
        relu: bool,
        statistics: Statistics<'_>,
    ) -> Result<(Self, Tensor)> {
        let (images, channels, height, width) = x.dims4()?;
        let size = Size { images, channels, plane: height * width };
        let (x, w) = (x.contiguous()?.detach(), w.contiguous()?.detach());
        let b = b.contiguous()?;
        let plus = plus.map(Tensor::contiguous).transpose()?;
        let (moments, y) = dispatch!(x.dtype(), T => {
            let [hx, hw, hb] = [&x, &w, &b].map(hold);
            let values = hx.values::<T>()?;
            let moments = match statistics {
                Statistics::Batch => T::moments(size, values),
                Statistics::Given { mean, var } => {
                    Moments { mean: numbers::<T>(mean)?, var: numbers::<T>(var)? }
                }
            };
            let by = Coefficients::<T>::new(&moments, hw.values()?, hb.values()?);
            let held = plus.as_ref().map(hold);
            let added = held.as_ref().map(|h| h.values::<T>()).transpose()?;
            let y = T::normalise(size, values, &by, added, relu);
            (moments, Tensor::from_vec(y, x.shape(), x.device())?)
        });
        let batch = matches!(statistics, Statistics::Batch);
        let plus = plus.is_some();
        Ok((Self { size, moments, batch, plus, relu, x, w }, y))
    }

    /// Mean and variance of the batch `[C]`, the sum of squares divided by the count less one; none where the moments were
    /// given.
    pub fn batch_statistics(&self) -> Result<Option<(Tensor, Tensor)>> {
        if !self.batch {
            return Ok(None);
        }
        let count = self.size.count() as f64;
        let unbiased: Vec<f64> =
            self.moments.var.iter().map(|v| v * count / (count - 1.0)).collect();
        let tensor = |values: &[f64]| {
            Tensor::from_slice(values, values.len(), self.x.device())?.to_dtype(self.x.dtype())
        };
        Ok(Some((tensor(&self.moments.mean)?, tensor(&unbiased)?)))
    }

    /// Gradients for the gradient of the result `y`; of `x` only if `wanted`.
    pub fn gradients(&self, y: &Tensor, grad: &Tensor, wanted: bool) -> Result<TensorGradients> {
        let grad = grad.contiguous()?;
        dispatch!(self.x.dtype(), T => self.typed::<T>(y, &grad, wanted))
    }

    fn typed<T: Compute>(&self, y: &Tensor, dy: &Tensor, wanted: bool) -> Result<TensorGradients> {
        let (size, device) = (self.size, self.x.device());
        let dz = if self.relu {
            let dz = T::gate(size, hold(dy).values()?, hold(y).values()?);
            Tensor::from_vec(dz, y.shape(), device)?
        } else {
            dy.clone()
        };
        let held = [&dz, &self.x, &self.w].map(hold);
        let (dz_, x, w) = (held[0].values::<T>()?, held[1].values::<T>()?, held[2].values::<T>()?);
        let sums = T::sums(size, dz_, x, &self.moments.mean);
        let dx = if wanted {
            let dx = T::input_gradient(size, dz_, x, &self.way_back(w, &sums));
            Some(Tensor::from_vec(dx, self.x.shape(), device)?)
        } else {
            None
        };
        let vector = |f: &dyn Fn(usize) -> f64| {
            let values: Vec<T> = (0..size.channels).map(|c| T::from_f64(f(c))).collect();
            Tensor::from_vec(values, size.channels, device)
        };
        Ok(TensorGradients {
            x: dx,
            plus: self.plus.then(|| dz.clone()),
            w: Some(vector(&|c| sums[c][1] * inverse(self.moments.var[c]))?),
            b: Some(vector(&|c| sums[c][0])?),
        })
    }

    /// Coefficients of the input gradient. Moments of the batch depend on the input: this removes the part of the
    /// gradient that only shifts or scales all values of a channel.
    fn way_back<T: Element>(&self, w: &[T], sums: &Sums) -> Vec<[f64; 4]> {
        let count = self.size.count() as f64;
        let each = |c: usize| {
            let inverse = inverse(self.moments.var[c]);
            let scale = WithDType::to_f64(w[c]) * inverse;
            let [shift, slope] = if self.batch {
                [sums[c][0] / count, sums[c][1] / count * inverse * inverse]
            } else {
                [0.0; 2]
            };
            [self.moments.mean[c], scale, shift, slope]
        };
        (0..self.size.channels).map(each).collect()
    }
}

fn numbers<T: Element>(tensor: &Tensor) -> Result<Vec<f64>> {
    let tensor = tensor.contiguous()?;
    let held = hold(&tensor);
    Ok(held.values::<T>()?.iter().map(|&v| WithDType::to_f64(v)).collect())
}

/// Refuses arguments whose shapes do not match.
pub(crate) fn check(
    x: &Tensor,
    (w, b): (&Tensor, &Tensor),
    plus: Option<&Tensor>,
    statistics: Statistics<'_>,
) -> Result<()> {
    let (images, channels, height, width) = x.dims4()?;
    let size = Size { images, channels, plane: height * width };
    let mut vectors = vec![w, b];
    if let Statistics::Given { mean, var } = statistics {
        vectors.extend([mean, var]);
    } else if size.count() < 2 {
        bail!("batch norm: {images} images of {height}x{width}: no variance of one value");
    }
    let all: Vec<&Tensor> = [x].into_iter().chain(plus).chain(vectors.iter().copied()).collect();
    common_dtype(&all)?;
    if let Some(v) = vectors.iter().find(|v| v.dims() != [channels]) {
        bail!("batch norm: {:?} for {channels} channels", v.shape());
    }
    if let Some(plus) = plus.filter(|p| p.dims() != x.dims()) {
        bail!("batch norm: {:?} added to {:?}", plus.shape(), x.shape());
    }
    if size.image() == 0 {
        bail!("batch norm: images {channels}x{height}x{width}");
    }
    Ok(())
}
