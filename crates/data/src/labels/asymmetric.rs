//! Label noise between given pairs of classes.

use std::collections::BTreeMap;

use rand::{Rng, RngExt};
use randlab_core::ClassId;
use serde::{Deserialize, Serialize};

use super::{LabelContext, LabelFacts, LabelScheme, share};
use crate::DataError;

/// The real class, but images of the classes in `map` get the class it gives with probability `ratio`: mistakes between
/// similar classes, as in truck to automobile (Patrini et al. 2017, section 5). Images of other classes keep theirs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asymmetric {
    /// Share of the images of each mapped class whose label is replaced, 0 to 1.
    pub ratio: f64,
    /// Class by class: `{ "9" = 1, "3" = 5 }`. Keys of TOML tables are texts.
    pub map: BTreeMap<String, ClassId>,
}

impl Asymmetric {
    /// The map with numbers for keys.
    fn numbers(&self) -> Result<BTreeMap<ClassId, ClassId>, String> {
        let entry = |(from, &to): (&String, &ClassId)| {
            let class = from.parse().ok().filter(|class: &ClassId| class.to_string() == *from);
            let class =
                class.ok_or_else(|| format!("map: {from:?} is not the number of a class"))?;
            if class == to {
                Err(format!("map: class {to} is mapped to itself"))
            } else {
                Ok((class, to))
            }
        };
        self.map.iter().map(entry).collect()
    }

    /// The map, with all its classes among the `classes` real ones.
    fn within(&self, classes: ClassId) -> Result<BTreeMap<ClassId, ClassId>, String> {
        let map = self.numbers()?;
        match map.iter().flat_map(|(&from, &to)| [from, to]).find(|&class| class >= classes) {
            Some(class) => Err(format!(
                "map: class {class} is out of range (0 to {})",
                classes.saturating_sub(1)
            )),
            None => Ok(map),
        }
    }

    /// The label of an image of class `real`.
    fn label(&self, map: &BTreeMap<ClassId, ClassId>, real: ClassId, rng: &mut dyn Rng) -> ClassId {
        match map.get(&real) {
            Some(&other) if rng.random_bool(self.ratio.clamp(0.0, 1.0)) => other,
            Some(_) | None => real,
        }
    }
}

impl LabelScheme for Asymmetric {
    fn check(&self) -> Result<(), String> {
        share("noise ratio", self.ratio)?;
        if self.map.is_empty() {
            return Err("map names no class".into());
        }
        self.numbers().map(|_| ())
    }

    fn outputs(&self, real: ClassId) -> ClassId {
        real
    }

    fn real_classes(&self, _: ClassId) -> bool {
        true
    }

    fn assign(&self, cx: &LabelContext<'_>) -> Result<Option<Vec<ClassId>>, DataError> {
        let classes = cx.data.classes();
        if classes == 0 {
            return Ok(None);
        }
        let map = self.within(classes).map_err(DataError::Labels)?;
        Ok(cx.redraw(|real, rng| self.label(&map, real, rng)))
    }

    fn name(&self) -> String {
        format!("asymmetric-{}", self.ratio)
    }

    fn facts(&self) -> LabelFacts {
        LabelFacts {
            noise: Some("asymmetric"),
            noise_ratio: Some(self.ratio),
            ..LabelFacts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use randlab_core::Seed;

    use super::*;
    use crate::labels::{Labels, label_stream};

    const N: u32 = 40_000;

    fn scheme(map: &[(&str, ClassId)], ratio: f64) -> Asymmetric {
        let map = map.iter().map(|&(from, to)| (from.to_owned(), to)).collect();
        Asymmetric { ratio, map }
    }

    /// How many images of `class` out of ten get each label.
    fn counts(scheme: &Asymmetric, class: ClassId) -> BTreeMap<ClassId, u32> {
        let map = scheme.within(10).unwrap();
        let mut counts = BTreeMap::new();
        for id in (0..N).filter(|id| id % 10 == class) {
            let label = scheme.label(&map, class, &mut label_stream(Seed::new(7), id));
            *counts.entry(label).or_insert(0) += 1;
        }
        counts
    }

    #[test]
    fn mapped_classes_change_at_the_rate_and_others_never() {
        let noise = scheme(&[("9", 1), ("3", 5), ("5", 3)], 0.3);
        for (from, to) in [(9, 1), (3, 5), (5, 3)] {
            let counts = counts(&noise, from);
            let rate = f64::from(counts[&to]) / f64::from(N / 10);
            // Four standard errors.
            assert!((rate - 0.3).abs() < 0.03, "{from}: {rate}");
            assert!(counts.keys().all(|label| [from, to].contains(label)), "{counts:?}");
        }
        for class in [0, 1, 2, 4, 6, 7, 8] {
            assert_eq!(counts(&noise, class), BTreeMap::from([(class, N / 10)]));
        }
        assert_eq!(counts(&scheme(&[("0", 1)], 1.0), 0), BTreeMap::from([(1, N / 10)]));
        assert_eq!(counts(&scheme(&[("0", 1)], 0.0), 0), BTreeMap::from([(0, N / 10)]));
    }

    #[test]
    fn maps_are_checked() {
        assert!(scheme(&[("9", 1)], 0.3).check().is_ok());
        for (map, ratio, words) in [
            (&[("9", 1)][..], 1.5, "noise ratio 1.5 is not within 0 to 1"),
            (&[], 0.3, "map names no class"),
            (&[("cat", 1)], 0.3, "map: \"cat\" is not the number of a class"),
            (&[("01", 2)], 0.3, "map: \"01\" is not the number of a class"),
            (&[("2", 2)], 0.3, "map: class 2 is mapped to itself"),
        ] {
            assert_eq!(scheme(map, ratio).check().unwrap_err(), words);
        }
        let outside = scheme(&[("1", 12)], 0.3).within(10).unwrap_err();
        assert_eq!(outside, "map: class 12 is out of range (0 to 9)");
    }

    #[test]
    fn it_is_written_as_a_table() {
        let text = "kind = \"asymmetric\"\nratio = 0.4\n\n[map]\n3 = 5\n9 = 1\n";
        let labels: Labels = toml::from_str(text).unwrap();
        assert_eq!(labels, scheme(&[("9", 1), ("3", 5)], 0.4).into());
        assert_eq!(toml::to_string(&labels).unwrap(), text);
        assert_eq!(labels.as_ref().name(), "asymmetric-0.4");
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"{"kind":"asymmetric","ratio":0.4,"map":{"3":5,"9":1}}"#);
        assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
        assert!(toml::from_str::<Labels>(&text.replace("ratio", "rate")).is_err());
    }
}
