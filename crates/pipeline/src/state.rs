//! Where each run stands, and why one would be made again. Make is told what this finds: see [`crate::makefile`].

use std::{collections::BTreeMap, fs::File, path::Path};

use randlab_store::{InputRef, Manifest, StoreError, read};
use toml::Table;

use crate::{
    AnyStage, Plan, Planned, RunRef,
    job::{CONFIG, digests, folder},
};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its manifest stands for the present configuration and inputs.
    Done,
    /// A process works on it.
    Running,
    /// Something is there, but no manifest: it was stopped.
    Partial,
    /// It was made from something else, or from a run that is to be made again; with the reasons.
    Stale(Vec<String>),
    /// Nothing is there.
    Missing,
}

impl State {
    /// Names of all states, in the order of `make status`.
    pub const NAMES: [&'static str; 5] = ["done", "running", "partial", "stale", "missing"];

    /// The name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done => Self::NAMES[0],
            Self::Running => Self::NAMES[1],
            Self::Partial => Self::NAMES[2],
            Self::Stale(_) => Self::NAMES[3],
            Self::Missing => Self::NAMES[4],
        }
    }

    /// The reasons why it would be made, one a line; none for a run that is done.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Done => Vec::new(),
            Self::Running => vec!["another process is working on it".to_owned()],
            Self::Partial => vec!["it was begun and not finished; it will be resumed".to_owned()],
            Self::Stale(reasons) => reasons.clone(),
            Self::Missing => vec!["it has not been made".to_owned()],
        }
    }
}

/// The state of every run of a plan.
pub struct Survey {
    states: BTreeMap<RunRef, State>,
}

/// A plan being looked at: states of runs are needed by those that read them.
struct Look<'a> {
    plan: &'a Plan,
    root: &'a Path,
    states: BTreeMap<RunRef, State>,
    /// What each finished run is to those that read it.
    identities: BTreeMap<RunRef, InputRef>,
}

impl Survey {
    /// Looks at every run of `plan` in the folder `root`. Contents decide, never times of files.
    pub fn of(plan: &Plan, root: &Path) -> Self {
        let (states, identities) = (BTreeMap::new(), BTreeMap::new());
        let mut look = Look { plan, root, states, identities };
        for run in plan.runs.keys() {
            look.state(run);
        }
        Self { states: look.states }
    }

    /// Where a run stands; [`State::Missing`] for one that is not in the plan.
    pub fn state(&self, run: &RunRef) -> &State {
        self.states.get(run).unwrap_or(&State::Missing)
    }
}

impl Look<'_> {
    /// State of a run, after those of the runs it reads. A run outside the plan is missing.
    fn state(&mut self, run: &RunRef) -> State {
        if let Some(state) = self.states.get(run) {
            return state.clone();
        }
        let stage = self.plan.stages.iter().find(|stage| stage.name() == run.stage);
        let (Some(planned), Some(stage)) = (self.plan.runs.get(run), stage) else {
            return State::Missing;
        };
        // Ends the recursion should runs read each other in a circle.
        self.states.insert(run.clone(), State::Missing);
        let state = self.examine(*stage, planned);
        self.states.insert(run.clone(), state.clone());
        state
    }

    fn examine(&mut self, stage: &dyn AnyStage, planned: &Planned) -> State {
        let dir = folder(self.root, &planned.run);
        let manifest = match Manifest::read_as(&dir, &planned.run.stage, &planned.run.id) {
            Ok(manifest) => manifest,
            Err(damaged @ StoreError::Corrupt { .. }) => {
                return State::Stale(vec![damaged.to_string()]);
            }
            Err(_) => return unfinished(&dir),
        };
        let mut reasons = damage(stage, &manifest, &dir);
        if manifest.config != planned.digest() {
            reasons.extend(changed_keys(stage, planned, &dir));
        }
        let old: BTreeMap<_, _> = manifest.inputs.iter().map(|i| (&i.name, &i.digest)).collect();
        let mut read = Vec::new();
        for need in &planned.needs {
            let state = self.state(need);
            match self.identities.get(need) {
                Some(input) if state == State::Done => read.push(input.clone()),
                Some(_) | None => {
                    reasons.push(format!("it reads {need}, which is {}", state.name()));
                    read.extend(old.get_key_value(&need.to_string()).map(|(name, digest)| {
                        InputRef { name: (*name).clone(), digest: (*digest).clone() }
                    }));
                }
            }
        }
        match stage.raw(&planned.config, &digests(self.root)) {
            Ok(raw) => read.extend(raw),
            Err(error) => return State::Stale(vec![error.to_string()]),
        }
        let new: BTreeMap<_, _> = read.iter().map(|i| (&i.name, &i.digest)).collect();
        for (name, digest) in &new {
            match old.get(name) {
                Some(before) if before == digest => {}
                Some(_) => reasons.push(format!("{name} has changed")),
                None => reasons.push(format!("{name} is read now")),
            }
        }
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        reasons.extend(gone.map(|name| format!("{name} is no longer read")));
        if !reasons.is_empty() {
            return State::Stale(reasons);
        }
        let name = planned.run.to_string();
        let input = InputRef { name, digest: manifest.identity() };
        self.identities.insert(planned.run.clone(), input);
        State::Done
    }
}

/// State of a folder without a manifest.
fn unfinished(dir: &Path) -> State {
    let is_locked = |file: File| match file.try_lock_shared() {
        Err(std::fs::TryLockError::WouldBlock) => true,
        Ok(()) | Err(std::fs::TryLockError::Error(_)) => false,
    };
    if File::open(dir.join(".lock")).is_ok_and(is_locked) {
        return State::Running;
    }
    let begun = std::fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some());
    if begun { State::Partial } else { State::Missing }
}

/// Reasons to make a run again that lie in the run itself.
fn damage(stage: &dyn AnyStage, manifest: &Manifest, dir: &Path) -> Vec<String> {
    let mut reasons = Vec::new();
    if manifest.stage_version != stage.version() {
        let (old, new) = (manifest.stage_version, stage.version());
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

/// Keys whose values differ between the run's configuration and the one it was made with.
fn changed_keys(stage: &dyn AnyStage, planned: &Planned, dir: &Path) -> Vec<String> {
    let old = read(&dir.join(CONFIG)).ok().and_then(|b| String::from_utf8(b).ok());
    let old: Option<Table> = old.and_then(|text| text.parse().ok());
    let new = stage.to_toml(&planned.config).ok().and_then(|text| text.parse::<Table>().ok());
    let (Some(old), Some(new)) = (old, new) else {
        return vec!["its configuration has changed".to_owned()];
    };
    let (old, new) = (flat(&old), flat(&new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |side: &BTreeMap<String, String>, name: &String| {
        side.get(name).cloned().unwrap_or_else(|| "nothing".to_owned())
    };
    let mut changed: Vec<String> = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| format!("{name} went from {} to {}", shown(&old, name), shown(&new, name)))
        .collect();
    if changed.is_empty() {
        changed.push("its configuration has changed".to_owned());
    }
    changed
}

/// Values by dotted key.
fn flat(table: &Table) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if let toml::Value::Table(inner) = value {
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
