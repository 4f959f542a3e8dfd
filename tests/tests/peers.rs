//! The benchmark beside other frameworks is a workspace of its own, with a lock file that no other build looks at.

use std::{collections::BTreeSet, fs, path::Path};

use toml::{Table, Value};

/// Names in the tables `dependencies` of a manifest, also those for some systems only.
fn needed(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets =
        targets.into_iter().flat_map(|targets| targets.values().filter_map(Value::as_table));
    let tables = targets.chain([manifest]).filter_map(|of| of.get("dependencies")?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

/// Names in the entry of a package in a lock file; the version follows where there are several.
fn locked(package: &Value) -> BTreeSet<String> {
    let names = package.get("dependencies").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| name.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn its_lock_file_knows_what_our_crates_need() {
    let read = |path: &Path| fs::read_to_string(path).unwrap().parse::<Table>().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lock = read(&root.join("tests/peers/Cargo.lock"));
    let mut seen = 0;
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(folder) = name.strip_prefix("randlab-").filter(|name| *name != "peers") else {
            continue;
        };
        let manifest = read(&root.join("crates").join(folder).join("Cargo.toml"));
        assert_eq!(locked(package), needed(&manifest), "{name}: make bench-peers would stop");
        seen += 1;
    }
    assert!(seen > 3);
}
