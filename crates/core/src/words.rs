//! Registries whose kinds are written as a word, or as a word with settings.

/// Declares a registry as [`kinds!`](crate::kinds) does, of kinds most of which have no settings. In configurations a kind is its
/// name, `"copy"`; one with settings, named in brackets, is a table of one key, `{ "closed-form" = { rate = 1.0 } }`.
///
/// Each entry is `"name" => Struct, "what it is, in one line";`, or `"name" => Variant(Struct), ..` with settings. A struct
/// without settings is a unit struct of the name of its variant.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// trait Sound {
///     fn volume(&self) -> f64;
/// }
///
/// struct Whisper;
///
/// impl Sound for Whisper {
///     fn volume(&self) -> f64 {
///         0.1
///     }
/// }
///
/// #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Tone {
///     volume: f64,
/// }
///
/// impl Sound for Tone {
///     fn volume(&self) -> f64 {
///         self.volume
///     }
/// }
///
/// randlab_core::words! {
///     /// A sound.
///     enum Sounds: Sound {
///         "whisper" => Whisper, "hardly heard";
///         "tone" => Tone(Tone), "as loud as it says";
///     }
/// }
///
/// let whisper: Sounds = serde_json::from_str(r#""whisper""#)?;
/// assert_eq!(whisper.as_ref().volume(), 0.1);
/// let tone: Sounds = serde_json::from_str(r#"{ "tone": { "volume": 2.0 } }"#)?;
/// assert_eq!((tone.as_ref().volume(), tone.kind()), (2.0, "tone"));
/// assert_eq!(Sounds::KINDS[0], ("whisper", "hardly heard"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $visibility:vis enum $registry:ident : $behaviour:ident {
        $($name:literal => $kind:ident $(($spec:ident))?, $summary:literal;)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
        $visibility enum $registry {
            $(#[doc = $summary] #[serde(rename = $name)] $kind $(($spec))?,)+
        }

        impl $registry {
            /// Names and summaries of all kinds, in the order of the registry.
            #[allow(dead_code, reason = "not every registry is listed")]
            pub const KINDS: &[(&str, &str)] = &[$(($name, $summary),)+];

            /// The name under which configurations and tables know this kind.
            #[allow(dead_code, reason = "not every registry is named in a table")]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => $name,)+
                }
            }
        }

        impl AsRef<dyn $behaviour> for $registry {
            fn as_ref(&self) -> &(dyn $behaviour + 'static) {
                match self {
                    $($crate::words!(@case $kind, kind $(, $spec)?) => $crate::words!(@value $kind, kind $(, $spec)?),)+
                }
            }
        }
    };
    (@case $kind:ident, $bound:ident) => { Self::$kind };
    (@case $kind:ident, $bound:ident, $spec:ident) => { Self::$kind($bound) };
    (@value $kind:ident, $bound:ident) => { &$kind };
    (@value $kind:ident, $bound:ident, $spec:ident) => { $bound };
}
