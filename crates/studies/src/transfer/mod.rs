//! What transfer to a second task brings: gains over a baseline, speed, accuracy on held-out images.

pub mod figures;
mod gain;
pub mod rules;
mod view;

pub(crate) use gain::{auc_gain, auc_gains};
pub(crate) use view::{Batches, horizon};
