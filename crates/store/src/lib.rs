//! Artifacts on disk.
//!
//! Everything a stage leaves behind goes through this crate: bytes reach their final name complete or not at all
//! ([`publish`]), a run folder has one writer at a time ([`RunDir`]), tensors travel as safetensors ([`TensorFile`]) and
//! numbers as Parquet ([`mod@table`]). Equal content gives equal bytes.

mod any_tensors;
mod error;
mod manifest;
mod publish;
mod run_dir;
pub mod table;
mod tensors;

pub use any_tensors::{AnyTensor, AnyTensors};
pub use error::StoreError;
pub use manifest::{FileRef, InputRef, Manifest, Status};
pub use publish::{publish, publish_if_changed, read};
pub use run_dir::RunDir;
pub use tensors::{TensorData, TensorFile, Values};
