//! Drawings of the first layer.

mod energy_profile;
mod filters;
mod misalignment;
mod transfer_function;

pub use energy_profile::EnergyProfile;
pub use filters::Filters;
pub use misalignment::Misalignment;
pub use transfer_function::{SpectrumAxis, Steps, TransferFunction};
