//! Small files in the layout of CIFAR-10.

use std::path::Path;

use randlab_store::publish;

/// Six files of `records` records each: class i mod 10, pixels that name file, record and position.
#[expect(clippy::cast_possible_truncation, reason = "small test values")]
pub fn write_cifar(dir: &Path, records: usize) {
    let names = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]);
    for (f, name) in names.enumerate() {
        let record = |r: usize| {
            let pixel = move |p: usize| ((f * 50 + r * 7 + p) % 251) as u8;
            std::iter::once((r % 10) as u8).chain((0..3072).map(pixel))
        };
        let bytes: Vec<u8> = (0..records).flat_map(record).collect();
        publish(&dir.join(name), &bytes).unwrap();
    }
}
