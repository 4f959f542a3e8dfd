//! What a plan says about its panels, for checks made before anything runs.

use crate::{Arm, ArmRef};

/// The panels of an experiment, as far as rules and drawings depend on them.
pub trait Layout {
    /// Whether there is a panel of this name.
    fn has_panel(&self, panel: &str) -> bool;

    /// Whether the panel's nets are analysed by the align stage.
    fn has_alignment(&self, panel: &str) -> bool;

    /// Whether the panel's first training keeps its initial weights.
    fn keeps_checkpoints(&self, panel: &str) -> bool;

    /// Layers drawn below the deepest net of the panel.
    fn drawn_layers(&self, panel: &str) -> u32;

    /// Variants of a downstream task; none if the panel has no such task.
    fn variants(&self, panel: &str, task: &str) -> Option<&[String]>;
}

impl dyn Layout + '_ {
    /// # Errors
    /// Names the panel that does not exist.
    pub fn panel(&self, panel: &str) -> Result<(), String> {
        if self.has_panel(panel) { Ok(()) } else { Err(format!("no [panel.{panel}]")) }
    }

    /// # Errors
    /// Names the panel that does not exist or is not aligned.
    pub fn aligned(&self, panel: &str) -> Result<(), String> {
        self.panel(panel)?;
        if self.has_alignment(panel) {
            Ok(())
        } else {
            Err(format!("panel {panel} has no [align]"))
        }
    }

    /// # Errors
    /// Names the part of `arm` that does not exist.
    pub fn arm(&self, arm: &ArmRef) -> Result<(), String> {
        let panel = &arm.panel;
        self.panel(panel)?;
        match &arm.arm {
            Arm::Net => Ok(()),
            Arm::Pool => self.aligned(panel),
            Arm::Drawn(layers) if *layers <= self.drawn_layers(panel) => Ok(()),
            Arm::Drawn(layers) => Err(format!("panel {panel} has no net on {layers} drawn layers")),
            Arm::Variant { task, variant } => {
                let variants = self.variants(panel, task);
                let variants =
                    variants.ok_or_else(|| format!("panel {panel} has no downstream.{task}"))?;
                if variants.contains(variant) {
                    return Ok(());
                }
                Err(format!("panel {panel} has no variant.{variant} in downstream.{task}"))
            }
        }
    }

    /// Checks each of `arms`.
    ///
    /// # Errors
    /// Names the first that does not exist.
    pub fn arms(&self, arms: &[ArmRef]) -> Result<(), String> {
        arms.iter().try_for_each(|arm| self.arm(arm))
    }
}
