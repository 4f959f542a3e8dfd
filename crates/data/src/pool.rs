//! Dealing the images of a source to the three splits.

use rand::seq::SliceRandom;
use randlab_core::{ClassId, Purpose, Seed, Split, stream};

use crate::{DataError, SplitSizes};

/// Images of a source in its canonical order, pixels loaded on demand.
pub(crate) struct Pool {
    /// `[C, H, W]` of every image.
    pub shape: [usize; 3],
    /// Class of each image.
    pub labels: Vec<ClassId>,
    /// Class names.
    pub classes: Vec<String>,
    /// Images from this one on are the source's own test images and become the holdout; all of them are dealt when it is none.
    pub test_from: Option<usize>,
    /// File each image comes from.
    pub origin: Box<dyn Fn(usize) -> String>,
    /// Pixels `[C, H, W]` of an image.
    pub load: Box<dyn FnMut(usize) -> Result<Vec<u8>, DataError>>,
}

impl Pool {
    /// Positions of the images of each split, rising inside each.
    ///
    /// # Errors
    /// A text with both numbers when there are too few images.
    pub fn deal(&self, sizes: SplitSizes, seed: Seed) -> Result<Vec<(Split, usize)>, String> {
        let total = self.labels.len();
        let boundary = self.test_from.unwrap_or(total);
        let mut order: Vec<usize> = (0..boundary).collect();
        order.shuffle(&mut stream(seed, Purpose::Split, 0));
        let mut test: Vec<usize> = (boundary..total).collect();
        test.shuffle(&mut stream(seed, Purpose::Split, 1));
        let mut dealt = Vec::new();
        for split in Split::ALL {
            let own = split == Split::Holdout && self.test_from.is_some();
            let from = if own { &mut test } else { &mut order };
            let wanted = sizes.of(split) as usize;
            if wanted > from.len() {
                let kind = if own { "test images" } else { "images" };
                let left = from.len();
                return Err(format!("{wanted} {kind} wanted for {}, {left} left", split.name()));
            }
            let mut chosen = from.split_off(from.len() - wanted);
            chosen.sort_unstable();
            dealt.extend(chosen.into_iter().map(|i| (split, i)));
        }
        Ok(dealt)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pool(test_from: Option<usize>) -> Pool {
        Pool {
            shape: [1, 1, 1],
            labels: vec![0; 100],
            classes: vec!["only".into()],
            test_from,
            origin: Box::new(|_| String::new()),
            load: Box::new(|_| Ok(vec![0])),
        }
    }

    const SIZES: SplitSizes = SplitSizes { upstream: 40, downstream: 30, holdout: 10 };

    #[test]
    fn splits_are_disjoint_whole_and_depend_on_the_seed() {
        for test_from in [None, Some(80)] {
            let dealt = pool(test_from).deal(SIZES, Seed::new(1)).unwrap();
            let count = |split| dealt.iter().filter(|(s, _)| *s == split).count();
            assert_eq!(Split::ALL.map(count), [40, 30, 10]);
            assert_eq!(dealt.iter().map(|(_, i)| i).collect::<BTreeSet<_>>().len(), 80);
            let held = dealt.iter().filter(|(s, _)| *s == Split::Holdout);
            assert!(test_from.is_none_or(|from| held.clone().all(|(_, i)| *i >= from)));
            assert_eq!(dealt, pool(test_from).deal(SIZES, Seed::new(1)).unwrap());
            assert_ne!(dealt, pool(test_from).deal(SIZES, Seed::new(2)).unwrap());
        }
    }

    #[test]
    fn too_few_images_are_named_with_both_numbers() {
        let message = pool(Some(60)).deal(SIZES, Seed::new(1)).unwrap_err();
        assert_eq!(message, "30 images wanted for downstream, 20 left");
        let message = pool(Some(95)).deal(SIZES, Seed::new(1)).unwrap_err();
        assert_eq!(message, "10 test images wanted for holdout, 5 left");
    }
}
