//! JSON with one spelling: sorted keys, no spaces, shortest numbers. Equal values give equal bytes.

use serde::Serialize;

/// Canonical JSON of `value`.
///
/// # Errors
/// When `value` cannot be JSON, for example a map whose keys are not strings.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    // `serde_json::Value` keeps its maps sorted unless the `preserve_order` feature is on.
    serde_json::to_string(&serde_json::to_value(value)?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    #[test]
    fn keys_are_sorted_whatever_the_source_order() {
        let map: HashMap<&str, u8> = HashMap::from([("b", 1), ("a", 2), ("c", 3)]);
        assert_eq!(super::canonical_json(&map).unwrap(), r#"{"a":2,"b":1,"c":3}"#);
    }
}
