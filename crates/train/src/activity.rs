//! What hidden layers answer to images nobody trains on (paper, Figures 7 to 9).

use std::collections::BTreeMap;

use candle_core::{DType, Device};
use randlab_core::{Seed, Split};
use randlab_data::{Dataset, labels::Random};
use randlab_nn::Net;

use crate::{TrainError, evaluate::EVALUATED_AT_ONCE, examples::Examples};

/// One hidden layer. A unit is one channel at one position of its output, after the ReLU and before any pool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activity {
    /// Its place in [`Net::layers`].
    pub layer: usize,
    /// Root mean square of the output over units and images.
    pub rms: f64,
    /// By number of images on which a unit is active, that is above 0: how many units are active on that many.
    pub units: BTreeMap<u32, u64>,
    /// Images looked at.
    pub images: u32,
}

impl Activity {
    /// Share of units and images that are active.
    pub fn active_fraction(&self) -> f64 {
        let active: f64 = self.units.iter().map(|(&on, &n)| f64::from(on) * n as f64).sum();
        active / (f64::from(self.images) * self.count() as f64)
    }

    /// Share of units active on no image.
    pub fn dead_fraction(&self) -> f64 {
        self.units.get(&0).map_or(0.0, |&n| n as f64) / self.count() as f64
    }

    fn count(&self) -> u64 {
        self.units.values().sum()
    }
}

/// The images to look at; none when no image is held out.
pub(crate) fn watched(data: &Dataset) -> Result<Option<Examples>, TrainError> {
    // Labels do not matter, and a source need not have any.
    let any = Random { classes: 1 };
    let examples = Examples::new(data, Split::Holdout, &any, Seed::new(0))?;
    Ok(examples.filter(|e| e.len() > 0))
}

/// Every hidden layer of `net` on all `images`, in the order they are computed.
pub(crate) fn measure(
    net: &Net,
    images: &Examples,
    device: &Device,
) -> Result<Vec<Activity>, TrainError> {
    #[derive(Default)]
    struct Sums {
        square: f64,
        /// By unit.
        active_on: Vec<u32>,
    }
    let mut order = Vec::new();
    let mut layers = BTreeMap::<usize, Sums>::new();
    let positions: Vec<usize> = (0..images.len()).collect();
    for chunk in positions.chunks(EVALUATED_AT_ONCE) {
        let (x, _) = images.batch(chunk, device)?;
        net.visit(&x, &mut |layer, y| {
            let values: Vec<f32> = y.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            let units = values.len() / chunk.len();
            let sums = layers.entry(layer).or_insert_with(|| {
                order.push(layer);
                Sums { active_on: vec![0; units], ..Sums::default() }
            });
            for image in values.chunks_exact(units) {
                sums.square += image.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
                for (on, &v) in sums.active_on.iter_mut().zip(image) {
                    *on += u32::from(v > 0.0);
                }
            }
            Ok(())
        })?;
    }
    let count = u32::try_from(images.len()).unwrap_or(u32::MAX);
    let activity = |layer| {
        let sums = layers.get(&layer)?;
        let mut units = BTreeMap::new();
        for &on in &sums.active_on {
            *units.entry(on).or_insert(0) += 1;
        }
        let values = sums.active_on.len() as f64 * f64::from(count);
        Some(Activity { layer, rms: (sums.square / values).sqrt(), units, images: count })
    };
    Ok(order.into_iter().filter_map(activity).collect())
}
