//! A run of a stage, from its configuration to its manifest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, anyhow};
use randlab_align::AlignError;
use randlab_core::{Digest, RunId, canonical_json};
use randlab_nn::NnError;
use randlab_store::{
    FileRef, InputRef, Manifest, RunDir, Status, StoreError, publish, read,
    table::{TimingRow, write_table},
};
use randlab_train::TrainError;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    DONE, StageArgs,
    args::command_line,
    console::{Console, log_to},
};

/// A stage's configuration: what the run is and what it reads.
pub trait Stage: Serialize + DeserializeOwned {
    /// `prepare`, `pretrain`, `finetune`, `align` or `report`.
    fn stage(&self) -> &'static str;
    /// Raised when the stage's numbers change.
    fn version(&self) -> u32;
    /// Name of the run.
    fn id(&self) -> &RunId;
    /// Runs it reads, as stage and name.
    fn reads(&self) -> Vec<(&'static str, RunId)>;
    /// Files from outside it reads.
    ///
    /// # Errors
    /// When they are not there.
    fn raw(&self) -> anyhow::Result<Vec<InputRef>> {
        Ok(Vec::new())
    }
}

/// What a stage's work ended with.
pub enum Work {
    /// The run is complete but for its manifest.
    Done(Done),
    /// A signal came, and the run's state is saved.
    Stopped {
        /// The signal.
        signal: u8,
        /// One line for the user.
        message: String,
    },
}

/// What a complete run leaves.
pub struct Done {
    /// Files written.
    pub files: Vec<String>,
    /// How it ended.
    pub status: Status,
    /// Facts for the manifest.
    pub notes: BTreeMap<String, Value>,
    /// Seconds of work, where it was spread over several processes, and images trained on.
    pub trained: Option<(f64, u64)>,
    /// One line for the user.
    pub message: String,
}

/// A run being worked on.
pub struct Job<'a, C> {
    /// The configuration.
    pub config: &'a C,
    /// The run's folder, locked.
    pub dir: &'a RunDir,
    /// Identity of configuration and inputs.
    pub fingerprint: &'a Digest,
    /// Folder of the scale: runs are `ROOT/STAGE/RUN`.
    pub root: &'a Path,
    pub(crate) console: Console,
}

/// Name of the copy of its configuration in a run's folder.
pub(crate) const CONFIG: &str = "config.toml";

impl<C> Job<'_, C> {
    /// Folder of a run this one reads, after comparing those of its files that `wanted` names with their digests.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] naming the file that has changed.
    pub fn input(
        &self,
        stage: &str,
        run: &RunId,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<PathBuf, StoreError> {
        let dir = self.root.join(stage).join(run.as_str());
        for file in
            Manifest::read_as(&dir, stage, run)?.outputs.iter().filter(|file| wanted(&file.name))
        {
            file.read_checked(&dir)?;
        }
        Ok(dir)
    }
}

/// The inputs, configuration digest and fingerprint of a run.
pub(crate) struct Identity {
    pub inputs: Vec<InputRef>,
    pub config: Digest,
    pub fingerprint: Digest,
}

impl Identity {
    /// Of the run `config` describes, with what is in `root` now.
    ///
    /// # Errors
    /// When a run it reads is not done.
    pub fn of<C: Stage>(config: &C, root: &Path) -> anyhow::Result<Self> {
        let mut inputs = config.raw()?;
        for (stage, run) in config.reads() {
            let dir = root.join(stage).join(run.as_str());
            if !dir.join(Manifest::NAME).exists() {
                return Err(anyhow!("{}: not done; make it first", dir.display()));
            }
            let digest = Manifest::read_as(&dir, stage, &run)?.identity();
            inputs.push(InputRef { name: format!("{stage}/{run}"), digest });
        }
        let digest = Digest::of(canonical_json(config)?.as_bytes());
        let fingerprint = Manifest::fingerprint(config.stage(), config.version(), &digest, &inputs);
        Ok(Self { inputs, config: digest, fingerprint })
    }
}

/// Reads a configuration file.
///
/// # Errors
/// Naming the file, the line and the key.
pub(crate) fn read_config<C: DeserializeOwned>(path: &Path) -> anyhow::Result<C> {
    let text = String::from_utf8(read(path)?)
        .map_err(|_| anyhow!("{}: not a text file", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |s| text[..s.start].matches('\n').count() + 1);
        anyhow!("{}: line {line}: {}", path.display(), error.message())
    })
}

/// Does one run: nothing if it is done already, else `work` and then the manifest. `describe` says what it would do.
///
/// # Errors
/// What went wrong, naming the file.
pub fn execute<C: Stage>(
    args: &StageArgs,
    describe: impl FnOnce(&C) -> anyhow::Result<String>,
    work: impl FnOnce(&mut Job<'_, C>) -> anyhow::Result<Work>,
) -> anyhow::Result<u8> {
    let config: C = read_config(&args.plan)?;
    let named = |error| about(error, &args.plan);
    if args.dry_run {
        crate::exit::print(&describe(&config).map_err(named)?)?;
        return Ok(DONE);
    }
    let root = root_of(&config, &args.out)?;
    let identity = Identity::of(&config, root)?;
    let dir = RunDir::open(&args.out)?;
    let name = format!("{} {}", config.stage(), config.id());
    if let Some(manifest) = dir.finished(&identity.fingerprint) {
        // Left by a kill after the manifest was there.
        clear(&dir, &manifest)?;
        dir.touch_manifest()?;
        Console::new(name, args.progress).finish("already done");
        return Ok(DONE);
    }
    // From here on the folder is no finished run, whatever it was.
    dir.reopen()?;
    dir.remove("failed.json")?;
    log_to(&dir)?;
    let span = tracing::info_span!("run", stage = config.stage(), run_id = %config.id());
    let _entered = span.enter();
    tracing::info!(command = command_line(), fingerprint = %identity.fingerprint, "start");
    let begun = Instant::now();
    let mut job = Job {
        config: &config,
        dir: &dir,
        fingerprint: &identity.fingerprint,
        root,
        console: Console::new(name, args.progress),
    };
    let done = work(&mut job).map_err(named).inspect_err(|error| record_failure(&dir, error));
    let console = job.console;
    match done? {
        Work::Stopped { signal, message } => {
            console.finish(&message);
            Ok(128 + signal)
        }
        Work::Done(done) => {
            let (seconds, images) = done.trained.unzip();
            let seconds = seconds.unwrap_or_else(|| begun.elapsed().as_secs_f64());
            write_table(&dir.path("timing.parquet"), vec![timing(&config, seconds, images)])?;
            let message = format!("{} ({seconds:.1} s)", done.message);
            finish(&config, &dir, identity, done)?;
            console.finish(&message);
            Ok(DONE)
        }
    }
}

/// Names the configuration in errors that say only what of a net or an analysis does not fit.
fn about(error: anyhow::Error, plan: &Path) -> anyhow::Error {
    let nameless = match error.downcast_ref::<TrainError>() {
        Some(e) => matches!(e, TrainError::Net(_) | TrainError::Align(_) | TrainError::Tensor(_)),
        None => error.is::<NnError>() || error.is::<AlignError>(),
    };
    if !nameless {
        return error;
    }
    let message = format!("{}: {error}", plan.display());
    error.context(message)
}

/// Folder of the scale, given that of the run. What lies in another run's folder is not to be overwritten by a slip.
fn root_of<'a, C: Stage>(config: &C, out: &'a Path) -> anyhow::Result<&'a Path> {
    let own = Path::new(config.stage()).join(config.id().as_str());
    let root = out.ancestors().nth(2).filter(|_| out.ends_with(&own));
    root.with_context(|| {
        format!("--out {}: want a path that ends in {}", out.display(), own.display())
    })
}

/// Copies the configuration into the run's folder and writes the manifest, last. Then what is no part of the run goes: the
/// state it would have gone on from, and what an earlier configuration left.
fn finish<C: Stage>(config: &C, dir: &RunDir, id: Identity, done: Done) -> anyhow::Result<()> {
    publish(&dir.path(CONFIG), toml::to_string(config)?.as_bytes())?;
    let own = ["timing.parquet", CONFIG].map(str::to_owned);
    let mut names: Vec<String> = done.files.into_iter().chain(own).collect();
    names.sort();
    let outputs = names.iter().map(|name| FileRef::of(dir.root(), name));
    let manifest = Manifest {
        stage: config.stage().to_owned(),
        stage_version: config.version(),
        run: config.id().clone(),
        fingerprint: id.fingerprint,
        config: id.config,
        inputs: id.inputs,
        outputs: outputs.collect::<Result<_, _>>()?,
        status: done.status,
        notes: done.notes,
        environment: environment(),
    };
    dir.finish(&manifest)?;
    Ok(clear(dir, &manifest)?)
}

/// Removes what runs left in the folder and `manifest` does not list.
fn clear(dir: &RunDir, manifest: &Manifest) -> Result<(), StoreError> {
    let kept: Vec<&str> = manifest.outputs.iter().map(|file| file.name.as_str()).collect();
    dir.clear_except(&kept)
}

/// Leaves `failed.json` for a run that came to a bad end of its own, so that one sees why without its log.
fn record_failure(dir: &RunDir, error: &anyhow::Error) {
    if crate::code(error) != crate::FAILED {
        return;
    }
    let text = json!({ "status": "diverged", "reason": error.to_string() }).to_string();
    if let Err(second) = publish(&dir.path("failed.json"), text.as_bytes()) {
        tracing::error!("{second}");
    }
}

fn timing<C: Stage>(config: &C, seconds: f64, images: Option<u64>) -> TimingRow {
    TimingRow {
        stage: config.stage().to_owned(),
        run_id: config.id().to_string(),
        seconds,
        images_per_s: images.map(|n| n as f64 / seconds.max(1e-9)),
        peak_rss_mb: peak_rss_mb(),
        threads: i32::try_from(rayon::current_num_threads()).unwrap_or(i32::MAX),
    }
}

/// What is not the same everywhere, for whoever asks why two machines differ.
fn environment() -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("command".to_owned(), json!(command_line())),
        ("cpu".to_owned(), json!(cpu())),
        ("cores".to_owned(), json!(std::thread::available_parallelism().map_or(1, usize::from))),
        ("instructions".to_owned(), json!(randlab_kernels::instruction_set())),
        ("threads".to_owned(), json!(rayon::current_num_threads())),
        ("version".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
    ])
}

fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Peak memory of this process in MB (10^6 bytes), where the system tells.
fn peak_rss_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
