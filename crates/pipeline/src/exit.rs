//! How programs end: one line on stderr and an exit code.

use std::{collections::BTreeMap, error::Error, io::Write, process::ExitCode};

use serde_json::Value;

/// Done, or already done.
pub const DONE: u8 = 0;
/// The run failed: a number stopped being finite, or an error that nobody foresaw.
pub const FAILED: u8 = 1;
/// Bad usage, configuration or input data; the message names the file or flag.
pub const BAD_INPUT: u8 = 2;
/// Disk, permission, lock or threads.
pub const ENVIRONMENT: u8 = 3;

/// Bad usage, configuration or input: `FILE OR FLAG: what is wrong; what to do`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// An [`anyhow::Error`] of a formatted [`Refused`].
#[macro_export]
macro_rules! refused {
    ($($message:tt)*) => { anyhow::Error::new($crate::Refused(format!($($message)*))) };
}

/// What is known of an error by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The exit code.
    pub code: u8,
    /// Whether its message names a file or flag.
    pub names_file: bool,
}

/// What the stages of a project share besides this crate.
pub struct Host {
    /// Recognises the errors of the project's crates. One that it does not know counts as [`FAILED`], never as bad input.
    pub known: fn(&(dyn Error + 'static)) -> Option<Known>,
    /// Facts about the machine for manifests, beside those that this crate finds.
    pub facts: fn() -> BTreeMap<String, Value>,
}

impl Host {
    /// What is known of the first recognised cause of `error`.
    pub(crate) fn recognise(&self, error: &anyhow::Error) -> Option<Known> {
        error.chain().find_map(|cause| {
            if cause.is::<Refused>() {
                return Some(Known { code: BAD_INPUT, names_file: true });
            }
            if cause.is::<rayon::ThreadPoolBuildError>() {
                return Some(Known { code: ENVIRONMENT, names_file: true });
            }
            (self.known)(cause)
        })
    }

    /// The exit code that stands for `error`.
    pub fn code(&self, error: &anyhow::Error) -> u8 {
        self.recognise(error).map_or(FAILED, |known| known.code)
    }
}

/// Runs a program and turns an error into one line on stderr, `NAME: error: ...`, and an exit code.
pub fn run(host: &Host, name: &str, program: impl FnOnce() -> anyhow::Result<u8>) -> ExitCode {
    ignore_file_size_signal();
    match program() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let message = error.to_string().replace('\n', " ");
            tracing::error!("{message}");
            eprintln!("{name}: error: {message}");
            ExitCode::from(host.code(&error))
        }
    }
}

/// Makes a write beyond the largest size of a file (`ulimit -f`) an error like that of a full disk, not the end of the process.
fn ignore_file_size_signal() {
    let seen = std::sync::Arc::default();
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen) {
        tracing::warn!(%error, "SIGXFSZ cannot be caught");
    }
}

/// Prints an answer. A reader that has seen enough (`| head -1`) is no error.
///
/// # Errors
/// When it cannot be written for another reason.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let message = format!("stdout: cannot write: {error}");
            Err(anyhow::Error::new(error).context(message))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn only_what_is_known_to_be_bad_input_is_called_so() {
        let host = Host { known: |_| None, facts: BTreeMap::new };
        let threads = || rayon::ThreadPoolBuilder::new().build_global();
        let busy = threads().and_then(|()| threads()).unwrap_err();
        assert_eq!(host.code(&refused!("--scale: {}", 3)), BAD_INPUT);
        assert_eq!(host.code(&refused!("x").context("y")), BAD_INPUT);
        assert_eq!(host.code(&anyhow::Error::new(busy).context("no threads")), ENVIRONMENT);
        // As the error of a crate that nobody registered.
        let stranger = "x".parse::<u32>().context("a number").unwrap_err();
        assert_eq!(host.code(&stranger), FAILED);
    }
}
