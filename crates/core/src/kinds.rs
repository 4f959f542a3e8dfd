//! Registries: the kinds of a thing that a configuration can name, one line each.

/// Declares a registry: an enum over structs that all implement one trait. In configurations a value is a table whose
/// `kind` names the struct and whose other keys are its fields.
///
/// Each entry is `"name" => Struct, "what it is, in one line";`. The struct owns its fields (`#[serde(deny_unknown_fields)]`),
/// its checks and its behaviour; the entry and the `mod` line of its file are all that registers it. The enum has
/// `KINDS` (names and summaries, in order), `kind()`, `AsRef<dyn Trait>` and `From<Struct>`.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// trait Shape {
///     fn area(&self) -> f64;
/// }
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Square {
///     side: f64,
/// }
///
/// impl Shape for Square {
///     fn area(&self) -> f64 {
///         self.side * self.side
///     }
/// }
///
/// randlab_core::kinds! {
///     /// A shape.
///     enum Shapes: Shape {
///         "square" => Square, "four equal sides";
///     }
/// }
///
/// let shape: Shapes = serde_json::from_str(r#"{ "kind": "square", "side": 3.0 }"#)?;
/// assert_eq!(shape.as_ref().area(), 9.0);
/// assert_eq!(Shapes::KINDS, [("square", "four equal sides")]);
/// assert!(serde_json::from_str::<Shapes>(r#"{ "kind": "square", "side": 3.0, "sied": 1 }"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[macro_export]
macro_rules! kinds {
    ($(#[$meta:meta])* $visibility:vis enum $registry:ident : $behaviour:ident {
        $($name:literal => $kind:ident, $summary:literal;)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "kind")]
        $visibility enum $registry {
            $(#[doc = $summary] #[serde(rename = $name)] $kind($kind),)+
        }

        impl $registry {
            /// Names and summaries of all kinds, in the order of the registry.
            #[allow(dead_code, reason = "not every registry is listed")]
            pub const KINDS: &[(&str, &str)] = &[$(($name, $summary),)+];

            /// The name under which configurations and tables know this kind.
            #[allow(dead_code, reason = "not every registry is named in a table")]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)+
                }
            }
        }

        impl AsRef<dyn $behaviour> for $registry {
            fn as_ref(&self) -> &(dyn $behaviour + 'static) {
                match self {
                    $(Self::$kind(kind) => kind,)+
                }
            }
        }

        $(impl From<$kind> for $registry {
            fn from(kind: $kind) -> Self {
                Self::$kind(kind)
            }
        })+
    };
}
