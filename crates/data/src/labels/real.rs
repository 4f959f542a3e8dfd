//! The real classes.

use randlab_core::ClassId;
use serde::{Deserialize, Serialize};

use super::{LabelContext, LabelScheme};
use crate::DataError;

/// The class the source gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Real {}

impl LabelScheme for Real {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn outputs(&self, real: ClassId) -> ClassId {
        real
    }

    fn real_classes(&self, _: ClassId) -> bool {
        true
    }

    fn assign(&self, cx: &LabelContext<'_>) -> Result<Option<Vec<ClassId>>, DataError> {
        Ok(cx.data.real(cx.split).iter().copied().collect())
    }

    fn name(&self) -> String {
        "real".to_owned()
    }
}
