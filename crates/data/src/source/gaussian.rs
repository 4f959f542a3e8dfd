//! Gaussian vectors with a known covariance (paper, Proposition 1 and Figure 20).

use std::{collections::BTreeMap, path::PathBuf};

use rand_distr::{Distribution, StandardNormal};
use randlab_core::{Purpose, Seed, Split, stream};
use randlab_moments::haar;
use serde::{Deserialize, Serialize};

use super::{Source, room};
use crate::{DataError, Inputs, Population, Prepared, SplitSizes, prepare::Item};

/// `N(0, R diag(std^2) R^T)` vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaussian {
    /// Standard deviations along the principal directions; their number is the dimension.
    pub std: Vec<f64>,
    /// The principal directions R.
    pub rotation: Rotation,
}

/// Principal directions of a `gaussian` source. The same in every run of a panel, so that runs can be pooled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rotation {
    /// The coordinate axes.
    None {},
    /// A Haar-random orthogonal matrix.
    Haar {
        /// Its seed.
        seed: Seed,
    },
    /// Every coordinate plane `(i, i + d/2)` turned by the same angle.
    Planes {
        /// The angle.
        degrees: f64,
    },
}

impl Source for Gaussian {
    fn name(&self) -> &'static str {
        "gaussian"
    }

    fn check(&self) -> Result<(), String> {
        const MOST: usize = 4096;
        if self.std.is_empty() || self.std.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
            return Err("std must be a list of positive numbers".into());
        }
        if self.std.len() > MOST {
            return Err(format!("std has {} numbers, {MOST} at most", self.std.len()));
        }
        Ok(())
    }

    fn path(&self) -> Option<&str> {
        None
    }

    fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        Ok(Vec::new())
    }

    /// Vectors `R diag(std) z`; each has its own stream, keyed by its id.
    #[expect(clippy::cast_possible_truncation, reason = "training inputs are f32")]
    fn draw(
        &self,
        sizes: SplitSizes,
        seed: Seed,
        _: &mut dyn FnMut(u64, u64),
    ) -> Result<Prepared, DataError> {
        self.check().map_err(|problem| DataError::content("gaussian source", problem))?;
        let (std, d) = (&self.std, self.std.len());
        let directions = directions(self.rotation, d);
        let splits = Split::ALL.into_iter().flat_map(|s| (0..sizes.of(s)).map(move |_| s));
        let mut values = room(sizes.total(), d)?;
        let mut items = Vec::new();
        for (id, split) in (0..).zip(splits) {
            let mut rng = stream(seed, Purpose::Gaussian, u64::from(id));
            let along: Vec<f64> = std
                .iter()
                .map(|s| {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    s * z
                })
                .collect();
            let row = |r: &[f64]| r.iter().zip(&along).map(|(r, a)| r * a).sum::<f64>() as f32;
            values.extend(directions.chunks_exact(d).map(row));
            items.push(Item { id, split, real: None, file: None, crop: None });
        }
        Ok(Prepared {
            shape: [d, 1, 1],
            inputs: Inputs::Vectors(values),
            items,
            classes: Vec::new(),
            notes: BTreeMap::new(),
            population: Some(Population { std: std.clone(), directions }),
        })
    }
}

/// R, row-major.
fn directions(rotation: Rotation, d: usize) -> Vec<f64> {
    let mut r: Vec<f64> = (0..d * d).map(|k| if k / d == k % d { 1.0 } else { 0.0 }).collect();
    match rotation {
        Rotation::None {} => {}
        Rotation::Haar { seed } => {
            let q = haar(d, &mut stream(seed, Purpose::Rotation, 0));
            for (k, r) in r.iter_mut().enumerate() {
                *r = q[(k / d, k % d)];
            }
        }
        Rotation::Planes { degrees } => {
            let (sin, cos) = degrees.to_radians().sin_cos();
            for i in 0..d / 2 {
                let j = i + d / 2;
                r[i * d + i] = cos;
                r[i * d + j] = -sin;
                r[j * d + i] = sin;
                r[j * d + j] = cos;
            }
        }
    }
    r
}
