//! Folders of pictures: `ROOT/CLASS/*.jpg|jpeg|png`, or a flat folder of files named `nNNNNNNNN_*`.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use randlab_core::ClassId;
use serde_json::{Value, json};

use super::picture;
use crate::{DataError, pool::Pool};

/// Lists the pictures; each is decoded when it is asked for.
pub(crate) fn open(
    root: &str,
    size: u32,
    notes: &mut BTreeMap<String, Value>,
) -> Result<Pool, DataError> {
    if size == 0 {
        return Err(DataError::content(root, "size must be at least 1"));
    }
    let root = Path::new(root);
    let mut files = in_class_folders(root)?;
    if files.is_empty() {
        files = in_one_folder(root)?;
    }
    if files.is_empty() {
        let problem = "no CLASS/*.jpg|jpeg|png and no files named nNNNNNNNN_* in it";
        return Err(DataError::content(root, problem));
    }
    files.sort();
    let mut classes: Vec<String> = files.iter().map(|(class, _)| class.clone()).collect();
    classes.dedup();
    let label = |(class, _): &(String, PathBuf)| {
        let at = classes.binary_search(class).unwrap_or(0);
        ClassId::try_from(at).unwrap_or(ClassId::MAX)
    };
    let labels = files.iter().map(label).collect();
    warn_about_lossy_copies(&files, size, notes)?;
    let shown: Rc<Vec<PathBuf>> = Rc::new(files.into_iter().map(|(_, path)| path).collect());
    let (base, paths) = (root.to_owned(), Rc::clone(&shown));
    let origin =
        move |i: usize| paths[i].strip_prefix(&base).unwrap_or(&paths[i]).display().to_string();
    let load = move |i: usize| Ok(picture::centre(&picture::open(&shown[i])?.rgb, size));
    let side = size as usize;
    Ok(Pool {
        shape: [3, side, side],
        labels,
        classes,
        test_from: None,
        origin: Box::new(origin),
        load: Box::new(load),
    })
}

/// JPEG copies of small images lose most of the small eigenvalues of the patch covariance, which this program is about.
fn warn_about_lossy_copies(
    files: &[(String, PathBuf)],
    size: u32,
    notes: &mut BTreeMap<String, Value>,
) -> Result<(), DataError> {
    const LOOKED_AT: usize = 20;
    let (small, grey) = (Cell::new(0), Cell::new(0));
    for (_, path) in files.iter().take(LOOKED_AT) {
        let picture = picture::open(path)?;
        let (w, h) = picture.rgb.dimensions();
        small.set(small.get() + usize::from(picture.jpeg && w.min(h) < 2 * size));
        grey.set(grey.get() + usize::from(picture.grey));
    }
    let looked_at = files.len().min(LOOKED_AT);
    notes.insert("grey_among_first".into(), json!({ "grey": grey.get(), "files": looked_at }));
    if small.get() * 2 > looked_at {
        let text = "JPEG files hardly larger than the images made of them: small eigenvalues are not to be trusted";
        notes.insert("warning".into(), json!(text));
    }
    Ok(())
}

fn in_class_folders(root: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let mut files = Vec::new();
    for folder in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        let class = file_name(&folder);
        files.extend(
            entries(&folder)?.into_iter().filter(|p| is_picture(p)).map(|p| (class.clone(), p)),
        );
    }
    Ok(files)
}

fn in_one_folder(root: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let named = |path: PathBuf| {
        let name = file_name(&path);
        let (class, _) = name.split_once('_')?;
        let digits = class.strip_prefix('n')?;
        let synset = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
        synset.then(|| (class.to_owned(), path.clone()))
    };
    Ok(entries(root)?.into_iter().filter(|p| is_picture(p)).filter_map(named).collect())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let list = |d: fs::ReadDir| d.map(|e| e.map(|e| e.path())).collect();
    fs::read_dir(dir).and_then(list).map_err(DataError::read(dir))
}
