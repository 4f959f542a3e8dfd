//! Scores of first layers against the principal directions of their data, as rows and tensors.

use std::collections::BTreeMap;

use randlab_align::{
    AlignError, Fit, Null, energy_profile, fit_closed_form, misalignment, misalignment_floor,
    pooled_misalignment, random_bases, sphericity, transfer_variances,
};
use randlab_moments::{Eigenbasis, Filters, Mat, MomentsError};
use randlab_pipeline::Stage;
use randlab_store::{
    StoreError, TensorData, TensorFile,
    table::{AlignmentRow, SpectrumRow, count},
};
use serde_json::json;

use super::AlignConfig;
use super::{net::Net, seen::Data};
use crate::Align;

/// Rows of the tables of one analysis.
#[derive(Default)]
pub(super) struct Tables {
    pub alignment: Vec<AlignmentRow>,
    pub spectra: Vec<SpectrumRow>,
}

impl Tables {
    /// Rows of one step; `start` are the filters before training, for what has changed since.
    pub fn add(
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
            stage: Align::NAME.to_owned(),
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
        let filters: usize = nets.iter().map(Filters::count).sum();
        if filters <= data.basis.dim() + 1 {
            return Ok(Self::default());
        }
        let null = random_bases(covariance, config.random_bases, config.run.seed)?;
        let (value, floor, se) = if nets.len() == 1 {
            let distinct = data.basis.spaces.len() == data.basis.dim();
            let floor = misalignment_floor(filters as u64, data.basis.dim()).filter(|_| distinct);
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
                stage: Align::NAME.to_owned(),
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
pub(super) fn basis_file(
    net: &Net,
    data: &Data,
    filters: &Filters,
) -> Result<TensorFile, MomentsError> {
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
