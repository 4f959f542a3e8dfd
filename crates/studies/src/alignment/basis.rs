//! First-layer weights and eigenvectors from files, and as small images.

use std::{io::Cursor, path::Path};

use image::{ImageFormat, Rgb, RgbImage};
use randlab_report::ReportError;
use randlab_store::{TensorData, TensorFile, Values};

/// Pixels of the file per pixel of a filter, so that viewers that smooth do no harm.
const ENLARGE: u32 = 12;

/// An `eigenbasis.safetensors`.
pub(crate) struct Basis<'a> {
    path: &'a Path,
    file: TensorFile,
    layer: String,
    /// Shape of one filter.
    pub shape: FilterShape,
}

/// Channels and side of a square filter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilterShape {
    pub channels: usize,
    pub side: usize,
}

/// Eigenvalues and eigenvectors, largest first.
pub(crate) struct Vectors {
    pub values: Vec<f64>,
    pub rows: Vec<Vec<f64>>,
}

impl<'a> Basis<'a> {
    pub(crate) fn read(path: &'a Path) -> Result<Self, ReportError> {
        let file = TensorFile::read(path)?;
        let size = |i| file.header["shape"][i].as_u64().and_then(|n| usize::try_from(n).ok());
        let layer = file.header["layer"].as_str().map(str::to_owned);
        let (Some(layer), Some(channels), Some(side)) = (layer, size(0), size(1)) else {
            return Err(ReportError::content(path, "its header does not name layer and shape"));
        };
        Ok(Self { path, file, layer, shape: FilterShape { channels, side } })
    }

    /// Eigenvectors of `part`; none where they were not computed.
    pub(crate) fn vectors(&self, part: &str) -> Result<Option<Vectors>, ReportError> {
        let get = |name: &str| self.file.tensors.get(&format!("{part}/{name}"));
        let (Some(values), Some(vectors)) = (get("eigenvalues"), get("eigenvectors")) else {
            return Ok(None);
        };
        let values = values.as_f64().unwrap_or_default().to_vec();
        let mut rows = self.shape.rows(vectors, self.path, part)?;
        for row in &mut rows {
            fix_sign(row);
        }
        Ok(Some(Vectors { values, rows }))
    }

    /// Weights of the first layer in a checkpoint, one row per filter.
    pub(crate) fn filters(&self, path: &Path) -> Result<Vec<Vec<f64>>, ReportError> {
        let file = TensorFile::read(path)?;
        let name = format!("{}.weight", self.layer);
        let tensor = file.tensors.get(&name);
        let tensor =
            tensor.ok_or_else(|| ReportError::content(path, format!("no tensor {name}")))?;
        self.shape.rows(tensor, path, &name)
    }
}

/// An eigenvector's sign is arbitrary: its largest entry is made positive, so that equal ones look equal.
fn fix_sign(row: &mut [f64]) {
    let largest = row.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    if largest.is_some_and(|x| x < 0.0) {
        for x in row {
            *x = -*x;
        }
    }
}

impl FilterShape {
    const fn len(self) -> usize {
        self.channels * self.side * self.side
    }

    fn rows(
        self,
        tensor: &TensorData,
        path: &Path,
        name: &str,
    ) -> Result<Vec<Vec<f64>>, ReportError> {
        let values: Vec<f64> = match &tensor.values {
            Values::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Values::F64(v) => v.clone(),
            Values::I32(_) | Values::U8(_) => Vec::new(),
        };
        if values.is_empty() || !values.len().is_multiple_of(self.len()) {
            let problem =
                format!("tensor {name} does not consist of filters of {} numbers", self.len());
            return Err(ReportError::content(path, problem));
        }
        Ok(values.chunks(self.len()).map(<[f64]>::to_vec).collect())
    }

    /// The filter around mid grey, scaled to its own largest entry. With three channels in colour, else their mean.
    pub(crate) fn png(self, row: &[f64], figure: &str) -> Result<Vec<u8>, ReportError> {
        let most = row.iter().fold(0.0_f64, |m, x| m.max(x.abs())).max(f64::MIN_POSITIVE);
        let side = u32::try_from(self.side).unwrap_or(0);
        let level = |channel: usize, y: u32, x: u32| {
            let at = (channel * self.side + y as usize) * self.side + x as usize;
            row.get(at).copied().unwrap_or(0.0) / most
        };
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x / ENLARGE, y / ENLARGE);
            if self.channels == 3 {
                return Rgb([0, 1, 2].map(|c| byte(level(c, y, x))));
            }
            let sum: f64 = (0..self.channels).map(|c| level(c, y, x)).sum();
            Rgb([byte(sum / self.channels as f64); 3])
        };
        let picture = RgbImage::from_fn(side * ENLARGE, side * ENLARGE, pixel);
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).map_err(|e| ReportError::Picture {
            figure: figure.to_owned(),
            problem: e.to_string(),
        })?;
        Ok(bytes.into_inner())
    }
}

/// -1 to black, 0 to mid grey, 1 to white.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of a byte"
)]
fn byte(level: f64) -> u8 {
    (127.5 + 127.5 * level).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_centred_on_grey() {
        assert_eq!([byte(-1.0), byte(0.0), byte(1.0), byte(2.0)], [0, 128, 255, 255]);
    }

    #[test]
    fn an_eigenvector_and_its_negative_look_the_same() {
        let (mut a, mut b) = ([0.1, -0.9, 0.2], [-0.1, 0.9, -0.2]);
        fix_sign(&mut a);
        fix_sign(&mut b);
        assert_eq!(a.map(f64::to_bits), b.map(f64::to_bits));
    }

    #[test]
    fn channels_become_colours() {
        let shape = FilterShape { channels: 3, side: 1 };
        let png = shape.png(&[1.0, 0.0, -1.0], "f").unwrap();
        let pixel = *image::load_from_memory(&png).unwrap().to_rgb8().get_pixel(0, 0);
        assert_eq!(pixel, Rgb([255, 128, 0]));
    }
}
