//! Arrays of any safetensors file, by name: for files whose header other versions wrote.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{StoreError, publish::read};

/// An array as stored: element type, shape, and little-endian values in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyTensor {
    dtype: Dtype,
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// A safetensors file as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyTensors {
    /// The metadata of its header, uninterpreted.
    pub header: Option<HashMap<String, String>>,
    /// The arrays, by name.
    pub tensors: BTreeMap<String, AnyTensor>,
}

impl AnyTensors {
    /// Reads a safetensors file of any origin.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be read, [`StoreError::Corrupt`] when it is not a safetensors file.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        Self::parse(&read(path)?).map_err(|e| StoreError::corrupt(path, e))
    }

    fn parse(bytes: &[u8]) -> Result<Self, safetensors::SafeTensorError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let views = SafeTensors::deserialize(bytes)?;
        let tensors = views.iter().map(|(name, view)| (name.to_owned(), AnyTensor::of(&view)));
        Ok(Self { header: metadata.metadata().clone(), tensors: tensors.collect() })
    }
}

impl AnyTensor {
    fn of(view: &TensorView<'_>) -> Self {
        Self { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() }
    }

    /// Element type and shape, as text.
    pub fn kind(&self) -> String {
        format!("{} {:?}", self.dtype, self.shape)
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values differ from those of `other` by their bits, any NaN being like any other, and the largest absolute
    /// difference; none if element type or shape differ.
    pub fn difference(&self, other: &Self) -> Option<(usize, f64)> {
        if (self.dtype, &self.shape) != (other.dtype, &other.shape) {
            return None;
        }
        let (mut count, mut largest) = (0, 0.0_f64);
        for (a, b) in self.elements().zip(other.elements()).filter(|(a, b)| a != b) {
            let (x, y) = (number(self.dtype, a), number(self.dtype, b));
            if x.zip(y).is_none_or(|(x, y)| !(x.is_nan() && y.is_nan())) {
                count += 1;
                let by = x.zip(y).map_or(f64::NAN, |(x, y)| (x - y).abs());
                largest = if by.is_nan() { f64::INFINITY } else { largest.max(by) };
            }
        }
        Some((count, largest))
    }

    /// The bits of each value.
    fn elements(&self) -> impl Iterator<Item = &[u8]> {
        let size = self.bytes.len() / self.len().max(1);
        self.bytes.chunks_exact(size.max(1))
    }
}

/// The value of those bits; none for element types that occur in no artifact.
fn number(dtype: Dtype, bits: &[u8]) -> Option<f64> {
    match dtype {
        Dtype::F32 => Some(f32::from_le_bytes(bits.try_into().ok()?).into()),
        Dtype::F64 => Some(f64::from_le_bytes(bits.try_into().ok()?)),
        Dtype::U8 => bits.first().map(|&b| b.into()),
        Dtype::U32 => Some(u32::from_le_bytes(bits.try_into().ok()?).into()),
        Dtype::I32 => Some(i32::from_le_bytes(bits.try_into().ok()?).into()),
        Dtype::I64 => Some(i64::from_le_bytes(bits.try_into().ok()?) as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_our_header_is_read_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        let data: Vec<u8> = [f32::NAN, 1.5].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![2], &data).unwrap();
        crate::publish(&path, &safetensors::serialize([("w", view)], None).unwrap()).unwrap();
        let file = AnyTensors::read(&path).unwrap();
        assert_eq!(file.header, None);
        let tensor = &file.tensors["w"];
        assert_eq!((tensor.kind().as_str(), tensor.len()), ("F32 [2]", 2));
        crate::publish(&path, b"something else").unwrap();
        assert!(AnyTensors::read(&path).is_err());
    }

    #[test]
    fn values_differ_by_their_bits_but_for_nan() {
        let tensor = |values: [f32; 3]| AnyTensor {
            dtype: Dtype::F32,
            shape: vec![3],
            bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        let a = tensor([f32::NAN, 0.0, 1.0]);
        assert_eq!(a.difference(&tensor([-f32::NAN, 0.0, 1.0])), Some((0, 0.0)));
        assert_eq!(a.difference(&tensor([f32::NAN, -0.0, 1.5])), Some((2, 0.5)));
        assert_eq!(a.difference(&tensor([1.0, 0.0, 1.0])), Some((1, f64::INFINITY)));
        assert_eq!(a.difference(&AnyTensor { shape: vec![1, 3], ..a.clone() }), None);
    }
}
