//! What is done, what is not, and why a run would be made again.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use randlab_core::RunId;
use randlab_recipe::Plan;
use randlab_store::{Manifest, StoreError, read};
use toml::{Table, Value};

use crate::job::{CONFIG, Identity, Stage};

/// In the order in which data flows through them.
const STAGES: [&str; 5] = ["prepare", "pretrain", "finetune", "align", "report"];

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its manifest stands for the present configuration and inputs.
    Done,
    /// Nothing is there.
    Missing,
    /// Something is there, but no manifest: it was stopped, or is being made.
    Partial,
    /// Its manifest is damaged or that of another run.
    Damaged(String),
    /// It was made from something else.
    Stale(Vec<String>),
}

impl State {
    const fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Missing => "missing",
            Self::Partial => "partial",
            Self::Damaged(_) => "damaged",
            Self::Stale(_) => "stale",
        }
    }

    /// The reasons, one a line; none for a run that is done.
    fn reasons(&self) -> Vec<String> {
        match self {
            Self::Done => Vec::new(),
            Self::Missing => vec!["it has not been made".to_owned()],
            Self::Partial => {
                vec!["it was begun and not finished; it goes on from there".to_owned()]
            }
            Self::Damaged(reason) => vec![reason.clone()],
            Self::Stale(reasons) => reasons.clone(),
        }
    }
}

/// Where the run `config` describes stands in `root`.
pub fn state<C: Stage>(config: &C, root: &Path) -> State {
    let dir = root.join(config.stage()).join(config.id().as_str());
    let manifest = match Manifest::read_as(&dir, config.stage(), config.id()) {
        Ok(manifest) => manifest,
        Err(damaged @ StoreError::Corrupt { .. }) => return State::Damaged(damaged.to_string()),
        Err(_) => {
            let begun = std::fs::read_dir(&dir).is_ok_and(|mut d| d.next().is_some());
            return if begun { State::Partial } else { State::Missing };
        }
    };
    let identity = match Identity::of(config, root) {
        Ok(identity) => identity,
        Err(error) => return State::Stale(vec![error.to_string()]),
    };
    let mut reasons = unseen_by_make(config, &manifest, &dir);
    if manifest.config != identity.config {
        reasons.extend(changed_keys(config, &dir));
    }
    let old: BTreeMap<_, _> = manifest.inputs.iter().map(|i| (&i.name, &i.digest)).collect();
    let new: BTreeMap<_, _> = identity.inputs.iter().map(|i| (&i.name, &i.digest)).collect();
    for (name, digest) in &new {
        match old.get(name) {
            Some(before) if before == digest => {}
            Some(_) => reasons.push(format!("{name} has changed")),
            None => reasons.push(format!("{name} is read now")),
        }
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    reasons.extend(gone.map(|name| format!("{name} is no longer read")));
    if reasons.is_empty() { State::Done } else { State::Stale(reasons) }
}

/// Reasons to make a run again that times of configurations and manifests do not show.
fn unseen_by_make<C: Stage>(config: &C, manifest: &Manifest, dir: &Path) -> Vec<String> {
    let mut reasons = Vec::new();
    if manifest.stage_version != config.version() {
        let (old, new) = (manifest.stage_version, config.version());
        reasons.push(format!("the stage's version went from {old} to {new}"));
    }
    for file in &manifest.outputs {
        let size = std::fs::metadata(dir.join(&file.name)).map(|m| m.len());
        if size.ok() != Some(file.bytes) {
            reasons.push(format!("{} is missing or cut short", file.name));
        }
    }
    reasons
}

/// Finished runs of a plan that make is to make again although nothing they need is newer, as stage and name.
pub fn outdated(plan: &Plan, root: &Path) -> Vec<(&'static str, RunId)> {
    fn of<C: Stage>(configs: &BTreeMap<RunId, C>, root: &Path) -> Vec<(&'static str, RunId)> {
        let outdated = |config: &&C| {
            let dir = root.join(config.stage()).join(config.id().as_str());
            match Manifest::read_as(&dir, config.stage(), config.id()) {
                Ok(manifest) => !unseen_by_make(*config, &manifest, &dir).is_empty(),
                Err(error) => matches!(error, StoreError::Corrupt { .. }),
            }
        };
        configs.values().filter(outdated).map(|c| (c.stage(), c.id().clone())).collect()
    }
    let mut all = of(&plan.prepare, root);
    all.extend(of(&plan.pretrain, root));
    all.extend(of(&plan.finetune, root));
    all.extend(of(&plan.align, root));
    all.extend(of(&plan.report, root));
    all
}

/// Keys whose values differ between the run's configuration and the one it was made with.
fn changed_keys<C: Stage>(config: &C, dir: &Path) -> Vec<String> {
    let old = read(&dir.join(CONFIG)).ok().and_then(|b| String::from_utf8(b).ok());
    let old: Option<Table> = old.and_then(|text| text.parse().ok());
    let (Some(old), Ok(new)) = (old, Table::try_from(config)) else {
        return vec!["its configuration has changed".to_owned()];
    };
    let (old, new) = (flat(&old), flat(&new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |side: &BTreeMap<String, String>, name: &String| {
        side.get(name).cloned().unwrap_or_else(|| "nothing".to_owned())
    };
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| format!("{name} went from {} to {}", shown(&old, name), shown(&new, name)))
        .collect()
}

/// Values by dotted key.
fn flat(table: &Table) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if let Value::Table(inner) = value {
            values.extend(flat(inner).into_iter().map(|(k, v)| (format!("{key}.{k}"), v)));
        } else {
            let mut text = value.to_string();
            if text.chars().count() > 60 {
                text = text.chars().take(57).chain("...".chars()).collect();
            }
            values.insert(key.clone(), text);
        }
    }
    values
}

/// The runs of a plan with where they stand; only those called `wanted`, if it is given.
fn states(plan: &Plan, root: &Path, wanted: Option<&RunId>) -> Vec<(&'static str, RunId, State)> {
    fn of<C: Stage>(
        configs: &BTreeMap<RunId, C>,
        root: &Path,
        wanted: Option<&RunId>,
    ) -> Vec<(&'static str, RunId, State)> {
        let asked = configs.values().filter(|c| wanted.is_none_or(|run| run == c.id()));
        asked.map(|c| (c.stage(), c.id().clone(), state(c, root))).collect()
    }
    let mut all = of(&plan.prepare, root, wanted);
    all.extend(of(&plan.pretrain, root, wanted));
    all.extend(of(&plan.finetune, root, wanted));
    all.extend(of(&plan.align, root, wanted));
    all.extend(of(&plan.report, root, wanted));
    all
}

/// How many runs of each stage are done, partial, stale and missing, as text.
pub fn status(plan: &Plan, root: &Path) -> String {
    const NAMES: [&str; 5] = ["done", "partial", "damaged", "stale", "missing"];
    let mut counts: BTreeMap<(usize, &str), [usize; 5]> = BTreeMap::new();
    for (stage, _, state) in states(plan, root, None) {
        let order = STAGES.iter().position(|s| *s == stage).unwrap_or(STAGES.len());
        let column = NAMES.iter().position(|n| *n == state.name()).unwrap_or(0);
        counts.entry((order, stage)).or_default()[column] += 1;
    }
    let line = |first: &str, [a, b, c, d, e]: [String; 5]| {
        format!(
            "{first:<10}{a:>9}{b:>9}{c:>9}{d:>9}{e:>9}
"
        )
    };
    let rows = counts.iter().map(|((_, stage), n)| line(stage, n.map(|n| n.to_string())));
    line("", NAMES.map(str::to_owned)) + &rows.collect::<String>()
}

/// Why the runs called `run` would be made, as text; none if there is no run of that name.
pub fn why(plan: &Plan, root: &Path, run: &RunId) -> Option<String> {
    let mut text = String::new();
    for (stage, run, state) in states(plan, root, Some(run)) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{stage} {run}: {}", state.name());
        for reason in state.reasons() {
            let _ = writeln!(text, "  {reason}");
        }
    }
    (!text.is_empty()).then_some(text)
}
