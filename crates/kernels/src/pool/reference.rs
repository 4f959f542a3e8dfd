//! Pools by their definitions, in f64: for gradient checks, and as the reference of the f32 kernels.

use super::{Compute, Size};

impl Compute for f64 {
    fn largest(size: &Size, x: &[f64]) -> (Vec<f64>, Vec<u32>) {
        let mut results = (Vec::new(), Vec::new());
        for map in 0..size.maps {
            let map = &x[map * size.height * size.width..][..size.height * size.width];
            for pooled in 0..size.rows * size.cols {
                let columns = size.window(pooled % size.cols, size.width);
                let rows = size.window(pooled / size.cols, size.height);
                let places = rows.flat_map(|r| columns.clone().map(move |c| r * size.width + c));
                let first = |best: usize, at: usize| {
                    let larger = map[at] > map[best] || map[at].is_nan() && !map[best].is_nan();
                    if larger { at } else { best }
                };
                let winner = places.reduce(first).unwrap_or_default();
                results.0.push(map[winner]);
                results.1.push(u32::try_from(winner).unwrap_or(u32::MAX));
            }
        }
        results
    }

    fn means(plane: usize, x: &[f64]) -> Vec<f64> {
        x.chunks_exact(plane).map(|map| map.iter().sum::<f64>() / plane as f64).collect()
    }
}
