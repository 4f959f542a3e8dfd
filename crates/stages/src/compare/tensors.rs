//! Tensors of one file against those of another.

use std::collections::{BTreeMap, BTreeSet};

use randlab_store::{AnyTensor, AnyTensors};

use super::findings::{Findings, Side};

/// Compares the files; one that is not there has no tensors.
pub(super) fn compare(
    findings: &mut Findings,
    place: &str,
    a: Option<&AnyTensors>,
    b: Option<&AnyTensors>,
) {
    if let (Some(a), Some(b)) = (a, b)
        && a.header != b.header
    {
        findings.headers += 1;
    }
    let none = BTreeMap::new();
    let (a, b) = (a.map_or(&none, |f| &f.tensors), b.map_or(&none, |f| &f.tensors));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let place = format!("{place}: tensor {name}");
        match (a.get(name), b.get(name)) {
            (Some(a), Some(b)) => pair(findings, place, a, b),
            (Some(_), None) => findings.lone_tensor(&place, Side::A),
            (None, _) => findings.lone_tensor(&place, Side::B),
        }
    }
}

fn pair(findings: &mut Findings, place: String, a: &AnyTensor, b: &AnyTensor) {
    match a.difference(b) {
        Some((0, _)) => findings.tensors.equal += 1,
        Some((count, largest)) => {
            findings.tensors.different += 1;
            let what = format!("{count} of {} values", a.len());
            findings.difference(place, what, Some(largest));
        }
        None => {
            findings.tensors.different += 1;
            findings.difference(place, format!("{} in A, {} in B", a.kind(), b.kind()), None);
        }
    }
}
