//! The runs of an experiment and typed access to their tables.

use std::{
    any::{Any, TypeId},
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    rc::Rc,
};

use randlab_core::{RunInfo, Seed};
use randlab_store::{
    Manifest, Status,
    table::{RunRow, Table, read_table},
};

use crate::{Arm, ArmRef, ReportError, ReportedRun};

/// One run's folder and the facts about it.
#[derive(Debug)]
pub struct Run {
    /// Stage it is a run of.
    pub stage: String,
    /// Who it is.
    pub info: RunInfo,
    /// [`RunInfo::arm`], taken apart.
    pub arm: Arm,
    /// Its folder.
    pub dir: PathBuf,
    /// Its row of `runs`.
    pub row: RunRow,
    pub(crate) status: Status,
    pub(crate) environment: BTreeMap<String, serde_json::Value>,
    /// Names of the files it wrote.
    outputs: BTreeSet<String>,
}

/// What is made of the tables of one run, and then kept.
pub trait View: Sized + 'static {
    /// Reads and rearranges the tables of `run`.
    ///
    /// # Errors
    /// When a table is missing, damaged or not as its stage leaves it.
    fn of(run: &Run) -> Result<Self, ReportError>;
}

/// The rows of one table as they are.
struct Rows<T>(Rc<[T]>);

impl<T: Table + 'static> View for Rows<T> {
    fn of(run: &Run) -> Result<Self, ReportError> {
        Ok(Self(run.read::<T>()?.into()))
    }
}

/// Views of one type by folder of the run.
type Views = HashMap<PathBuf, Rc<dyn Any>>;

/// The runs of an experiment. Tables are read when they are first asked for.
#[derive(Debug)]
pub struct Runs {
    all: Vec<Run>,
    views: RefCell<HashMap<TypeId, Views>>,
    /// The first file that could not be used. It is an error of the page, whatever was made of it.
    damage: RefCell<Option<ReportError>>,
}

impl Runs {
    /// The runs `listed`, which lie below `root` (`ROOT/STAGE/RUN`).
    pub(crate) fn read(listed: &[ReportedRun], root: &Path) -> Result<Self, ReportError> {
        let all = listed.iter().map(|r| Run::open(r, root)).collect::<Result<_, _>>()?;
        Ok(Self { all, views: RefCell::default(), damage: RefCell::default() })
    }

    /// All runs, in the order of the page.
    pub fn all(&self) -> &[Run] {
        &self.all
    }

    /// Runs of a stage and panel, in the order of the page.
    pub fn of(&self, stage: &str, panel: &str) -> impl Iterator<Item = &Run> {
        self.all.iter().filter(move |r| r.stage == stage && r.info.panel == panel)
    }

    /// The run of a stage, arm and seed. The pool is one run, whatever the seed.
    pub fn find(&self, stage: &str, of: &ArmRef, seed: Seed) -> Option<&Run> {
        let mut runs = self.of(stage, &of.panel);
        runs.find(|r| r.arm == of.arm && (r.arm == Arm::Pool || r.info.seed == seed))
    }

    /// As [`Self::find`].
    ///
    /// # Errors
    /// Names the run that is missing.
    pub fn run(&self, stage: &str, of: &ArmRef, seed: Seed) -> Result<&Run, String> {
        let ArmRef { panel, arm } = of;
        self.find(stage, of, seed).ok_or_else(|| match arm {
            Arm::Net => format!("panel {panel} has no {stage} run of seed {seed}"),
            Arm::Pool => format!("panel {panel} has no pooled {stage} run"),
            Arm::Drawn(_) | Arm::Variant { .. } => {
                format!("panel {panel} has no run {arm} of seed {seed}")
            }
        })
    }

    /// The rows of a table of one run, in the order of the file.
    ///
    /// # Errors
    /// Names the run or the table that is missing.
    pub fn table<T: Table + 'static>(
        &self,
        stage: &str,
        of: &ArmRef,
        seed: Seed,
    ) -> Result<Rc<[T]>, String> {
        let run = self.run(stage, of, seed)?;
        if !run.wrote::<T>() {
            return Err(format!("{stage} run {} has no table {}", run.info.id, T::NAME));
        }
        Ok(self.view::<Rows<T>>(run)?.0.clone())
    }

    /// What `V` makes of the tables of `run`.
    ///
    /// # Errors
    /// When a file is missing or damaged; the page then fails as a whole.
    pub fn view<V: View>(&self, run: &Run) -> Result<Rc<V>, String> {
        if let Some(view) = self.kept(&run.dir) {
            return Ok(view);
        }
        let view = Rc::new(V::of(run).map_err(|error| {
            let text = error.to_string();
            self.damage.borrow_mut().get_or_insert(error);
            text
        })?);
        let mut views = self.views.borrow_mut();
        views.entry(TypeId::of::<V>()).or_default().insert(run.dir.clone(), view.clone());
        Ok(view)
    }

    fn kept<V: View>(&self, dir: &Path) -> Option<Rc<V>> {
        let views = self.views.borrow();
        Rc::clone(views.get(&TypeId::of::<V>())?.get(dir)?).downcast().ok()
    }

    /// Fails with the first file that could not be used.
    pub(crate) fn sound(&self) -> Result<(), ReportError> {
        self.damage.take().map_or(Ok(()), Err)
    }

    /// The pretrain run of a seed.
    pub fn pretrain(&self, panel: &str, seed: Seed) -> Option<&Run> {
        self.find("pretrain", &ArmRef::net(panel), seed)
    }

    /// Source of the panel's images or vectors, as the tables call it.
    pub fn dataset(&self, panel: &str) -> &str {
        self.of("pretrain", panel).next().map_or("unknown", |r| r.row.dataset.as_str())
    }

    /// Root seeds of a panel, rising.
    pub fn seeds(&self, panel: &str) -> Vec<Seed> {
        // Not those of nets on top of drawn layers, which every seed may have several of.
        let nets = self.of("pretrain", panel).filter(|r| r.arm == Arm::Net);
        let mut seeds: Vec<_> = nets.map(|r| r.info.seed).collect();
        seeds.sort();
        seeds
    }
}

impl Run {
    fn open(run: &ReportedRun, root: &Path) -> Result<Self, ReportError> {
        let dir = root.join(&run.stage).join(run.info.id.to_string());
        let arm =
            run.info.arm.parse().map_err(|problem: String| ReportError::content(&dir, problem))?;
        let manifest = Manifest::read(&dir)?;
        let path = dir.join("runs.parquet");
        let mut rows = read_table::<RunRow>(&path)?;
        let (Some(row), true) = (rows.pop(), rows.is_empty()) else {
            return Err(ReportError::content(path, "expected one row"));
        };
        Ok(Self {
            stage: run.stage.clone(),
            info: run.info.clone(),
            arm,
            dir,
            row,
            status: manifest.status,
            environment: manifest.environment,
            outputs: manifest.outputs.into_iter().map(|file| file.name).collect(),
        })
    }

    /// Path of its table of type `T`, whether it wrote one or not.
    pub fn path<T: Table>(&self) -> PathBuf {
        self.dir.join(format!("{}.parquet", T::NAME))
    }

    /// Reads a table, for a [`View`] that keeps something smaller.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read<T: Table>(&self) -> Result<Vec<T>, ReportError> {
        Ok(read_table(&self.path::<T>())?)
    }

    /// Whether the run wrote a table that not every run of its stage writes.
    pub fn wrote<T: Table>(&self) -> bool {
        self.has(T::NAME)
    }

    /// Whether the run wrote the table `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.outputs.contains(&format!("{name}.parquet"))
    }

    /// False when the run ended below the accuracy it had to reach.
    pub fn fits(&self) -> bool {
        self.status == Status::Ok && self.row.status == Status::Ok.name()
    }
}
