//! A run of a stage, from its configuration to its manifest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use randlab_core::{Digest, canonical_json};
use randlab_store::{
    FileRef, InputRef, Manifest, RunDir, Status, StoreError, publish, read,
    table::{TimingRow, write_table},
};
use serde_json::{Value, json};

use crate::{
    DONE, FAILED, Host, RunRef, Stage, StageArgs,
    args::{command_line, parse_stage, program_name},
    console::{Console, log_to},
    exit::{print, run},
    refused,
    stop::Stop,
};

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
pub struct Job<'a> {
    /// The run's folder, locked.
    pub dir: &'a RunDir,
    /// Digest of the canonical configuration.
    pub config: &'a Digest,
    /// Identity of configuration and inputs.
    pub fingerprint: &'a Digest,
    /// Folder of the scale: runs are `ROOT/STAGE/RUN`.
    pub root: &'a Path,
    options: &'a BTreeMap<&'static str, String>,
    stop: Option<Stop>,
    console: Console,
}

/// Name of the copy of its configuration in a run's folder.
pub(crate) const CONFIG: &str = "config.toml";

impl Job<'_> {
    /// Folder of a run this one reads, after comparing those of its files that `wanted` names with their digests.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] naming the file that has changed.
    pub fn input(
        &self,
        run: &RunRef,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<PathBuf, StoreError> {
        let dir = folder(self.root, run);
        let manifest = Manifest::read_as(&dir, &run.stage, &run.id)?;
        for file in manifest.outputs.iter().filter(|file| wanted(&file.name)) {
            file.read_checked(&dir)?;
        }
        Ok(dir)
    }

    /// Value of one of [`Stage::OPTIONS`]; empty for a name that is not among them.
    pub fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    /// The signal that asked the run to stop, if one did; none if the stage does not look at signals.
    pub fn signal(&self) -> Option<u8> {
        self.stop.as_ref().and_then(Stop::signal)
    }

    /// `done` of `total` units of work are done; `detail` says more where a number is at hand.
    pub fn progress(&mut self, done: u64, total: u64, detail: impl FnOnce() -> String) {
        self.console.progress(done, total, detail);
    }

    /// One line about something that does not stop the run.
    pub fn warn(&self, line: &str) {
        self.console.warn(line);
    }
}

/// Folder of a run.
pub(crate) fn folder(root: &Path, run: &RunRef) -> PathBuf {
    root.join(&run.stage).join(run.id.as_str())
}

/// File that keeps digests of raw files, so that only what has changed is read again.
pub(crate) fn digests(root: &Path) -> PathBuf {
    root.join("plan/digests.json")
}

/// The inputs, configuration digest and fingerprint of a run.
struct Identity {
    inputs: Vec<InputRef>,
    config: Digest,
    fingerprint: Digest,
}

impl Identity {
    /// Of the run `config` describes, with what is in `root` now.
    ///
    /// # Errors
    /// When a run it reads is not done.
    fn of<T: Stage>(config: &T, root: &Path) -> anyhow::Result<Self> {
        let mut inputs = config.raw(&digests(root))?;
        for run in config.needs() {
            let dir = folder(root, &run);
            if !dir.join(Manifest::NAME).exists() {
                return Err(refused!("{}: not done; make it first", dir.display()));
            }
            let digest = Manifest::read_as(&dir, &run.stage, &run.id)?.identity();
            inputs.push(InputRef { name: run.to_string(), digest });
        }
        let digest = Digest::of(canonical_json(config)?.as_bytes());
        let fingerprint = Manifest::fingerprint(T::NAME, T::VERSION, &digest, &inputs);
        Ok(Self { inputs, config: digest, fingerprint })
    }
}

/// Reads a configuration file.
///
/// # Errors
/// Naming the file, the line and the key.
fn read_config<T: Stage>(path: &Path) -> anyhow::Result<T> {
    let text = String::from_utf8(read(path)?)
        .map_err(|_| refused!("{}: not a text file", path.display()))?;
    let config: T = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |s| text[..s.start].matches('\n').count() + 1);
        refused!("{}: line {line}: {}", path.display(), error.message())
    })?;
    config.check().map_err(|problem| refused!("{}: {problem}", path.display()))?;
    Ok(config)
}

/// The program of the stage `T`: parses the command line and executes the run.
pub fn program<T: Stage>(host: &Host) -> ExitCode {
    let (args, options) = parse_stage::<T>();
    run(host, &program_name::<T>(), || execute::<T>(host, &args, &options))
}

/// Does one run: nothing if it is done already, else its work and then the manifest.
pub(crate) fn execute<T: Stage>(
    host: &Host,
    args: &StageArgs,
    options: &BTreeMap<&'static str, String>,
) -> anyhow::Result<u8> {
    T::prepare_process(&|name| options.get(name).cloned().unwrap_or_default())?;
    let stop = T::STOPS.then(Stop::listen);
    let config: T = read_config(&args.plan)?;
    let named = |error| about(host, error, &args.plan);
    if args.dry_run {
        let root = args.out.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        print(&config.describe(root).map_err(named)?)?;
        return Ok(DONE);
    }
    let root = root_of(&config, &args.out)?;
    let identity = Identity::of(&config, root)?;
    let dir = open(&args.out)?.with_tables(T::TABLES);
    let name = format!("{} {}", T::NAME, config.id());
    let console = Console::new(name, args.progress);
    if let Some(manifest) = dir.finished(&identity.fingerprint) {
        // A kill after the manifest was published leaves the resume state.
        clear(&dir, &manifest)?;
        console.finish("already done");
        return Ok(DONE);
    }
    // From here on the folder is no finished run, whatever it was.
    dir.reopen()?;
    dir.remove("failed.json")?;
    log_to(&dir)?;
    let span = tracing::info_span!("run", stage = T::NAME, run_id = %config.id());
    let _entered = span.enter();
    tracing::info!(command = command_line(), fingerprint = %identity.fingerprint, "start");
    let begun = Instant::now();
    let (digest, fingerprint) = (&identity.config, &identity.fingerprint);
    let mut job = Job { dir: &dir, config: digest, fingerprint, root, options, stop, console };
    let work = config.work(&mut job).map_err(named);
    let work = work.inspect_err(|error| record_failure(host, &dir, error));
    let console = job.console;
    match work? {
        Work::Stopped { signal, message } => {
            console.finish(&message);
            Ok(128 + signal)
        }
        Work::Done(done) => {
            let (seconds, images) = done.trained.unzip();
            let seconds = seconds.unwrap_or_else(|| begun.elapsed().as_secs_f64());
            write_table(&dir.path("timing.parquet"), vec![timing(&config, seconds, images)])?;
            let message = format!("{} ({seconds:.1} s)", done.message);
            finish(host, &config, &dir, identity, done)?;
            console.finish(&message);
            Ok(DONE)
        }
    }
}

/// Locks the run's folder. Whoever asks for the state of a run holds its lock for a moment, so one refusal means little.
fn open(out: &Path) -> Result<RunDir, StoreError> {
    for _ in 0..3 {
        match RunDir::open(out) {
            Err(StoreError::Locked { .. }) => std::thread::sleep(Duration::from_millis(30)),
            result => return result,
        }
    }
    RunDir::open(out)
}

/// Prefixes the path of the configuration to errors that name no file.
fn about(host: &Host, error: anyhow::Error, plan: &Path) -> anyhow::Error {
    if host.recognise(&error).is_some_and(|known| known.names_file) {
        return error;
    }
    let message = format!("{}: {error}", plan.display());
    error.context(message)
}

/// Folder of the scale, given that of the run. The folder must bear the name of the run, so that a slip overwrites no other.
fn root_of<'a, T: Stage>(config: &T, out: &'a Path) -> anyhow::Result<&'a Path> {
    let own = Path::new(T::NAME).join(config.id().as_str());
    let root = out.ancestors().nth(2).filter(|_| out.ends_with(&own));
    root.ok_or_else(|| {
        refused!("--out {}: want a path that ends in {}", out.display(), own.display())
    })
}

/// Copies the configuration into the run's folder and writes the manifest, last. Finally deletes the resume state and files
/// left by earlier configurations.
fn finish<T: Stage>(
    host: &Host,
    config: &T,
    dir: &RunDir,
    id: Identity,
    done: Done,
) -> anyhow::Result<()> {
    publish(&dir.path(CONFIG), toml::to_string(config)?.as_bytes())?;
    let own = ["timing.parquet", CONFIG].map(str::to_owned);
    let mut names: Vec<String> = done.files.into_iter().chain(own).collect();
    names.sort();
    let outputs = names.iter().map(|name| FileRef::of(dir.root(), name));
    let manifest = Manifest {
        stage: T::NAME.to_owned(),
        stage_version: T::VERSION,
        run: config.id().clone(),
        fingerprint: id.fingerprint,
        config: id.config,
        inputs: id.inputs,
        outputs: outputs.collect::<Result<_, _>>()?,
        status: done.status,
        notes: done.notes,
        environment: environment(host),
    };
    dir.finish(&manifest)?;
    Ok(clear(dir, &manifest)?)
}

/// Removes what runs left in the folder and `manifest` does not list.
fn clear(dir: &RunDir, manifest: &Manifest) -> Result<(), StoreError> {
    let kept: Vec<&str> = manifest.outputs.iter().map(|file| file.name.as_str()).collect();
    dir.clear_except(&kept)
}

/// Leaves `failed.json` for a run that failed, so that the reason is at hand without its log.
fn record_failure(host: &Host, dir: &RunDir, error: &anyhow::Error) {
    if host.code(error) != FAILED {
        return;
    }
    let text = json!({ "status": "diverged", "reason": error.to_string() }).to_string();
    if let Err(second) = publish(&dir.path("failed.json"), text.as_bytes()) {
        tracing::error!("{second}");
    }
}

fn timing<T: Stage>(config: &T, seconds: f64, images: Option<u64>) -> TimingRow {
    TimingRow {
        stage: T::NAME.to_owned(),
        run_id: config.id().to_string(),
        seconds,
        images_per_s: images.map(|n| n as f64 / seconds.max(1e-9)),
        peak_rss_mb: peak_rss_mb(),
        threads: i32::try_from(rayon::current_num_threads()).unwrap_or(i32::MAX),
    }
}

/// What differs between machines: a first answer to why two runs differ.
fn environment(host: &Host) -> BTreeMap<String, Value> {
    let own = [
        ("command".to_owned(), json!(command_line())),
        ("cpu".to_owned(), json!(cpu())),
        ("cores".to_owned(), json!(std::thread::available_parallelism().map_or(1, usize::from))),
        ("threads".to_owned(), json!(rayon::current_num_threads())),
        ("version".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
    ];
    own.into_iter().chain((host.facts)()).collect()
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
