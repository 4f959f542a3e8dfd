//! What a stage is.

use std::{collections::BTreeSet, fmt, marker::PhantomData, path::Path};

use anyhow::Context;
use randlab_core::RunId;
use randlab_store::{
    InputRef,
    table::{TableInfo, TimingRow},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Job, Work};

/// A run: the name of its stage and its own. Its folder is `ROOT/STAGE/RUN`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunRef {
    /// Name of the stage.
    pub stage: String,
    /// Name of the run, unique within the stage.
    pub id: RunId,
}

impl RunRef {
    /// The run `id` of the stage `T`.
    pub fn of<T: Stage>(id: &RunId) -> Self {
        Self { stage: T::NAME.to_owned(), id: id.clone() }
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stage, self.id)
    }
}

/// Where a run stands in its experiment. Each part may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The experiment.
    pub experiment: String,
    /// Panel of the experiment.
    pub panel: String,
    /// Variant within the panel.
    pub arm: String,
}

/// An option that programs of a stage have beside the common ones.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Name, without dashes.
    pub name: &'static str,
    /// Placeholder in the help text.
    pub value_name: &'static str,
    /// Value when the option is not given.
    pub default: &'static str,
    /// Line of help.
    pub help: &'static str,
}

/// A stage, implemented by its configuration: the complete description of one run.
///
/// The canonical JSON of the configuration is part of the run's fingerprint, as is [`Stage::VERSION`].
pub trait Stage: Serialize + DeserializeOwned + Clone + 'static {
    /// Name of the stage and of its folder. The program is `randlab-NAME`.
    const NAME: &'static str;
    /// Version of the numbers the stage produces; raised whenever they change.
    const VERSION: u32;
    /// What the stage does, for `--help`.
    const ABOUT: &'static str;
    /// The tables its runs write, beside `timing`, which every run has.
    const TABLES: &'static [TableInfo];
    /// Options of its program beside the common ones; none as a rule.
    const OPTIONS: &'static [Choice] = &[];
    /// Whether its work looks at [`Job::signal`]. Otherwise signals end the process at once.
    const STOPS: bool = false;

    /// Name of the run.
    fn id(&self) -> &RunId;
    /// Experiment, panel and arm.
    fn place(&self) -> Place;
    /// Runs it reads.
    fn needs(&self) -> Vec<RunRef>;
    /// Files from outside it reads, with digests of their content. `cache`, a file, may keep digests of what does not change.
    ///
    /// # Errors
    /// When they cannot be read.
    fn raw(&self, _cache: &Path) -> anyhow::Result<Vec<InputRef>> {
        Ok(Vec::new())
    }
    /// Whether the configuration is one of this stage.
    ///
    /// # Errors
    /// What does not fit, and what to do.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
    /// Prepares the process before anything is read; `option` gives the value of an option by name.
    ///
    /// # Errors
    /// When an option has a bad value or the process cannot be set up.
    fn prepare_process(option: &dyn Fn(&str) -> String) -> anyhow::Result<()> {
        let _ = option;
        Ok(())
    }
    /// What the run would do, as text; runs it reads lie in `root`.
    ///
    /// # Errors
    /// When what it needs to know cannot be read.
    fn describe(&self, root: &Path) -> anyhow::Result<String>;
    /// Does the work and writes all files of the run but its configuration, timing and manifest.
    ///
    /// # Errors
    /// What went wrong, naming the file.
    fn work(&self, job: &mut Job<'_>) -> anyhow::Result<Work>;
}

/// A stage as an entry of a list; its configurations are JSON.
pub trait AnyStage: Sync {
    /// [`Stage::NAME`].
    fn name(&self) -> &'static str;
    /// [`Stage::VERSION`].
    fn version(&self) -> u32;
    /// [`Stage::ABOUT`].
    fn about(&self) -> &'static str;
    /// [`Stage::TABLES`].
    fn tables(&self) -> &'static [TableInfo];
    /// [`Stage::raw`] of a configuration.
    ///
    /// # Errors
    /// Those of [`Stage::raw`].
    fn raw(&self, config: &Value, cache: &Path) -> anyhow::Result<Vec<InputRef>>;
    /// A configuration as the file its program reads.
    ///
    /// # Errors
    /// When `config` is of another stage.
    fn to_toml(&self, config: &Value) -> anyhow::Result<String>;
}

/// The entry of the stage `T` in a list of stages.
pub struct Of<T>(PhantomData<fn() -> T>);

impl<T> Of<T> {
    /// The entry.
    pub const fn stage() -> Self {
        Self(PhantomData)
    }
}

impl<T: Stage> AnyStage for Of<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn version(&self) -> u32 {
        T::VERSION
    }

    fn about(&self) -> &'static str {
        T::ABOUT
    }

    fn tables(&self) -> &'static [TableInfo] {
        T::TABLES
    }

    fn raw(&self, config: &Value, cache: &Path) -> anyhow::Result<Vec<InputRef>> {
        typed::<T>(config)?.raw(cache)
    }

    fn to_toml(&self, config: &Value) -> anyhow::Result<String> {
        Ok(toml::to_string(&typed::<T>(config)?)?)
    }
}

/// The tables that runs of `stages` write, each once, in the order of the stages; `timing`, which every run has, is last.
pub fn tables<'a>(stages: impl IntoIterator<Item = &'a dyn AnyStage>) -> Vec<TableInfo> {
    let mut seen = BTreeSet::new();
    let listed = stages.into_iter().flat_map(|stage| stage.tables().iter().copied());
    let all = listed.chain([TableInfo::of::<TimingRow>()]);
    all.filter(|table| seen.insert(table.name)).collect()
}

/// The configuration that `config` was made from.
///
/// # Errors
/// When it is of another stage.
pub(crate) fn typed<T: Stage>(config: &Value) -> anyhow::Result<T> {
    T::deserialize(config).with_context(|| format!("no configuration of stage {}", T::NAME))
}
