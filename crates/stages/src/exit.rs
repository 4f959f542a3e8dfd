//! How programs end: one line on stderr and an exit code.

use std::{io::Write, process::ExitCode};

use randlab_data::DataError;
use randlab_report::ReportError;
use randlab_store::StoreError;
use randlab_train::TrainError;

/// Done, or already done.
pub const DONE: u8 = 0;
/// The run failed: a number stopped being finite.
pub const FAILED: u8 = 1;
/// Bad usage, configuration or input data; the message names the file or flag.
pub const BAD_INPUT: u8 = 2;
/// Disk, permission, lock or threads.
pub const ENVIRONMENT: u8 = 3;

/// Runs a program and turns an error into one line on stderr, `NAME: error: ...`, and an exit code.
pub fn run(name: &str, program: impl FnOnce() -> anyhow::Result<u8>) -> ExitCode {
    ignore_file_size_signal();
    match program() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let message = error.to_string().replace('\n', " ");
            tracing::error!("{message}");
            eprintln!("{name}: error: {message}");
            ExitCode::from(code(&error))
        }
    }
}

/// The exit code that stands for an error.
pub fn code(error: &anyhow::Error) -> u8 {
    let store = |e: &StoreError| if e.is_environment() { ENVIRONMENT } else { BAD_INPUT };
    for cause in error.chain() {
        if cause.is::<rayon::ThreadPoolBuildError>() {
            return ENVIRONMENT;
        }
        if let Some(e) = cause.downcast_ref::<StoreError>() {
            return store(e);
        }
        match cause.downcast_ref::<TrainError>() {
            Some(TrainError::NotFinite { .. }) => return FAILED,
            Some(TrainError::Store(e) | TrainError::Data(DataError::Store(e))) => return store(e),
            _ => {}
        }
        if let Some(DataError::Store(e)) = cause.downcast_ref::<DataError>() {
            return store(e);
        }
        if let Some(ReportError::Store(e)) = cause.downcast_ref::<ReportError>() {
            return store(e);
        }
    }
    BAD_INPUT
}

/// Prints what was asked for. A reader that has seen enough (`| head -1`) is no error.
///
/// # Errors
/// [`StoreError::Io`] when it cannot be written.
pub fn print(text: &str) -> Result<(), StoreError> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(StoreError::Io { path: "standard output".into(), action: "write", source })
        }
        _ => Ok(()),
    }
}

/// Makes a write beyond the largest size of a file (`ulimit -f`) an error like that of a full disk, not the end of the process.
fn ignore_file_size_signal() {
    #[cfg(unix)]
    {
        let seen = std::sync::Arc::default();
        if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen) {
            tracing::warn!(%error, "SIGXFSZ cannot be caught");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn errors_map_to_the_documented_codes() {
        let io = |kind: io::ErrorKind| StoreError::Io {
            path: "x".into(),
            action: "write",
            source: io::Error::from(kind),
        };
        let locked = || StoreError::Locked { path: "x".into() };
        let threads = || rayon::ThreadPoolBuilder::new().build_global();
        let refused = threads().and_then(|()| threads()).unwrap_err();
        let nan = TrainError::NotFinite { tensor: "loss".into(), value: f64::NAN, step: 3 };
        for (error, expected) in [
            (anyhow::Error::from(io(io::ErrorKind::StorageFull)), ENVIRONMENT),
            (io(io::ErrorKind::NotFound).into(), BAD_INPUT),
            (DataError::from(locked()).into(), ENVIRONMENT),
            (TrainError::from(DataError::from(locked())).into(), ENVIRONMENT),
            (ReportError::from(locked()).into(), ENVIRONMENT),
            (TrainError::from(io(io::ErrorKind::PermissionDenied)).into(), ENVIRONMENT),
            (anyhow::Error::new(refused).context("no threads"), ENVIRONMENT),
            (nan.into(), FAILED),
            (anyhow::anyhow!("--scale: what"), BAD_INPUT),
        ] {
            assert_eq!(code(&error), expected, "{error}");
        }
    }
}
