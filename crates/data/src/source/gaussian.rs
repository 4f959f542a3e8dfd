//! Gaussian vectors with a known covariance (paper, Proposition 1 and Figure 20).

use std::collections::BTreeMap;

use rand_distr::{Distribution, StandardNormal};
use randlab_core::{Purpose, Seed, Split, stream};
use randlab_moments::haar;
use randlab_recipe::{Rotation, SplitSizes};

use crate::{DataError, Inputs, Population, Prepared, prepare::Item};

/// Vectors `R diag(std) z`; each has its own stream, keyed by its id.
#[expect(clippy::cast_possible_truncation, reason = "training inputs are f32")]
pub(crate) fn draw(
    std: &[f64],
    rotation: Rotation,
    sizes: SplitSizes,
    seed: Seed,
) -> Result<Prepared, DataError> {
    let d = std.len();
    if d == 0 || std.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
        return Err(DataError::content(
            "gaussian source",
            "std must be a list of positive numbers",
        ));
    }
    let directions = directions(rotation, d);
    let splits = Split::ALL.into_iter().flat_map(|s| (0..sizes.of(s)).map(move |_| s));
    let mut values = Vec::with_capacity(sizes.total() as usize * d);
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
        population: Some(Population { std: std.to_vec(), directions }),
    })
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
