//! First and second moments of what first-layer weights look at.

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};

use crate::MomentsError;

/// Geometry of patches in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchShape {
    /// Channels of the image.
    pub channels: usize,
    /// Its height.
    pub height: usize,
    /// Its width.
    pub width: usize,
    /// Side of a patch.
    pub kernel: usize,
}

impl PatchShape {
    /// Values per patch, `channels * kernel^2`.
    pub const fn dim(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    const fn image(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// Count, sum and second moment of vectors of one length `d`.
#[derive(Debug, Clone)]
pub struct Moments {
    count: u64,
    sum: Vec<f64>,
    /// Sum of `x x^T`.
    second: Mat<f64>,
}

/// Vectors multiplied at once; fixed, so that sums are formed in one order everywhere.
const BLOCK: usize = 1024;

impl Moments {
    /// Moments of the rows of `[n, d]` values.
    ///
    /// # Errors
    /// [`MomentsError::Size`] when the values are no whole number of rows.
    pub fn of_rows(values: &[f32], d: usize) -> Result<Self, MomentsError> {
        check("inputs", values.len(), d)?;
        Ok(Self::whole_rows(values, d))
    }

    /// As [`Moments::of_rows`], of values known to be whole rows.
    pub(crate) fn whole_rows(values: &[f32], d: usize) -> Self {
        let mut moments = Self::new(d);
        let mut block = Vec::new();
        for rows in values.chunks(BLOCK * d) {
            block.clear();
            block.extend(rows.iter().map(|&x| f64::from(x)));
            moments.add(MatRef::from_row_major_slice(&block, rows.len() / d, d));
        }
        moments
    }

    /// Moments of all patches, at stride 1 and without padding, of images `[n, C, H, W]`.
    ///
    /// # Errors
    /// [`MomentsError::Size`] when the values are no whole number of images, or the patch is larger than the image.
    pub fn of_patches(images: &[f32], shape: PatchShape) -> Result<Self, MomentsError> {
        check("images", images.len(), shape.image())?;
        let least = shape.height.min(shape.width);
        if shape.kernel == 0 || shape.kernel > least {
            return Err(MomentsError::Size { what: "patch", found: shape.kernel, expected: least });
        }
        let (rows, cols) = (shape.height - shape.kernel + 1, shape.width - shape.kernel + 1);
        let mut moments = Self::new(shape.dim());
        let mut patches = vec![0.0; shape.dim() * rows * cols];
        for image in images.chunks_exact(shape.image()) {
            fill(&mut patches, image, shape);
            // One row per patch value, one column per place.
            let block = MatRef::from_row_major_slice(&patches, shape.dim(), rows * cols);
            moments.add(block.transpose());
        }
        Ok(moments)
    }

    fn new(d: usize) -> Self {
        Self { count: 0, sum: vec![0.0; d], second: Mat::zeros(d, d) }
    }

    fn add(&mut self, rows: MatRef<'_, f64>) {
        self.count += rows.nrows() as u64;
        for (j, sum) in self.sum.iter_mut().enumerate() {
            *sum += (0..rows.nrows()).map(|i| rows[(i, j)]).sum::<f64>();
        }
        matmul(self.second.as_mut(), Accum::Add, rows.transpose(), rows, 1.0, Par::Seq);
    }

    /// These moments and `other`'s together.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.second += &other.second;
    }

    /// Number of vectors.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their mean `[d]`.
    pub fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|s| s / self.count as f64).collect()
    }

    /// Mean of `x x^T`, mean not removed, `[d, d]`.
    pub fn second_moment(&self) -> Mat<f64> {
        let n = self.count as f64;
        self.symmetric(|s, _, _| s / n)
    }

    /// Covariance, mean removed, divided by `n - 1`, `[d, d]`.
    pub fn covariance(&self) -> Mat<f64> {
        let n = self.count as f64;
        self.symmetric(|s, a, b| (s - a * b / n) / (n - 1.0))
    }

    /// A symmetric matrix from the sums, read from one triangle so that it is symmetric to the last bit.
    fn symmetric(&self, f: impl Fn(f64, f64, f64) -> f64) -> Mat<f64> {
        let d = self.sum.len();
        Mat::from_fn(d, d, |i, j| {
            let (i, j) = (i.max(j), i.min(j));
            f(self.second[(i, j)], self.sum[i], self.sum[j])
        })
    }
}

/// Mean square of the projection of an image's patches on `direction` `[d]`, for each of `images` `[n, C, H, W]`.
///
/// # Errors
/// As [`Moments::of_patches`], and when the direction is not one of patches.
pub fn patch_energies(
    images: &[f32],
    shape: PatchShape,
    direction: &[f64],
) -> Result<Vec<f64>, MomentsError> {
    let energy = |image: &[f32]| {
        let moments = Moments::of_patches(image, shape)?;
        let second = moments.second_moment();
        let row = |i: usize| (0..direction.len()).map(move |j| (i, j));
        let terms = (0..direction.len()).flat_map(row);
        Ok(terms.map(|(i, j)| direction[i] * second[(i, j)] * direction[j]).sum())
    };
    check("images", images.len(), shape.image())?;
    if direction.len() != shape.dim() {
        let (found, expected) = (direction.len(), shape.dim());
        return Err(MomentsError::Size { what: "direction", found, expected });
    }
    images.chunks_exact(shape.image()).map(energy).collect()
}

/// Patch values `[d, places]` of one image, in the order channel, row, column of the window.
fn fill(patches: &mut [f64], image: &[f32], shape: PatchShape) {
    let k = shape.kernel;
    let (rows, cols) = (shape.height - k + 1, shape.width - k + 1);
    let windows =
        (0..shape.channels).flat_map(|c| (0..k).flat_map(move |y| (0..k).map(move |x| (c, y, x))));
    for ((c, dy, dx), out) in windows.zip(patches.chunks_exact_mut(rows * cols)) {
        for (y, out) in out.chunks_exact_mut(cols).enumerate() {
            let start = (c * shape.height + y + dy) * shape.width + dx;
            for (o, &pixel) in out.iter_mut().zip(&image[start..start + cols]) {
                *o = f64::from(pixel);
            }
        }
    }
}

pub(crate) fn check(what: &'static str, found: usize, unit: usize) -> Result<(), MomentsError> {
    if unit > 0 && found.is_multiple_of(unit) {
        return Ok(());
    }
    Err(MomentsError::Size { what, found, expected: unit })
}
