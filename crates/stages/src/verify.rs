//! `randlab-verify`: the files of finished runs against their manifests.

use std::{fmt::Write, path::PathBuf};

use randlab_core::RunId;
use randlab_store::{Manifest, RunDir};

use randlab_pipeline::{DONE, FAILED, print};

use crate::compare::folder::{Run, runs};

/// What to verify.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// Folder of a scale, such as runs/smoke
    folder: PathBuf,
}

/// Reads every file of every finished run in the folder and names those that are damaged or missing. The manifest of such a
/// run is moved aside, so that make makes the run again; the exit code is then 1.
///
/// # Errors
/// When the folder holds no runs, or a run is being made.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<u8> {
    let runs = runs(&args.folder)?;
    let (mut text, mut bad) = (String::new(), 0);
    for run in &runs {
        let problems = problems(run);
        if problems.is_empty() {
            continue;
        }
        bad += 1;
        RunDir::open(&run.dir)?.set_aside()?;
        for problem in problems {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{problem}");
        }
    }
    let _ = match bad {
        0 => writeln!(text, "{} runs, all files as they were written", runs.len()),
        n => writeln!(text, "{n} of {} runs are damaged; make makes them again", runs.len()),
    };
    print(&text)?;
    Ok(if bad == 0 { DONE } else { FAILED })
}

/// What is wrong with a run, one line each.
fn problems(run: &Run) -> Vec<String> {
    let manifest = RunId::try_from(run.id.clone())
        .map_err(|e| format!("{}: {e}", run.dir.display()))
        .and_then(|id| Manifest::read_as(&run.dir, &run.stage, &id).map_err(|e| e.to_string()));
    match manifest {
        Ok(manifest) => manifest.damage(&run.dir).iter().map(ToString::to_string).collect(),
        Err(problem) => vec![problem],
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use randlab_core::Digest;
    use randlab_store::{FileRef, Status, publish};

    use super::*;

    fn finished(root: &Path, id: &str) -> PathBuf {
        let dir = root.join("prepare").join(id);
        publish(&dir.join("data.bin"), b"good").unwrap();
        let manifest = Manifest {
            stage: "prepare".into(),
            stage_version: 1,
            run: id.to_owned().try_into().unwrap(),
            fingerprint: Digest::of(b""),
            config: Digest::of(b""),
            inputs: Vec::new(),
            outputs: vec![FileRef::of(&dir, "data.bin").unwrap()],
            status: Status::Ok,
            notes: BTreeMap::new(),
            environment: BTreeMap::new(),
        };
        RunDir::open(&dir).unwrap().finish(&manifest).unwrap();
        dir
    }

    #[test]
    fn a_damaged_run_is_found_and_its_manifest_moved_aside() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (finished(root.path(), "a"), finished(root.path(), "b"));
        let args = VerifyArgs { folder: root.path().to_owned() };
        assert_eq!(verify(&args).unwrap(), DONE);
        publish(&b.join("data.bin"), b"gooe").unwrap();
        let run = &runs(root.path()).unwrap()[1];
        let text = problems(run).join(" ");
        assert!(text.contains("b/data.bin: digest"), "{text}");
        assert_eq!(verify(&args).unwrap(), FAILED);
        assert!(a.join("run.json").exists() && !b.join("run.json").exists());
        assert!(b.join("run.json.damaged").exists());
        // What is left is whole.
        assert_eq!(verify(&args).unwrap(), DONE);
    }
}
