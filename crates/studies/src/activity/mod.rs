//! Specialisation: how many units still answer, and how large the signal is that they pass on.

pub mod figures;
mod histogram;
pub mod rules;
mod view;
