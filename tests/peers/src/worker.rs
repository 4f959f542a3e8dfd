//! The process of one peer with one net: reports that it is ready, then runs as many steps as each line of stdin says.

use std::{io::BufRead, time::Instant};

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use clap::Subcommand;

use crate::{align, burn, candle, nets, ours};

/// Momentum of every peer.
pub const MOMENTUM: f64 = 0.9;

/// Learning rate of every peer: small, so that no net diverges.
pub const LEARNING_RATE: f64 = 1e-3;

/// Something that is repeated and timed.
pub trait Step {
    /// Its size: parameters of a net, values of a matrix.
    fn size(&self) -> usize;
    fn step(&mut self) -> Result<()>;
}

/// What a worker repeats.
#[derive(Subcommand)]
pub enum Work {
    /// A training step of randlab
    Randlab { net: String, batch: usize },
    /// A training step of burn
    Burn { net: String, batch: usize },
    /// A training step of candle
    Candle { net: String, batch: usize },
    /// Covariance of all patches
    Covariance { images: usize, kernel: usize },
    /// Eigenbasis of a covariance of patches
    Eigen { kernel: usize },
}

/// Serves stdin until it ends.
pub fn serve(work: &Work) -> Result<()> {
    let (mut step, version) = match work {
        Work::Randlab { net, batch } => (
            ours::worker(&nets::Net::new(net)?, *batch)?,
            Some(env!("CARGO_PKG_VERSION").to_owned()),
        ),
        Work::Burn { net, batch } => (burn::worker(&nets::Net::new(net)?, *batch), locked("burn")),
        Work::Candle { net, batch } => {
            (candle::worker(&nets::Net::new(net)?, *batch)?, locked("candle-core"))
        }
        Work::Covariance { images, kernel } => (align::covariance(*images, *kernel), None),
        Work::Eigen { kernel } => (align::eigen(*kernel)?, None),
    };
    let size = step.size();
    let mut run = |count: u32| -> Result<f64> {
        let start = Instant::now();
        for _ in 0..count {
            step.step()?;
        }
        Ok(start.elapsed().as_secs_f64())
    };
    let first = run(1)?;
    println!("ready {size} {first} {}", version.as_deref().unwrap_or("-"));
    for line in std::io::stdin().lock().lines() {
        let count = line?.trim().parse().context("steps to run")?;
        // In a pause other workers fill the caches, and the system reclaims memory: do not count the first step.
        run(1)?;
        println!("{}", run(count)?);
    }
    Ok(())
}

/// A batch as candle's tensors: images and labels.
pub fn batch(net: &nets::Net, images: usize) -> Result<(Tensor, Tensor)> {
    let [c, h, w] = net.input;
    let x = nets::noise(images * c * h * w, 1.0);
    let x = Tensor::from_vec(x, (images, c, h, w), &Device::Cpu)?;
    Ok((x, Tensor::from_vec(nets::labels(images), images, &Device::Cpu)?))
}

/// Version of a dependency, and whether its matrix products use AVX-512.
fn locked(package: &str) -> Option<String> {
    let (_, after) =
        include_str!("../Cargo.lock").split_once(&format!("name = \"{package}\"\nversion = \""))?;
    let version = after.split('"').next()?;
    Some(if cfg!(feature = "avx512") { format!("{version}+avx512") } else { version.to_owned() })
}
