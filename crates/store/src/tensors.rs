//! safetensors files: checkpoints, prepared images, bases.
//!
//! The header carries one metadata key, `randlab`, holding canonical JSON. With two or more keys the library's map order
//! makes equal files differ byte for byte; with one it cannot.

use std::{collections::BTreeMap, collections::HashMap, path::Path};

use randlab_core::{Digest, Hasher, canonical_json};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{StoreError, publish, publish::read};

const KEY: &str = "randlab";
const MAX_HEADER: u64 = 4 << 20;
const MAX_TENSORS: usize = 10_000;

/// A named set of arrays and a JSON header.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TensorFile {
    /// What the file is about.
    pub header: serde_json::Value,
    /// The arrays, by name.
    pub tensors: BTreeMap<String, TensorData>,
}

/// An array: shape and values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorData {
    /// Sizes of the dimensions; empty for a single number.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Values,
}

/// Values of the element types in use.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Weights.
    F32(Vec<f32>),
    /// Analysis.
    F64(Vec<f64>),
    /// Ids.
    I32(Vec<i32>),
    /// Pixels.
    U8(Vec<u8>),
}

impl TensorData {
    /// An f32 array.
    pub fn f32(shape: &[usize], values: Vec<f32>) -> Self {
        Self { shape: shape.to_vec(), values: Values::F32(values) }
    }

    /// An f64 array.
    pub fn f64(shape: &[usize], values: Vec<f64>) -> Self {
        Self { shape: shape.to_vec(), values: Values::F64(values) }
    }

    /// An i32 array.
    pub fn i32(shape: &[usize], values: Vec<i32>) -> Self {
        Self { shape: shape.to_vec(), values: Values::I32(values) }
    }

    /// A byte array.
    pub fn u8(shape: &[usize], values: Vec<u8>) -> Self {
        Self { shape: shape.to_vec(), values: Values::U8(values) }
    }

    /// The values, if they are f64.
    pub fn as_f64(&self) -> Option<&[f64]> {
        if let Values::F64(values) = &self.values { Some(values) } else { None }
    }

    /// The values, if they are f32.
    pub fn into_f32(self) -> Option<Vec<f32>> {
        if let Values::F32(values) = self.values { Some(values) } else { None }
    }

    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
            Values::I32(_) => Dtype::I32,
            Values::U8(_) => Dtype::U8,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.values {
            Values::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::U8(v) => v.clone(),
        }
    }

    fn from_view(view: &TensorView<'_>) -> Result<Self, String> {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => {
                Values::F32(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
            }
            Dtype::F64 => {
                Values::F64(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
            }
            Dtype::I32 => {
                Values::I32(data.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect())
            }
            Dtype::U8 => Values::U8(data.to_vec()),
            other => return Err(format!("element type {other:?}, expected F32, F64, I32 or U8")),
        };
        Ok(Self { shape: view.shape().to_vec(), values })
    }

    fn is_finite(&self) -> bool {
        match &self.values {
            Values::F32(v) => v.iter().all(|x| x.is_finite()),
            Values::F64(v) => v.iter().all(|x| x.is_finite()),
            Values::I32(_) | Values::U8(_) => true,
        }
    }
}

impl TensorFile {
    /// Writes the file through [`publish`].
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let invalid = |e: &dyn ToString| StoreError::invalid(path, e.to_string());
        let header = canonical_json(&self.header).map_err(|e| invalid(&e))?;
        let bytes: Vec<_> = self.tensors.iter().map(|(n, t)| (n, t, t.bytes())).collect();
        let views = bytes
            .iter()
            .map(|(name, t, data)| Ok((*name, TensorView::new(t.dtype(), t.shape.clone(), data)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| invalid(&e))?;
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        let file = safetensors::serialize(views, Some(metadata)).map_err(|e| invalid(&e))?;
        publish(path, &file)
    }

    /// Digest of header and arrays, whatever the file looks like in bytes.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("randlab tensors");
        // The keys of a JSON object are sorted here.
        hasher.field(self.header.to_string().as_bytes());
        for (name, tensor) in &self.tensors {
            let kind = format!("{:?} {:?}", tensor.dtype(), tensor.shape);
            hasher.field(name.as_bytes()).field(kind.as_bytes()).field(&tensor.bytes());
        }
        hasher.digest()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not a safetensors file of ours: size, header, element types, tensor names, or
    /// numbers that are not finite.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        Self::parse(&read(path)?).map_err(|problem| StoreError::corrupt(path, problem))
    }

    /// As [`TensorFile::read`], from bytes in memory.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let length = bytes.first_chunk().map(|b| u64::from_le_bytes(*b));
        match length {
            None => return Err(format!("{} bytes, too short for a safetensors file", bytes.len())),
            Some(n) if n > MAX_HEADER => {
                return Err(format!(
                    "header of {n} bytes, at most {MAX_HEADER} allowed; not a safetensors file?"
                ));
            }
            Some(_) => {}
        }
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|e| format!("not a safetensors file: {e}"))?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let text = text.ok_or_else(|| format!("no '{KEY}' entry in its header"))?;
        let header = serde_json::from_str(text).map_err(|e| format!("bad '{KEY}' entry: {e}"))?;
        let views = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        if views.len() > MAX_TENSORS {
            return Err(format!("{} tensors, at most {MAX_TENSORS} allowed", views.len()));
        }
        let tensors =
            views.iter().map(|(name, view)| checked(name, &view)).collect::<Result<_, _>>()?;
        Ok(Self { header, tensors })
    }
}

fn checked(name: &str, view: &TensorView<'_>) -> Result<(String, TensorData), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
    if name.is_empty() || name.len() > 200 || !name.bytes().all(plain) {
        return Err(format!("tensor name {name:?} is not allowed"));
    }
    let tensor = TensorData::from_view(view).map_err(|e| format!("tensor {name}: {e}"))?;
    if !tensor.is_finite() {
        return Err(format!("tensor {name} holds NaN or infinity"));
    }
    Ok((name.to_owned(), tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TensorFile {
        let header = serde_json::json!({ "step": 3, "run": "a", "b": [1.5, 2.0] });
        let tensors = BTreeMap::from([
            ("conv1.weight".to_owned(), TensorData::f32(&[2, 2], vec![1.0, -2.5, 3.0, 0.0])),
            ("basis".to_owned(), TensorData::f64(&[3], vec![0.1, 0.2, 0.3])),
            ("image_id".to_owned(), TensorData::i32(&[2], vec![3, -70_000])),
            ("images".to_owned(), TensorData::u8(&[5], vec![1, 2, 3, 4, 255])),
        ]);
        TensorFile { header, tensors }
    }

    #[test]
    fn round_trip_and_stable_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        sample().write(&path).unwrap();
        let first = read(&path).unwrap();
        assert_eq!(TensorFile::read(&path).unwrap(), sample());
        for _ in 0..50 {
            sample().write(&path).unwrap();
            assert_eq!(first, read(&path).unwrap());
        }
    }

    #[test]
    fn the_digest_changes_with_each_part() {
        let (base, mut others) = (sample().digest(), vec![sample(); 4]);
        assert_eq!(base, sample().digest());
        others[0].header["step"] = 4.into();
        others[1].tensors.get_mut("basis").unwrap().shape = vec![1, 3];
        others[2].tensors.insert("images".into(), TensorData::u8(&[5], vec![1, 2, 3, 4, 254]));
        let moved = others[3].tensors.remove("basis").unwrap();
        others[3].tensors.insert("base".into(), moved);
        assert!(others.iter().all(|other| other.digest() != base));
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        sample().write(&path).unwrap();
        let good = read(&path).unwrap();
        let problem = |bytes: &[u8]| TensorFile::parse(bytes).unwrap_err();
        assert!(problem(b"").contains("too short"));
        assert!(problem(b"not a tensor file at all").contains("not a safetensors file"));
        assert!(TensorFile::parse(&good[..good.len() - 1]).is_err());
        let mut nan = sample();
        nan.tensors.insert("w".into(), TensorData::f32(&[1], vec![f32::NAN]));
        nan.write(&path).unwrap();
        assert!(problem(&read(&path).unwrap()).contains("NaN"));
        let foreign = safetensors::serialize::<&str, &TensorView<'_>, _>([], None).unwrap();
        assert!(problem(&foreign).contains("no 'randlab' entry"));
    }

    #[test]
    fn truncation_anywhere_is_an_error_and_never_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        sample().write(&path).unwrap();
        let good = read(&path).unwrap();
        for n in 0..good.len() {
            assert!(TensorFile::parse(&good[..n]).is_err(), "{n}");
        }
    }
}
