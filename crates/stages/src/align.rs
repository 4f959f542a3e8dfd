//! The stage `align`: the first layer of pre-trained nets against the data it looked at.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use randlab_core::RunId;
use randlab_data::Dataset;
use randlab_pipeline::{Done, Job, Place, RunRef, Stage, Work};
use randlab_store::{
    Status,
    table::{AlignmentRow, RunRow, SpectrumRow, TableInfo, write_table},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Prepare, Pretrain,
    alignment::{self, AlignConfig, Net, Subject, analyse},
    rows::{place, run_row},
};

/// Configuration of an align run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Align(pub AlignConfig);

impl Stage for Align {
    const NAME: &'static str = "align";
    const VERSION: u32 = alignment::STAGE_VERSION;
    const ABOUT: &'static str =
        "Compare the first layer of pre-trained nets with the covariance of what it looked at";
    const TABLES: &'static [TableInfo] = &[
        TableInfo::of::<RunRow>(),
        TableInfo::of::<AlignmentRow>(),
        TableInfo::of::<SpectrumRow>(),
    ];

    fn id(&self) -> &RunId {
        &self.0.run.id
    }

    fn place(&self) -> Place {
        place(&self.0.run)
    }

    fn needs(&self) -> Vec<RunRef> {
        let of = |s: &Subject| [RunRef::of::<Prepare>(&s.data), RunRef::of::<Pretrain>(&s.run)];
        self.0.subjects.iter().flat_map(of).collect()
    }

    fn describe(&self, _root: &Path) -> anyhow::Result<String> {
        let config = &self.0;
        let mut text = format!("{} {}: first layer of\n", Self::NAME, config.run.id);
        for subject in &config.subjects {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {} on {}", subject.run, subject.data);
        }
        let _ = writeln!(text, "against {} random bases", config.random_bases);
        Ok(text)
    }

    fn work(&self, job: &mut Job<'_>) -> anyhow::Result<Work> {
        let config = &self.0;
        let total = config.subjects.len();
        let mut nets = Vec::new();
        for subject in &config.subjects {
            let data = job.input(&RunRef::of::<Prepare>(&subject.data), |_| true)?;
            let weights = |name: &str| name.ends_with(".safetensors");
            let run = job.input(&RunRef::of::<Pretrain>(&subject.run), weights)?;
            nets.push(Net::read(&Dataset::open(&data)?, &run, total == 1)?);
            job.progress(nets.len() as u64, total as u64, || "nets".to_owned());
        }
        let analysis = analyse(config, &nets)?;
        analysis.basis.write(&job.dir.path("eigenbasis.safetensors"))?;
        let dataset = nets.first().map_or("", |net| &net.dataset);
        write_table(
            &job.dir.path("runs.parquet"),
            vec![run_row::<Self>(&config.run, dataset, job)],
        )?;
        let end = analysis.alignment.last().cloned();
        write_table(&job.dir.path("alignment.parquet"), analysis.alignment)?;
        write_table(&job.dir.path("spectra.parquet"), analysis.spectra)?;
        let files =
            ["alignment.parquet", "eigenbasis.safetensors", "runs.parquet", "spectra.parquet"];
        let number = |x: Option<f64>| x.map_or_else(|| "none".to_owned(), |x| format!("{x:.2}"));
        let (score, random) = end.map_or((None, None), |r| (r.misalignment, r.random_mean));
        Ok(Work::Done(Done {
            files: files.map(str::to_owned).to_vec(),
            status: Status::Ok,
            notes: BTreeMap::from([("nets".to_owned(), json!(total))]),
            trained: None,
            message: format!(
                "misalignment {} against {} in random bases, {total} nets",
                number(score),
                number(random)
            ),
        }))
    }
}
