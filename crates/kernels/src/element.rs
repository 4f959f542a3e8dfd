//! Element types, and views of tensors as slices.

use std::ops::Deref;

use candle_core::{CpuStorage, DType, Error, Layout, Result, Storage, Tensor, WithDType, bail};
use rayon::prelude::*;

/// f32 for training, f64 for gradient checks.
pub(crate) trait Element: WithDType {
    /// The values of a storage of this type.
    fn values_mut(storage: &mut CpuStorage) -> Option<&mut [Self]>;
}

impl Element for f32 {
    fn values_mut(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        if let CpuStorage::F32(values) = storage { Some(values) } else { None }
    }
}

impl Element for f64 {
    fn values_mut(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        if let CpuStorage::F64(values) = storage { Some(values) } else { None }
    }
}

/// Runs `$body` with `$T` being the element type of `$dtype`.
macro_rules! dispatch {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => candle_core::bail!("element type {other:?}, expected f32 or f64"),
        }
    };
}
pub(crate) use dispatch;

/// The values of a contiguous argument of a custom op.
pub(crate) fn slice<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let (start, end) = layout.contiguous_offsets().ok_or_else(not_contiguous)?;
    Ok(&storage.as_slice::<T>()?[start..end])
}

/// A tensor's memory, held for reading. The guard's own type is not public in candle.
pub(crate) struct Held<'a, S> {
    storage: S,
    layout: &'a Layout,
}

/// Holds `tensor`, which must be contiguous.
pub(crate) fn hold(tensor: &Tensor) -> Held<'_, impl Deref<Target = Storage>> {
    let (storage, layout) = tensor.storage_and_layout();
    Held { storage, layout }
}

impl<S: Deref<Target = Storage>> Held<'_, S> {
    /// Its values in row-major order.
    pub fn values<T: WithDType>(&self) -> Result<&[T]> {
        let Storage::Cpu(storage) = &*self.storage else { bail!("tensor is not in main memory") };
        slice(storage, self.layout)
    }
}

fn not_contiguous() -> Error {
    Error::Msg("argument is not contiguous".into())
}

/// Element type shared by all of `tensors`.
pub(crate) fn common_dtype(tensors: &[&Tensor]) -> Result<DType> {
    let dtype = tensors.first().map_or(DType::F32, |t| t.dtype());
    if tensors.iter().any(|t| t.dtype() != dtype) {
        bail!("arguments differ in element type");
    }
    Ok(dtype)
}

/// `total += part`, element by element.
pub(crate) fn add<T: WithDType>(total: &mut [T], part: &[T]) {
    for (t, p) in total.iter_mut().zip(part) {
        *t += *p;
    }
}

/// The sum of parts of one length, added in order.
pub(crate) fn total(parts: Vec<Vec<f32>>) -> Vec<f32> {
    // Numbers per parallel task.
    const SOME: usize = 1 << 14;
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    let rest: Vec<_> = parts.collect();
    total.par_chunks_mut(SOME).enumerate().for_each(|(i, total)| {
        for part in &rest {
            add(total, &part[i * SOME..][..total.len()]);
        }
    });
    total
}

/// Sum of squares in eight lanes, which the compiler turns into vector instructions.
#[inline(always)]
pub(crate) fn squares<T: Element>(values: &[T]) -> f64 {
    let mut lanes = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            let x = WithDType::to_f64(*x);
            *lane += x * x;
        }
    }
    let rest: f64 = rest.iter().map(|x| WithDType::to_f64(*x).powi(2)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Sum of `f(a, b)` in sixteen lanes, which the compiler turns into vector instructions.
#[inline(always)]
pub(crate) fn lane_sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut lanes = [0.0_f32; 16];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += f(a, b);
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(&a, &b)| f64::from(f(a, b))).sum();
    lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + rest
}

#[expect(clippy::cast_possible_truncation, reason = "rounding on purpose")]
pub(crate) const fn narrow(value: f64) -> f32 {
    value as f32
}
