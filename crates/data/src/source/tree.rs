//! Which pictures of a folder belong to which class, and what lies there besides.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    DataError,
    files::{entries, file_name},
};

/// Folders are searched this deep for what is left out; a link may lead round in circles.
const DEPTH: u32 = 6;

/// The pictures of a folder.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tree {
    /// Class and path, sorted by the bytes of both.
    pub pictures: Vec<(OsString, PathBuf)>,
    /// Files that are in no class, counted by folder and extension: `cats/more/*.jpg`.
    pub left_out: BTreeMap<String, u64>,
}

impl Tree {
    /// Pictures in `ROOT/CLASS`, in `ROOT/train/CLASS`, or in `ROOT` with names that begin with their class.
    ///
    /// # Errors
    /// [`DataError`] naming a folder that would be a class without a picture, a link that leads nowhere, or a picture that is
    /// no regular file.
    pub fn of(root: &Path) -> Result<Self, DataError> {
        let mut tree = Self::default();
        let train = root.join("train");
        let base = if is_split(root, &train)? { train.as_path() } else { root };
        for folder in folders(base)? {
            tree.class(root, &folder)?;
        }
        if tree.pictures.is_empty() {
            tree.flat(root)?;
        } else {
            tree.refuse_empty_classes(base)?;
            tree.leave_out(root, base, 1)?;
        }
        if base != root {
            for other in entries(root)?.iter().filter(|path| *path != base) {
                tree.leave_out_path(root, other, DEPTH)?;
            }
        }
        if tree.pictures.is_empty() {
            let problem = "no CLASS/*.jpg|jpeg|png and no files named nNNNNNNNN_* in it";
            return Err(DataError::content(root, format!("{problem}{}", tree.elsewhere())));
        }
        tree.pictures.sort_by(|a, b| bytes(a).cmp(&bytes(b)));
        Ok(tree)
    }

    /// Pictures directly in `folder`; what lies below or is no picture is left out.
    fn class(&mut self, root: &Path, folder: &Path) -> Result<(), DataError> {
        for path in entries(folder)? {
            if is_picture(&path) && !path.is_dir() {
                self.pictures.push((file_name(folder).to_owned(), path));
            } else {
                self.leave_out_path(root, &path, DEPTH)?;
            }
        }
        Ok(())
    }

    /// A folder without classes: names begin with them.
    fn flat(&mut self, root: &Path) -> Result<(), DataError> {
        self.left_out.clear();
        for path in entries(root)? {
            match synset(&path) {
                Some(class) if is_picture(&path) && !path.is_dir() => {
                    self.pictures.push((class, path));
                }
                Some(_) | None => self.leave_out_path(root, &path, DEPTH)?,
            }
        }
        Ok(())
    }

    /// A class that vanished would move the numbers of all classes behind it.
    fn refuse_empty_classes(&self, base: &Path) -> Result<(), DataError> {
        for folder in folders(base)? {
            if self.pictures.iter().any(|(class, _)| class == file_name(&folder)) {
                continue;
            }
            let mut inside = Self::default();
            inside.leave_out(&folder, &folder, DEPTH)?;
            let problem = format!("no .jpg, .jpeg or .png in this class{}", inside.elsewhere());
            let advice = "add some, or move the folder away";
            return Err(DataError::content(folder, format!("{problem}; {advice}")));
        }
        Ok(())
    }

    fn leave_out(&mut self, root: &Path, folder: &Path, depth: u32) -> Result<(), DataError> {
        for path in entries(folder)? {
            self.leave_out_path(root, &path, depth)?;
        }
        Ok(())
    }

    /// Counts a file, or the files below a folder.
    fn leave_out_path(&mut self, root: &Path, path: &Path, depth: u32) -> Result<(), DataError> {
        if path.is_dir() {
            return if depth > 1 { self.leave_out(root, path, depth - 1) } else { Ok(()) };
        }
        let folder = path.parent().and_then(|folder| folder.strip_prefix(root).ok());
        let suffix = path.extension().map_or_else(String::new, |e| format!(".{}", e.display()));
        let pattern = folder.unwrap_or(Path::new("")).join(format!("*{suffix}"));
        *self.left_out.entry(pattern.display().to_string()).or_insert(0) += 1;
        Ok(())
    }

    /// Where other files are, for an error message.
    fn elsewhere(&self) -> String {
        let shown = self.left_out.iter().take(3).map(|(pattern, n)| format!("{n} of {pattern}"));
        match self.left_out.len() {
            0 => String::new(),
            1..=3 => format!(", but {}", shown.collect::<Vec<_>>().join(", ")),
            _ => format!(", but {} and more", shown.collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Whether classes are in `ROOT/train`, with other splits beside it.
fn is_split(root: &Path, train: &Path) -> Result<bool, DataError> {
    if !train.is_dir() || has_pictures(train)? {
        return Ok(false);
    }
    let mut classes = false;
    for class in folders(train)? {
        classes |= has_pictures(&class)?;
    }
    for other in folders(root)? {
        classes &= !has_pictures(&other)?;
    }
    Ok(classes)
}

fn has_pictures(folder: &Path) -> Result<bool, DataError> {
    Ok(entries(folder)?.iter().any(|path| is_picture(path) && !path.is_dir()))
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = entries(dir)?;
    paths.retain(|path| path.is_dir());
    Ok(paths)
}

/// The class in a name like `n01440764_10026.JPEG`.
fn synset(path: &Path) -> Option<OsString> {
    let name = file_name(path).to_string_lossy();
    let (class, _) = name.split_once('_')?;
    let digits = class.strip_prefix('n')?;
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| class.into())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}

fn bytes((class, path): &(OsString, PathBuf)) -> (&[u8], &[u8]) {
    (class.as_encoded_bytes(), path.as_os_str().as_encoded_bytes())
}
