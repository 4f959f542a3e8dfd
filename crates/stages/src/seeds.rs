//! Root seeds as people write them.

use randlab_core::{Digest, Seed};
use randlab_pipeline::refused;

/// More seeds than any study needs; a larger number is a slip.
const MOST: u32 = 10_000;

/// Seeds asked for in place of those of every panel: `3`, `0-9`, `0,1`, `0 1 2`, or any mixture; rising. None where `words`
/// names none.
///
/// # Errors
/// For what is no number or range, for duplicates, and for more than 10000 seeds.
pub fn seeds<S: AsRef<str>>(words: &[S]) -> anyhow::Result<Option<Vec<Seed>>> {
    let mut numbers: Vec<u32> = Vec::new();
    let split = |word: &S| -> Vec<String> {
        let parts = word.as_ref().split(|c: char| c == ',' || c.is_whitespace());
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    for part in words.iter().flat_map(split) {
        let bad = || refused!("--seeds: {part:?} is no seed; want numbers or ranges: 0-9, 12");
        let (first, last) = part.split_once('-').unwrap_or((&part, &part));
        let (first, last): (u32, u32) =
            (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
        if first > last || last - first >= MOST || numbers.len() >= MOST as usize {
            return Err(refused!(
                "--seeds: {part}: want a range that rises, of at most {MOST} seeds"
            ));
        }
        numbers.extend(first..=last);
    }
    numbers.sort_unstable();
    if let Some([seed, _]) = numbers.array_windows().find(|[a, b]| a == b) {
        return Err(refused!("--seeds: duplicate seed {seed}; name each seed once"));
    }
    let seeds = numbers.into_iter().map(Seed::new).collect::<Vec<_>>();
    Ok((!seeds.is_empty()).then_some(seeds))
}

/// What distinguishes the name of a page or pool of these seeds: `s5`, `s0-3`, `s0-3.7`.
pub(crate) fn suffix(seeds: &[Seed]) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for seed in seeds.iter().copied().map(Seed::get) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == seed => *last = seed,
            Some(_) | None => ranges.push((seed, seed)),
        }
    }
    let shown = |(first, last): &(i64, i64)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    let all = ranges.iter().map(shown).collect::<Vec<_>>().join(".");
    // Names have a largest length.
    if ranges.len() <= 4 {
        format!("s{all}")
    } else {
        format!("s{}", Digest::of(all.as_bytes()).short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<i64> {
        seeds(&[text]).unwrap().unwrap().into_iter().map(Seed::get).collect()
    }

    #[test]
    fn ranges_and_lists_name_each_seed_once() {
        assert_eq!(numbers("0-3"), [0, 1, 2, 3]);
        assert_eq!(numbers("2 0,1 7"), [0, 1, 2, 7]);
        assert_eq!(seeds::<&str>(&[]).unwrap(), None);
        for wrong in ["1 2 1", "0-3 2", "x", "3-1", "-1", "0-4000000000", "1-"] {
            let message = seeds(&[wrong]).unwrap_err().to_string();
            assert!(message.starts_with("--seeds: "), "{wrong}: {message}");
        }
    }

    #[test]
    fn names_say_which_seeds() {
        let suffix = |text: &str| suffix(&seeds(&[text]).unwrap().unwrap());
        assert_eq!(["5", "0-3", "7 0-3"].map(suffix), ["s5", "s0-3", "s0-3.7"]);
        assert_eq!(suffix("1 3 5 7 9").len(), 11);
        assert_ne!(suffix("1 3 5 7 9"), suffix("1 3 5 7 11"));
    }
}
