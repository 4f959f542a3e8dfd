//! Reading tables leaves the panics of other threads audible. A file of its own, since the panic hook is process-wide.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    panic,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use randlab_store::table::{TimingRow, read_table, write_table};

static HEARD: AtomicUsize = AtomicUsize::new(0);
const PANICS: usize = 200;

fn read_often(path: &Path) {
    for _ in 0..PANICS {
        read_table::<TimingRow>(path).unwrap();
    }
}

fn panic_often() {
    for _ in 0..PANICS {
        let _ = panic::catch_unwind(|| panic!("heard"));
        thread::yield_now();
    }
}

#[test]
fn a_panic_elsewhere_is_heard_while_tables_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("timing.parquet");
    write_table(&path, vec![TimingRow::default()]).unwrap();
    panic::set_hook(Box::new(|_| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }));
    thread::scope(|scope| {
        scope.spawn(|| read_often(&path));
        scope.spawn(|| read_often(&path));
        scope.spawn(panic_often);
    });
    let _ = panic::take_hook();
    assert_eq!(HEARD.load(Ordering::Relaxed), PANICS);
}
