//! `randlab-align`: the first layer of pre-trained nets against the data it looked at.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use randlab_align::{
    AlignError, Eigenbasis, Filters, Fit, Mat, Moments, Null, energy_profile, fit_closed_form,
    misalignment, misalignment_floor, pooled_misalignment, random_bases, sphericity,
    transfer_variances,
};
use randlab_core::{Digest, RunId, canonical_json};
use randlab_data::Dataset;
use randlab_recipe::{AlignConfig, Subject};
use randlab_store::{
    Manifest, Status, StoreError, TensorData, TensorFile,
    table::{AlignmentRow, SpectrumRow, count, write_table},
};
use randlab_train::{Checkpoint, TrainError, first_layer_moments};
use serde_json::json;

use crate::{
    StageArgs, execute,
    job::{Done, Job, Stage, Work},
    rows::run_row,
};

/// Version of the numbers this stage produces; part of its fingerprints.
const STAGE_VERSION: u32 = 1;

/// Step under which a pool stands in tables: its runs may have stopped at different ones.
const POOL: i64 = -1;

impl Stage for AlignConfig {
    fn stage(&self) -> &'static str {
        "align"
    }

    fn version(&self) -> u32 {
        STAGE_VERSION
    }

    fn id(&self) -> &RunId {
        &self.run.id
    }

    fn reads(&self) -> Vec<(&'static str, RunId)> {
        let of = |s: &Subject| [("prepare", s.data.clone()), ("pretrain", s.run.clone())];
        self.subjects.iter().flat_map(of).collect()
    }
}

/// Analyses the runs `args` names.
///
/// # Errors
/// What went wrong, naming the file.
pub fn align(args: &StageArgs) -> anyhow::Result<u8> {
    execute(args, |config| Ok(describe(config)), work)
}

fn describe(config: &AlignConfig) -> String {
    let mut text = format!("align {}: first layer of\n", config.run.id);
    for subject in &config.subjects {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {} on {}", subject.run, subject.data);
    }
    let _ = writeln!(text, "against {} random bases", config.random_bases);
    text
}

fn work(job: &mut Job<'_, AlignConfig>) -> anyhow::Result<Work> {
    let mut nets = Vec::new();
    for (i, subject) in job.config.subjects.iter().enumerate() {
        nets.push(Net::read(job, subject)?);
        let total = job.config.subjects.len();
        job.console.progress(i as u64 + 1, total as u64, || "nets".to_owned());
    }
    let data = Seen::pool(nets.iter().map(|net| &net.seen))?;
    let first = &nets[0];
    let last: Vec<Filters> = nets.iter().map(|net| net.last().1.clone()).collect();
    let mut tables = Tables::default();
    if nets.len() == 1 {
        for (step, filters) in &first.steps {
            let start = first.start().filter(|_| *step > 0);
            let step = i64::try_from(*step)?;
            tables.add(job.config, first, &data, step, std::slice::from_ref(filters), start)?;
        }
    } else {
        tables.add(job.config, first, &data, POOL, &last, None)?;
    }
    let basis = basis_file(first, &data, &Filters::pool(&last)?)?;
    basis.write(&job.dir.path("eigenbasis.safetensors"))?;
    let digest = Digest::of(canonical_json(job.config)?.as_bytes());
    let of = (job.config.stage(), job.config.version());
    let row = run_row(&job.config.run, of, &first.dataset, &digest, job.fingerprint);
    write_table(&job.dir.path("runs.parquet"), vec![row])?;
    let end = tables.alignment.last().cloned();
    write_table(&job.dir.path("alignment.parquet"), tables.alignment)?;
    write_table(&job.dir.path("spectra.parquet"), tables.spectra)?;
    let files = ["alignment.parquet", "eigenbasis.safetensors", "runs.parquet", "spectra.parquet"];
    let number = |x: Option<f64>| x.map_or_else(|| "none".to_owned(), |x| format!("{x:.2}"));
    let (score, random) = end.map_or((None, None), |r| (r.misalignment, r.random_mean));
    Ok(Work::Done(Done {
        files: files.map(str::to_owned).to_vec(),
        status: Status::Ok,
        notes: BTreeMap::from([("nets".to_owned(), json!(nets.len()))]),
        trained: None,
        message: format!(
            "misalignment {} against {} in random bases, {} nets",
            number(score),
            number(random),
            nets.len()
        ),
    }))
}

/// The first layer of one run at each of its checkpoints, and what it looked at.
struct Net {
    dataset: String,
    layer: String,
    /// Shape of one filter: `[C, k, k]` or `[d, 1, 1]`.
    shape: [usize; 3],
    /// By step, rising.
    steps: Vec<(u64, Filters)>,
    seen: Seen,
}

impl Net {
    fn read(job: &Job<'_, AlignConfig>, subject: &Subject) -> anyhow::Result<Self> {
        let data = Dataset::open(&job.input("prepare", &subject.data, |_| true)?)?;
        let weights = |name: &str| name.ends_with(".safetensors");
        let dir = job.input("pretrain", &subject.run, weights)?;
        // A pool looks at the last checkpoint only.
        let all = job.config.subjects.len() == 1;
        let manifest = Manifest::read_as(&dir, "pretrain", &subject.run)?;
        let kept = manifest.outputs.iter().filter(|f| all && f.name.starts_with("checkpoints/"));
        let names = kept.map(|f| f.name.as_str()).chain([Checkpoint::FINAL]);
        let mut steps = BTreeMap::new();
        let mut first = None;
        for name in names {
            let path = dir.join(name);
            let checkpoint = Checkpoint::read(&path)?;
            let (layer, shape, filters) = first_layer(&path, &checkpoint)?;
            steps.insert(checkpoint.header.step, filters);
            first.get_or_insert((layer, shape));
        }
        let (layer, shape) = first.unwrap_or_default();
        let (kernel, shape) = match shape[..] {
            [c, k, _] => (Some(k), [c, k, k]),
            _ => (None, [shape.iter().product(), 1, 1]),
        };
        let seen = Seen::of(&data, kernel)?;
        Ok(Self {
            dataset: data.source().to_owned(),
            layer,
            shape,
            steps: steps.into_iter().collect(),
            seen,
        })
    }

    /// The last checkpoint; there always is one.
    fn last(&self) -> &(u64, Filters) {
        &self.steps[self.steps.len() - 1]
    }

    /// Filters before the first step, if that checkpoint was kept.
    fn start(&self) -> Option<&Filters> {
        self.steps.first().filter(|(step, _)| *step == 0).map(|(_, filters)| filters)
    }
}

/// Name, shape of one filter, `[C, k, k]` or `[d]`, and the filters.
fn first_layer(
    path: &Path,
    checkpoint: &Checkpoint,
) -> anyhow::Result<(String, Vec<usize>, Filters)> {
    let h = &checkpoint.header;
    let layers = randlab_nn::layers(&h.model, h.input, h.classes)?;
    let layer = layers.first().map_or("", |l| &l.name);
    let wrong =
        |problem: String| TrainError::Checkpoint { path: path.display().to_string(), problem };
    let weight = checkpoint.parameters.get(&format!("{layer}.weight"));
    let weight = weight.ok_or_else(|| wrong(format!("no tensor {layer}.weight")))?;
    let shape = match &weight.shape[..] {
        [_, rest @ ..] if [1, 3].contains(&rest.len()) => rest.to_vec(),
        _ => return Err(wrong(format!("{layer}.weight is {:?}", weight.shape)).into()),
    };
    let filters = Filters::of(&weight.values, shape.iter().product())?;
    Ok((layer.to_owned(), shape, filters))
}

/// Statistics of what first-layer filters look at.
enum Seen {
    /// Patches of images, or whole inputs of a fully connected net.
    Sample(Moments),
    /// The law the inputs were drawn from.
    Population(Eigenbasis, Mat<f64>),
}

impl Seen {
    /// Of the upstream inputs; `kernel` is the side of a patch, for a convolution.
    fn of(data: &Dataset, kernel: Option<usize>) -> Result<Self, AlignError> {
        if let Some(law) = data.population() {
            let d = law.std.len();
            let directions = Mat::from_fn(d, d, |i, j| law.directions[i * d + j]);
            let variances =
                Mat::from_fn(d, d, |i, j| if i == j { law.std[i].powi(2) } else { 0.0 });
            let covariance = &directions * variances * directions.transpose();
            return Ok(Self::Population(
                Eigenbasis::population(&law.std, &directions)?,
                covariance,
            ));
        }
        Ok(Self::Sample(first_layer_moments(data, kernel)?))
    }

    /// What several nets looked at together.
    fn pool<'a>(parts: impl Iterator<Item = &'a Self>) -> Result<Data, AlignError> {
        let mut all: Option<Moments> = None;
        for part in parts {
            match (part, &mut all) {
                (Self::Population(basis, covariance), _) => {
                    return Ok(Data {
                        basis: basis.clone(),
                        uncentred: basis.clone(),
                        mean: vec![0.0; basis.dim()],
                        covariance: covariance.clone(),
                        count: None,
                    });
                }
                (Self::Sample(moments), Some(all)) => all.merge(moments),
                (Self::Sample(moments), none) => *none = Some(moments.clone()),
            }
        }
        let all = all.ok_or(AlignError::Size { what: "nets", found: 0, expected: 1 })?;
        Ok(Data {
            basis: Eigenbasis::of(&all.covariance())?,
            uncentred: Eigenbasis::of(&all.second_moment())?,
            mean: all.mean(),
            covariance: all.covariance(),
            count: Some(all.count()),
        })
    }
}

/// Principal directions of the data.
struct Data {
    basis: Eigenbasis,
    /// Of the second moment, mean not removed: what energy profiles refer to.
    uncentred: Eigenbasis,
    mean: Vec<f64>,
    covariance: Mat<f64>,
    /// Vectors behind it; none where the law itself is known.
    count: Option<u64>,
}

#[derive(Default)]
struct Tables {
    alignment: Vec<AlignmentRow>,
    spectra: Vec<SpectrumRow>,
}

impl Tables {
    /// Rows of one step; `start` are the filters before training, for what has changed since.
    fn add(
        &mut self,
        config: &AlignConfig,
        net: &Net,
        data: &Data,
        step: i64,
        nets: &[Filters],
        start: Option<&Filters>,
    ) -> anyhow::Result<()> {
        let filters = Filters::pool(nets)?;
        let covariance = filters.covariance();
        let change = start.map(|s| filters.minus(s)).transpose()?;
        let profile = change.map(|change| energy_profile(&data.uncentred, &change));
        let score = Score::of(config, data, nets, &covariance)?;
        let fit = |profile: &[f64]| fit_closed_form(&data.uncentred.values, profile);
        let learnt = profile.as_deref().and_then(fit);
        let initial = start.map(|s| energy_profile(&data.uncentred, s));
        let (mean_weight_norm, mean_weight_se) = filters.mean_norm();
        self.alignment.push(AlignmentRow {
            run_id: config.run.id.to_string(),
            step,
            layer: net.layer.clone(),
            dim: count::<AlignmentRow, _>("dim", filters.dim())?,
            n_runs: count::<AlignmentRow, _>("n_runs", nets.len())?,
            n_filters: count::<AlignmentRow, _>("n_filters", filters.count())?,
            n_patches: data.count.map(|n| count::<AlignmentRow, _>("n_patches", n)).transpose()?,
            misalignment: score.value,
            floor: score.floor,
            misalignment_se: score.se,
            random_mean: score.null.map(|n| n.mean),
            random_sd: score.null.map(|n| n.sd),
            random_lo: score.null.map(|n| n.lo),
            random_hi: score.null.map(|n| n.hi),
            n_random_bases: count::<AlignmentRow, _>("n_random_bases", config.random_bases)?,
            mean_weight_norm,
            mean_weight_se,
            profile_fit_rate: learnt.map(|f| f.rate),
            profile_fit_correlation: learnt.map(|f| f.correlation),
            profile_init_correlation: initial.as_deref().and_then(fit).map(|f: Fit| f.correlation),
        });
        self.spectra.extend(spectra(config, net, data, step, &filters, profile.as_deref())?);
        Ok(())
    }
}

/// Misalignment with the data's directions and with random ones; nothing where filters are too few for an inverse.
#[derive(Default)]
struct Score {
    value: Option<f64>,
    floor: Option<f64>,
    se: Option<f64>,
    null: Option<Null>,
}

impl Score {
    fn of(
        config: &AlignConfig,
        data: &Data,
        nets: &[Filters],
        covariance: &Mat<f64>,
    ) -> Result<Self, AlignError> {
        let count: usize = nets.iter().map(Filters::count).sum();
        if count <= data.basis.dim() + 1 {
            return Ok(Self::default());
        }
        let null = random_bases(covariance, config.random_bases, config.run.seed)?;
        let (value, floor, se) = if nets.len() == 1 {
            let distinct = data.basis.spaces.len() == data.basis.dim();
            let floor = misalignment_floor(count as u64, data.basis.dim()).filter(|_| distinct);
            (misalignment(&data.basis, covariance)?, floor, None)
        } else {
            let pooled = pooled_misalignment(&data.basis, nets)?;
            (pooled.misalignment, pooled.floor, pooled.se)
        };
        Ok(Self { value: Some(value), floor, se, null: Some(null) })
    }
}

fn spectra(
    config: &AlignConfig,
    net: &Net,
    data: &Data,
    step: i64,
    filters: &Filters,
    profile: Option<&[f64]>,
) -> Result<Vec<SpectrumRow>, StoreError> {
    let covariance = filters.covariance();
    let variances = transfer_variances(&data.basis, &covariance);
    let moments = energy_profile(&data.basis, filters);
    let mut rows = Vec::new();
    for (number, space) in data.basis.spaces.iter().enumerate() {
        let test = sphericity(&data.basis, space, &covariance, filters.count() as u64);
        for i in space.clone() {
            rows.push(SpectrumRow {
                run_id: config.run.id.to_string(),
                step,
                component: count::<SpectrumRow, _>("component", i)?,
                layer: net.layer.clone(),
                data_eigenvalue: data.basis.values[i],
                eigenspace: count::<SpectrumRow, _>("eigenspace", number)?,
                multiplicity: count::<SpectrumRow, _>("multiplicity", space.len())?,
                sphericity_chi2: test.map(|(chi2, _)| chi2),
                sphericity_dof: test
                    .map(|(_, dof)| count::<SpectrumRow, _>("sphericity_dof", dof))
                    .transpose()?,
                weight_variance: variances[i],
                weight_moment: moments[i],
                delta_energy: profile.map(|p| p[i]),
            });
        }
    }
    Ok(rows)
}

/// `data/...` and `weights/...`: mean `[d]`, covariance `[d, d]`, eigenvalues `[d]` falling, eigenvectors `[d, d]`, one per row.
fn basis_file(net: &Net, data: &Data, filters: &Filters) -> Result<TensorFile, AlignError> {
    let d = data.basis.dim();
    let weights = filters.covariance();
    let own = Eigenbasis::of(&weights)?;
    let rows = |m: &Mat<f64>, by_column: bool| {
        let at = |k: usize| if by_column { m[(k % d, k / d)] } else { m[(k / d, k % d)] };
        TensorData::f64(&[d, d], (0..d * d).map(at).collect())
    };
    let vector = |v: &[f64]| TensorData::f64(&[d], v.to_vec());
    let tensors = [
        ("data/mean", vector(&data.mean)),
        ("data/covariance", rows(&data.covariance, false)),
        ("data/eigenvalues", vector(&data.basis.values)),
        ("data/eigenvectors", rows(&data.basis.vectors, true)),
        ("weights/covariance", rows(&weights, false)),
        ("weights/eigenvalues", vector(&own.values)),
        ("weights/eigenvectors", rows(&own.vectors, true)),
    ];
    let header = json!({ "layer": net.layer, "shape": net.shape, "filters": filters.count() });
    let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor));
    Ok(TensorFile { header, tensors: BTreeMap::from(tensors) })
}
