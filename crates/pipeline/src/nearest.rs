//! Suggestions for mistyped names.

/// The name most like `word`, if one is close enough to be what was meant.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| {
        let distance = strsim::damerau_levenshtein(word, name);
        // A third of the letters may differ: `alignmnet` is `alignment`, `depth` is not `layers`.
        (distance <= word.len().max(name.len()).div_ceil(3)).then_some(distance)
    };
    let names = names.into_iter().filter_map(|name| near(&name).map(|distance| (distance, name)));
    names.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_what_is_a_slip_away_and_nothing_else() {
        let names = ["alignment", "layers", "transfer", "status"];
        assert_eq!(nearest("alignmnet", names), Some("alignment"));
        assert_eq!(nearest("trasnfer", names), Some("transfer"));
        assert_eq!(nearest("depth", names), None);
    }
}
