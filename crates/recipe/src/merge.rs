//! Laying one TOML table over another.

use toml::{Table, Value};

/// `over` laid on `base`: tables are merged key by key, anything else is replaced. A table with the key `kind` chooses a
/// variant and replaces the one below whole, since the other variant's keys mean nothing to it.
pub(crate) fn merge(mut base: Table, over: &Table) -> Table {
    for (key, value) in over {
        let merged = match (base.remove(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !above.contains_key("kind") => {
                Value::Table(merge(below, above))
            }
            (_, above) => above.clone(),
        };
        base.insert(key.clone(), merged);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn tables_merge_and_values_replace() {
        let base = table("a = 1\n[t]\nx = 1\ny = [1, 2]");
        let over = table("b = 2\n[t]\ny = [3]");
        assert_eq!(merge(base, &over), table("a = 1\nb = 2\n[t]\nx = 1\ny = [3]"));
    }

    #[test]
    fn a_new_kind_drops_the_keys_of_the_old_one() {
        let base = table("labels = { kind = 'random', classes = 10 }");
        let over = table("labels = { kind = 'real' }");
        assert_eq!(merge(base, &over), over);
    }
}
