//! Panics of the Parquet reader as errors, without their message on stderr.

use std::{cell::Cell, panic, sync::Once, thread};

thread_local! {
    /// True while this thread works on a file that may be damaged.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes an error. Panics of other threads are reported as before: the hook is process-wide,
/// so it is installed once and asks the thread that panics.
pub(super) fn quietly<R>(work: impl FnOnce() -> R + panic::UnwindSafe) -> thread::Result<R> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(work);
    QUIET.set(before);
    result
}
