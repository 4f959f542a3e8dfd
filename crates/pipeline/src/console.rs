//! What a run shows while it works: a bar or lines on stderr, and JSON lines in `log.jsonl`.

use std::{
    fs::File,
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use randlab_store::{RunDir, StoreError};
use tracing_subscriber::EnvFilter;

use crate::args::ProgressMode;

/// Time between lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Where log events go, in the run's folder.
const LOG: &str = "log.jsonl";

/// One run's voice.
pub(crate) struct Console {
    name: String,
    bar: Option<ProgressBar>,
    lines: bool,
    begun: Instant,
    said: Instant,
}

impl Console {
    /// For the run `name`, for example `pretrain alignment.photos.random.s0`.
    pub fn new(name: String, mode: ProgressMode) -> Self {
        let bar = mode == ProgressMode::Auto && std::io::stderr().is_terminal();
        let bar = bar.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_message(name.clone());
            bar
        });
        let lines = bar.is_none() && mode != ProgressMode::None;
        Self { name, bar, lines, begun: Instant::now(), said: Instant::now() }
    }

    /// `done` of `total` units of work are done; `detail` says more where a number is at hand.
    pub fn progress(&mut self, done: u64, total: u64, detail: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(total) {
                // The style cannot be wrong: it is a constant.
                let style = "{msg} [{bar:16}] {pos}/{len} {prefix} {eta} left";
                bar.set_style(
                    ProgressStyle::with_template(style)
                        .unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                bar.set_length(total);
            }
            bar.set_position(done);
            if self.said.elapsed() >= Duration::from_millis(200) {
                self.said = Instant::now();
                bar.set_prefix(detail());
            }
        } else if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            let detail = detail();
            tracing::info!(done, total, detail, "progress");
            if self.lines {
                let left = self.begun.elapsed().as_secs_f64() / done.max(1) as f64
                    * total.saturating_sub(done) as f64;
                say(&format!("{}: {done}/{total} {detail}, about {left:.0} s left\n", self.name));
            }
        }
    }

    /// One line about something that the run gets over.
    pub fn warn(&self, line: &str) {
        tracing::warn!("{line}");
        let text = format!("{}: {line}\n", self.name);
        match &self.bar {
            Some(bar) => bar.suspend(|| say(&text)),
            None => say(&text),
        }
    }

    /// The last word: one line that stays.
    pub fn finish(&self, message: &str) {
        tracing::info!("{message}");
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.bar.is_some() || self.lines {
            say(&format!("{}: {message}\n", self.name));
        }
    }
}

/// In one write, so that lines of runs side by side do not mix.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A log that says once that it cannot be written; the run goes on without it.
struct LogFile {
    file: File,
    path: PathBuf,
    failed: bool,
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Err(error) = self.file.write_all(bytes)
            && !std::mem::replace(&mut self.failed, true)
        {
            let path = self.path.display();
            say(&format!("{path}: cannot write: {error}; the run goes on without a log\n"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sends log events of this process to [`LOG`] in the run's folder, after those of earlier pieces of the run.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn log_to(dir: &RunDir) -> Result<(), StoreError> {
    let path = dir.path(LOG);
    let file = File::options().create(true).append(true).open(&path);
    let failed = |source| StoreError::Io { path: path.clone(), action: "open", source };
    let file = file.map_err(failed)?;
    // A second subscriber in one process happens in tests only; the first one stays.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("info"))
        .log_internal_errors(false)
        .with_writer(Mutex::new(LogFile { file, path, failed: false }))
        .try_init();
    Ok(())
}
