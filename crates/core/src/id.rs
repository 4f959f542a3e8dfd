//! Names of runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A readable run name, for example `transfer.photos.s64.random.s0`: `[a-z0-9][a-z0-9.-]*`, no `..`, at most 120
/// characters, so that it is a safe folder name everywhere. It says what a run is for; the fingerprint says what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// Why a text is not a run name.
#[derive(Debug, thiserror::Error)]
#[error(
    "run name {0:?}: want lower-case letters, digits, '-' and single '.', at most 120 characters"
)]
pub struct IdError(String);

impl RunId {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ok = text.len() <= 120
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || b == b'.' || b == b'-')
            && !text.contains("..");
        if ok { Ok(Self(text)) } else { Err(IdError(text)) }
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_and_rejects_paths() {
        for good in ["a", "transfer.photos.s64.random.s0", "0-1.2"] {
            assert!(RunId::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", ".a", "a/b", "a..b", "A", "a b", "ä", &"a".repeat(121)] {
            assert!(RunId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
