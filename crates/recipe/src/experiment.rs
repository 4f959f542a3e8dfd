//! Experiment and dataset files as people write them.

use std::{collections::BTreeMap, fs, path::Path};

use randlab_core::Seed;
use randlab_data::{Sources, SplitSizes};
use randlab_nn::{Architectures, InitSpec};
use randlab_studies::{ClaimSpec, FigureSpec};
use randlab_train::{Norms, Phase, Starts};
use serde::{Deserialize, de::DeserializeOwned};
use toml::{Table, Value};

use crate::{RecipeError, check, merge::merge};

/// An experiment at one scale: what is varied, drawn and judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Stem of the file.
    pub name: String,
    /// Heading in the report.
    pub title: String,
    /// What is asked and how, one paragraph.
    pub summary: String,
    /// The experiment it lies over, if it does.
    pub base: Option<String>,
    /// Whether it is planned only when asked for by name: what takes long, or needs a dataset of its own.
    pub alone: bool,
    /// Data by name.
    pub data: BTreeMap<String, DataSpec>,
    /// Panels by name.
    pub panels: BTreeMap<String, Panel>,
    /// Figures, in the order of the page.
    pub figures: Vec<FigureSpec>,
    /// Claims, in the order of the page.
    pub claims: Vec<ClaimSpec>,
}

/// Images or vectors of an experiment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Images per split.
    pub split: SplitSizes,
    /// Where they come from; the dataset asked for on the command line when left out.
    pub source: Option<Sources>,
}

/// One data set, net and pre-training recipe, run once per seed, and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Name of its data.
    pub data: String,
    /// Root seeds.
    pub seeds: Vec<Seed>,
    /// The net.
    pub model: Architectures,
    /// Its initial weights.
    pub init: InitSpec,
    /// First phase, on the upstream images.
    pub pretrain: Phase,
    /// Second phase, on the downstream images, by name of the task.
    pub downstream: BTreeMap<String, Task>,
    /// What each second phase starts from, by name.
    pub variants: BTreeMap<String, Variant>,
    /// How the first layer of pre-trained nets is analysed; left out when it is not.
    pub align: Option<AlignSpec>,
}

/// A second phase and who runs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// How it is trained.
    pub phase: Phase,
    /// Names of the variants; all of the panel when left out.
    pub variants: Vec<String>,
}

/// What a second phase starts from. The fields are those of [`randlab_train::Transfer`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented at Transfer")]
pub struct Variant {
    pub layers: u32,
    pub weights: Starts,
    pub norm: Norms,
}

impl Variant {
    /// True when nothing of the parent is used: plain training from scratch.
    pub fn is_scratch(self) -> bool {
        self.weights == Starts::Fresh && self.norm == Norms::Fresh
    }

    /// Whether there must be a trained net.
    pub fn needs_parent(self) -> bool {
        self.weights.as_ref().needs_parent() || self.norm.as_ref().needs_parent()
    }
}

/// Settings of `randlab-align`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignSpec {
    /// Number of Haar-random bases.
    pub random_bases: u32,
}

/// A named source of images, from `pipelines/datasets` or the user's own file.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Stem of the file.
    pub name: String,
    /// The source.
    pub source: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExperimentFile {
    title: String,
    summary: String,
    #[serde(default)]
    alone: bool,
    seeds: u32,
    data: BTreeMap<String, DataSpec>,
    #[serde(default)]
    default: Table,
    panel: BTreeMap<String, Table>,
    #[serde(default)]
    figure: Vec<FigureSpec>,
    #[serde(default)]
    claim: Vec<ClaimSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PanelTable {
    data: String,
    seeds: Option<u32>,
    model: Architectures,
    init: InitSpec,
    pretrain: Phase,
    finetune: Option<Table>,
    #[serde(default)]
    downstream: BTreeMap<String, Table>,
    #[serde(default)]
    variant: BTreeMap<String, Variant>,
    align: Option<AlignSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatasetFile {
    source: Sources,
}

impl Experiment {
    /// Reads the experiment file at `path` with the overrides of `scale`. With `base = "NAME"` it is laid over the settings
    /// of NAME.toml beside it: its seeds, data and defaults, and those of its panels that this file has, too.
    ///
    /// # Errors
    /// [`RecipeError`] naming the file: unreadable, not TOML, unknown or missing keys, or no such scale.
    pub fn read(path: &Path, scale: &str) -> Result<Self, RecipeError> {
        let shown = path.display().to_string();
        let mut own = at_scale(&shown, &read(path)?, scale)?;
        let Some(base) = own.remove("base") else { return Self::build(&shown, own) };
        let wrong = |_| RecipeError::invalid(&shown, "base is the name of another experiment");
        let name: String = base.try_into().map_err(wrong)?;
        let base = path.with_file_name(format!("{name}.toml"));
        let shown_base = base.display().to_string();
        let mut base = at_scale(&shown_base, &read(&base)?, scale)?;
        base.remove("base");
        // A mistake there is to be blamed on that file.
        Self::build(&shown_base, base.clone())?;
        Ok(Self { base: Some(name), ..Self::build(&shown, over_base(base, &own))? })
    }

    /// As [`Experiment::read`], from the text of a file without `base`. The stem of `path` is the name.
    pub fn parse(path: &str, text: &str, scale: &str) -> Result<Self, RecipeError> {
        Self::build(path, at_scale(path, text, scale)?)
    }

    /// Checks what types cannot say: names that must exist and numbers that must make sense.
    ///
    /// # Errors
    /// [`RecipeError::Invalid`] naming the file, the place and what is wrong.
    pub fn check(&self) -> Result<(), RecipeError> {
        check::experiment(self)
    }

    fn build(path: &str, table: Table) -> Result<Self, RecipeError> {
        // The parser knows line numbers only while it reads text, so errors after merging name the key path instead.
        let file: ExperimentFile = convert(path, "", table)?;
        let build = |(name, own): (String, Table)| {
            let panel = Panel::build(path, &name, merge(file.default.clone(), &own), file.seeds)?;
            Ok((name, panel))
        };
        let panels = file.panel.into_iter().map(build).collect::<Result<_, RecipeError>>()?;
        Ok(Self {
            name: stem(path),
            title: file.title,
            summary: file.summary,
            base: None,
            alone: file.alone,
            data: file.data,
            panels,
            figures: file.figure,
            claims: file.claim,
        })
    }
}

impl Panel {
    /// Nets in the chain that draws one layer after the other: as many as the deepest variant drawn in this way has layers.
    pub fn chain(&self) -> u32 {
        let drawn = self.variants.values().filter(|v| v.weights.as_ref().on_drawn());
        drawn.map(|v| v.layers).max().unwrap_or(1)
    }

    fn build(path: &str, name: &str, table: Table, seeds: u32) -> Result<Self, RecipeError> {
        let place = format!("panel.{name}: ");
        let t: PanelTable = convert(path, &place, table)?;
        let count = t.seeds.unwrap_or(seeds);
        check::within("seeds", count, 1, check::MOST_SEEDS)
            .map_err(|what| RecipeError::invalid(path, format!("{place}{what}")))?;
        let base = t.finetune.unwrap_or_default();
        let all: Vec<String> = t.variant.keys().cloned().collect();
        let task = |(task, own): (String, Table)| {
            let place = format!("panel.{name}.downstream.{task}: ");
            let mut table = merge(base.clone(), &own);
            let variants = table.remove("variants").map(Value::try_into).transpose();
            let wrong =
                |_| RecipeError::invalid(path, format!("{place}variants is a list of names"));
            let variants = variants.map_err(wrong)?.unwrap_or_else(|| all.clone());
            Ok((task, Task { phase: convert(path, &place, table)?, variants }))
        };
        Ok(Self {
            data: t.data,
            seeds: (0..count).map(Seed::new).collect(),
            model: t.model,
            init: t.init,
            pretrain: t.pretrain,
            downstream: t.downstream.into_iter().map(task).collect::<Result<_, RecipeError>>()?,
            variants: t.variant,
            align: t.align,
        })
    }
}

impl Dataset {
    /// Reads a dataset file.
    ///
    /// # Errors
    /// [`RecipeError`] naming the file.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let shown = path.display().to_string();
        let table = parse(&shown, &read(path)?)?;
        let file: DatasetFile = convert(&shown, "", table)?;
        let check = file.source.as_ref().check();
        check.map_err(|problem| RecipeError::invalid(&shown, format!("source: {problem}")))?;
        Ok(Self { name: stem(&shown), source: file.source })
    }
}

/// The tables of an experiment file with those of one scale laid over them.
fn at_scale(path: &str, text: &str, scale: &str) -> Result<Table, RecipeError> {
    let mut table: Table = parse(path, text)?;
    let scales = table.remove("scale").unwrap_or_else(|| Value::Table(Table::new()));
    let none = || RecipeError::NoScale { path: path.to_owned(), scale: scale.to_owned() };
    let over = scales.get(scale).and_then(Value::as_table).ok_or_else(none)?;
    Ok(merge(table, over))
}

/// `own` over the settings of `base` that can be shared; figures and claims are not.
fn over_base(mut base: Table, own: &Table) -> Table {
    base.retain(|key, _| ["seeds", "data", "default", "panel"].contains(&key));
    if let Some(panels) = base.get_mut("panel").and_then(Value::as_table_mut) {
        let own = own.get("panel").and_then(Value::as_table);
        panels.retain(|name, _| own.is_some_and(|own| own.contains_key(name)));
    }
    merge(base, own)
}

fn read(path: &Path) -> Result<String, RecipeError> {
    let failed = |source| RecipeError::Read { path: path.display().to_string(), source };
    fs::read_to_string(path).map_err(failed)
}

fn parse(path: &str, text: &str) -> Result<Table, RecipeError> {
    toml::from_str(text).map_err(|e| RecipeError::parse(path, text, &e))
}

fn convert<T: DeserializeOwned>(path: &str, place: &str, table: Table) -> Result<T, RecipeError> {
    T::deserialize(Value::Table(table)).map_err(|e| {
        RecipeError::invalid(path, format!("{place}{}", e.to_string().trim().replace('\n', " ")))
    })
}

fn stem(path: &str) -> String {
    Path::new(path).file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}
