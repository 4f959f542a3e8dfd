//! Which runs of a panel are meant.

use std::{fmt, str::FromStr};

/// The part of a panel a run belongs to. Tables and configurations hold it as text, by [`fmt::Display`] and [`FromStr`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arm {
    /// The panel's own net, and what is analysed of it alone. Text: empty.
    Net,
    /// The net trained on top of this many drawn and frozen layers. Text: `drawnN`.
    Drawn(u32),
    /// A downstream task and what it starts from. Text: `TASK.VARIANT`.
    Variant {
        /// Name of the downstream task.
        task: String,
        /// Name of the variant.
        variant: String,
    },
    /// The filters of all nets together. Text: `pool`.
    Pool,
}

/// An arm of a panel: one run per seed, or the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmRef {
    /// Panel.
    pub panel: String,
    /// Arm within it.
    pub arm: Arm,
}

impl ArmRef {
    /// The panel's own net.
    pub fn net(panel: &str) -> Self {
        Self { panel: panel.to_owned(), arm: Arm::Net }
    }

    /// The pool of the panel's nets.
    pub fn pool(panel: &str) -> Self {
        Self { panel: panel.to_owned(), arm: Arm::Pool }
    }

    /// A variant of a downstream task.
    pub fn variant(panel: &str, task: &str, variant: &str) -> Self {
        let arm = Arm::Variant { task: task.to_owned(), variant: variant.to_owned() };
        Self { panel: panel.to_owned(), arm }
    }
}

/// The panels of `arms` in order, each once.
pub fn panels(arms: &[ArmRef]) -> Vec<&str> {
    let mut panels = Vec::new();
    for arm in arms {
        if !panels.contains(&arm.panel.as_str()) {
            panels.push(arm.panel.as_str());
        }
    }
    panels
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net => Ok(()),
            Self::Drawn(layers) => write!(f, "drawn{layers}"),
            Self::Variant { task, variant } => write!(f, "{task}.{variant}"),
            Self::Pool => f.write_str("pool"),
        }
    }
}

impl FromStr for Arm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((task, variant)) = text.split_once('.') {
            return Ok(Self::Variant { task: task.to_owned(), variant: variant.to_owned() });
        }
        match text {
            "" => Ok(Self::Net),
            "pool" => Ok(Self::Pool),
            other => other
                .strip_prefix("drawn")
                .and_then(|layers| layers.parse().ok())
                .map(Self::Drawn)
                .ok_or_else(|| format!("unknown arm {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_survive_the_way_through_text() {
        for text in ["", "pool", "drawn2", "real.scratch"] {
            assert_eq!(text.parse::<Arm>().unwrap().to_string(), text);
        }
        assert_eq!("drawn2".parse(), Ok(Arm::Drawn(2)));
        let found = "real.pool".parse::<Arm>().unwrap();
        assert_eq!(found, ArmRef::variant("p", "real", "pool").arm);
        assert!("drawn".parse::<Arm>().is_err() && "Pool".parse::<Arm>().is_err());
    }

    #[test]
    fn panels_are_listed_once_in_order() {
        let arms = [ArmRef::net("b"), ArmRef::variant("a", "t", "v"), ArmRef::pool("b")];
        assert_eq!(panels(&arms), ["b", "a"]);
    }
}
