//! Workers, from the driver's side.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

/// A worker that is ready.
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// Parameters of its net, or values of its matrix.
    pub size: usize,
    /// Seconds of its first step.
    pub first: f64,
    pub version: String,
}

impl Worker {
    /// Starts `command` with so many threads and waits until it is ready, for `limit` at most.
    pub fn start(mut command: Command, threads: usize, limit: Duration) -> Result<Self> {
        for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
            command.env(name, threads.to_string());
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(|| {
                format!("{}: cannot be started", command.get_program().display())
            })?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.context("no pipes to a worker")?;
        // If memory runs out, the system should kill a worker and nothing else.
        #[expect(clippy::disallowed_methods, reason = "a setting of the system, no file")]
        let _ = fs::write(format!("/proc/{}/oom_score_adj", child.id()), "1000");
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut worker = Self { child, stdin, lines, size: 0, first: 0.0, version: String::new() };
        let ready = worker.line(limit)?;
        match ready.split_whitespace().collect::<Vec<_>>()[..] {
            ["ready", size, first, version] => {
                worker.size = size.parse()?;
                worker.first = first.parse()?;
                version.clone_into(&mut worker.version);
            }
            _ => bail!("a worker said {ready:?} instead of ready"),
        }
        Ok(worker)
    }

    /// Seconds of `steps` steps, after one that is not counted.
    pub fn run(&mut self, steps: u32, limit: Duration) -> Result<f64> {
        writeln!(self.stdin, "{steps}").context("it ended")?;
        Ok(self.line(limit)?.parse()?)
    }

    fn line(&mut self, limit: Duration) -> Result<String> {
        self.lines.recv_timeout(limit).map_err(|_| match self.child.try_wait() {
            Ok(Some(status)) => anyhow!("it ended, {status}"),
            _ => anyhow!("no answer in {} s", limit.as_secs()),
        })
    }

    /// Its peak memory, in MB.
    pub fn peak_memory(&self) -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0 / 1e6)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A worker has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs this program as a worker.
pub fn this(words: &[String]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").args(words);
    Ok(command)
}

/// The machine, for tables.
pub struct Machine {
    pub cpu: String,
    pub cores: i32,
    pub instruction_set: &'static str,
}

impl Machine {
    pub fn here() -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text.lines().find(|line| line.starts_with("model name"));
        let cpu = model.and_then(|line| line.split_once(": ")).map_or("unknown", |pair| pair.1);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            cpu: cpu.to_owned(),
            cores: i32::try_from(cores).unwrap_or(i32::MAX),
            instruction_set: randlab_kernels::instruction_set(),
        }
    }
}
