//! Folders of pictures: `ROOT/CLASS/*.jpg|jpeg|png`, or a flat folder of files named `nNNNNNNNN_*`.

use std::{
    cell::Cell,
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    rc::Rc,
};

use randlab_core::{ClassId, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Source, collect, picture, tree::Tree};
use crate::{DataError, Prepared, SplitSizes, config::range, files::there, pool::Pool};

/// `ROOT/CLASS/*.jpg|jpeg|png`, the same below `ROOT/train`, or a flat folder of files named `nNNNNNNNN_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFolder {
    /// The root folder.
    pub path: String,
    /// Side of the square images made of it, in pixels.
    pub size: u32,
}

impl Source for ImageFolder {
    fn name(&self) -> &'static str {
        "image-folder"
    }

    fn check(&self) -> Result<(), String> {
        const MOST: u32 = 1024;
        range("size", self.size, 1, MOST)
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        let pictures = self.tree()?.pictures;
        let mut files: Vec<PathBuf> = pictures.into_iter().map(|(_, path)| path).collect();
        files
            .sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
        Ok(files)
    }

    fn draw(
        &self,
        split: SplitSizes,
        seed: Seed,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Prepared, DataError> {
        self.check().map_err(|problem| DataError::content(&self.path, problem))?;
        let Tree { pictures, left_out } = self.tree()?;
        let mut notes = BTreeMap::new();
        warn_about_lossy_copies(&pictures, self.size, &mut notes)?;
        notes.insert("left_out".to_owned(), json!(left_out));
        collect(
            pool(Path::new(&self.path), pictures, self.size),
            &self.path,
            (split, seed),
            notes,
            progress,
        )
    }
}

impl ImageFolder {
    fn tree(&self) -> Result<Tree, DataError> {
        there(&self.path, "set `path` in the dataset file to your copy")?;
        Tree::of(Path::new(&self.path))
    }
}

/// Each picture is decoded when it is asked for.
fn pool(root: &Path, files: Vec<(OsString, PathBuf)>, size: u32) -> Pool {
    let mut classes: Vec<OsString> = files.iter().map(|(class, _)| class.clone()).collect();
    classes.dedup();
    let label = |(class, _): &(OsString, PathBuf)| {
        let at = classes.binary_search(class).unwrap_or(0);
        ClassId::try_from(at).unwrap_or(ClassId::MAX)
    };
    let labels = files.iter().map(label).collect();
    let shown: Rc<Vec<PathBuf>> = Rc::new(files.into_iter().map(|(_, path)| path).collect());
    let (base, paths) = (root.to_owned(), Rc::clone(&shown));
    let origin =
        move |i: usize| paths[i].strip_prefix(&base).unwrap_or(&paths[i]).display().to_string();
    let load = move |i: usize| Ok(picture::centre(&picture::open(&shown[i])?.rgb, size));
    let side = size as usize;
    Pool {
        shape: [3, side, side],
        labels,
        classes: classes.iter().map(|class| class.display().to_string()).collect(),
        test_from: None,
        origin: Box::new(origin),
        load: Box::new(load),
    }
}

/// JPEG copies of small images lose most of the small eigenvalues of the patch covariance, which this program is about.
fn warn_about_lossy_copies(
    files: &[(OsString, PathBuf)],
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
