//! Rules on the first layer: misalignment and the transfer function f.

use randlab_core::Seed;
use randlab_recipe::{Point, Reference};
use randlab_store::table::AlignmentRow;

use super::{
    Estimate,
    estimate::{PAIRED, STUDENT},
};
use crate::{
    input::{AlignRun, Basis, Experiment, Fit, Spectrum},
    stats::{mean, pearson, slope, spearman},
};

const JACKKNIFE: &str = "Student's t on the jackknife over pooled nets";

/// `of` each seed's align run, averaged.
fn per_seed(
    experiment: &Experiment<'_>,
    panel: &str,
    seeds: &[Seed],
    of: impl Fn(&AlignRun) -> Result<f64, String>,
) -> Result<Estimate, String> {
    let value = |&seed: &Seed| experiment.alignment(panel, seed).and_then(&of);
    Estimate::over_seeds(&seeds.iter().map(value).collect::<Result<Vec<_>, _>>()?, STUDENT)
}

/// Misalignment, its floor and its mean over random bases.
fn scores(row: &AlignmentRow) -> Result<(f64, f64, f64), String> {
    match (row.misalignment, row.floor, row.random_mean) {
        (Some(m), Some(floor), Some(random)) => Ok((m, floor, random)),
        _ => Err(format!(
            "misalignment needs more filters than inputs: {} filters of {} inputs",
            row.n_filters, row.dim
        )),
    }
}

pub(super) fn excess_ratio(
    experiment: &Experiment<'_>,
    panel: &str,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    per_seed(experiment, panel, seeds, |run| {
        let (m, floor, random) = scores(run.last()?)?;
        Ok((m - floor) / (random - floor))
    })
}

/// Steps, misalignment and its mean over random bases at all checkpoints.
fn history(run: &AlignRun) -> Result<[Vec<f64>; 3], String> {
    let [mut steps, mut own, mut random] = [const { Vec::new() }; 3];
    for row in &run.rows {
        let (m, _, r) = scores(row)?;
        steps.push(row.step as f64);
        own.push(m);
        random.push(r);
    }
    if steps.len() < 3 {
        return Err(format!("{} checkpoints; a trend needs at least 3", steps.len()));
    }
    Ok([steps, own, random])
}

pub(super) fn slope_ratio(
    experiment: &Experiment<'_>,
    panel: &str,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    per_seed(experiment, panel, seeds, |run| {
        let [steps, own, random] = history(run)?;
        Ok(slope(&steps, &own) / slope(&steps, &random))
    })
}

pub(super) fn random_trend(
    experiment: &Experiment<'_>,
    panel: &str,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    per_seed(experiment, panel, seeds, |run| {
        let [steps, _, random] = history(run)?;
        Ok(spearman(&steps, &random))
    })
}

pub(super) fn interior_peak(
    experiment: &Experiment<'_>,
    panel: &str,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    per_seed(experiment, panel, seeds, |run| {
        let f = &run.last_spectrum()?.f;
        let (Some(first), Some(last)) = (f.first(), f.last()) else {
            return Err("the spectrum is empty".to_owned());
        };
        // With the peak at an end one of the ratios is 1, and the other is larger.
        let peak = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok((peak / first).min(peak / last))
    })
}

/// Pearson correlation of what `of` makes of the last spectra of two panels, per seed.
fn correlation(
    experiment: &Experiment<'_>,
    (panel, other): (&str, &str),
    seeds: &[Seed],
    of: impl Fn(&Spectrum) -> Result<Vec<f64>, String>,
) -> Result<Estimate, String> {
    let curve = |panel, seed| of(experiment.alignment(panel, seed)?.last_spectrum()?);
    let correlation = |&seed: &Seed| {
        let (a, b) = (curve(panel, seed)?, curve(other, seed)?);
        if a.len() != b.len() {
            return Err(format!("{} directions in {panel}, {} in {other}", a.len(), b.len()));
        }
        Ok(pearson(&a, &b))
    };
    let values = seeds.iter().map(correlation).collect::<Result<Vec<_>, _>>()?;
    Estimate::over_seeds(&values, PAIRED)
}

pub(super) fn shape_correlation(
    experiment: &Experiment<'_>,
    panels: (&str, &str),
    seeds: &[Seed],
) -> Result<Estimate, String> {
    correlation(experiment, panels, seeds, |s| Ok(s.f.iter().map(|f| f.ln()).collect()))
}

pub(super) fn profile_correlation(
    experiment: &Experiment<'_>,
    panels: (&str, &str),
    seeds: &[Seed],
) -> Result<Estimate, String> {
    correlation(experiment, panels, seeds, |s| {
        let change = s.change.iter().copied().collect::<Option<_>>();
        change.ok_or_else(|| "no weight change was measured".to_owned())
    })
}

pub(super) fn closed_form(
    experiment: &Experiment<'_>,
    panel: &str,
    initial: bool,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    per_seed(experiment, panel, seeds, |run| {
        let row = run.last()?;
        let fit = if initial { row.profile_init_correlation } else { row.profile_fit_correlation };
        fit.ok_or_else(|| "the closed form could not be fitted to this profile".to_owned())
    })
}

/// Rank correlation of the pooled curve, whose variance is the mean of its nets'. A single net's ranks are noise where the
/// curve is flat, and the mean over nets of their correlations would be nearer to 0 than that of the curve.
pub(super) fn trend(
    experiment: &Experiment<'_>,
    panel: &str,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let spectrum = |&seed: &Seed| experiment.alignment(panel, seed)?.last_spectrum();
    let spectra = seeds.iter().map(spectrum).collect::<Result<Vec<_>, String>>()?;
    let std = spectra.first().map(|s| s.std()).unwrap_or_default();
    let without = |out: Option<usize>| {
        let kept = || spectra.iter().enumerate().filter(|(i, _)| Some(*i) != out).map(|(_, s)| s);
        let variance = |k: usize| kept().filter_map(|s| s.f.get(k)).map(|f| f * f).sum::<f64>();
        spearman(&std, &(0..std.len()).map(variance).collect::<Vec<_>>())
    };
    Estimate::jackknifed((spectra.len(), "pooled nets"), without)
}

pub(super) fn end_ratio(
    experiment: &Experiment<'_>,
    panel: &str,
    (numerator, denominator): (Point, Point),
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let curve = |&seed: &Seed| {
        Ok::<_, String>(experiment.alignment(panel, seed)?.last_spectrum()?.f.clone())
    };
    let curves = seeds.iter().map(curve).collect::<Result<Vec<_>, _>>()?;
    let ratio = |i: usize| -> Option<f64> {
        let own = curves.get(i)?;
        let at = |point| own.get(place(point, &curves, i)?).copied();
        Some(at(numerator)? / at(denominator)?)
    };
    let values: Option<Vec<_>> = (0..curves.len()).map(ratio).collect();
    Estimate::over_seeds(&values.ok_or("the spectra differ in length")?, STUDENT)
}

/// Index of a point of f for the curve `own`. Its peak is where the mean of the *other* curves is largest: each curve's own
/// largest value would be above any other by noise alone, and a ratio to it above 1 whatever is true.
fn place(point: Point, curves: &[Vec<f64>], own: usize) -> Option<usize> {
    let n = curves.get(own)?.len();
    match point {
        Point::First => (n > 0).then_some(0),
        Point::Last => n.checked_sub(1),
        Point::Peak => {
            let others = || curves.iter().enumerate().filter(|(i, _)| *i != own).map(|(_, c)| c);
            let sum = |k: usize| others().filter_map(|c| c.get(k)).sum::<f64>();
            (0..n).max_by(|&a, &b| sum(a).total_cmp(&sum(b)))
        }
    }
}

/// The pool and the number of its nets, provided it holds no run that missed its target.
fn clean_pool<'e>(
    experiment: &'e Experiment<'_>,
    panel: &str,
    fit: &Fit,
) -> Result<(&'e AlignRun, usize), String> {
    let pool = experiment.pool(panel)?;
    let n = usize::try_from(pool.last()?.n_runs).unwrap_or(0);
    if fit.taints(pool) {
        let remark = fit.remark().unwrap_or_default();
        return Err(format!("{remark}, and they are part of the pool; it proves nothing"));
    }
    Ok((pool, n))
}

pub(super) fn pooled_excess(
    experiment: &Experiment<'_>,
    panel: &str,
    fit: &Fit,
) -> Result<Estimate, String> {
    let (pool, n) = clean_pool(experiment, panel, fit)?;
    let row = pool.last()?;
    let (m, floor, _) = scores(row)?;
    let error = row.misalignment_se.ok_or("the pool has no standard error: it is one run")?;
    Ok(Estimate::around(m - floor, error, (n, "pooled nets"), (n, JACKKNIFE)))
}

pub(super) fn pooled_random_excess(
    experiment: &Experiment<'_>,
    panel: &str,
    fit: &Fit,
) -> Result<Estimate, String> {
    let (pool, n) = clean_pool(experiment, panel, fit)?;
    let row = pool.last()?;
    let (_, floor, random) = scores(row)?;
    let sd = row.random_sd.ok_or("the scatter over random bases is not known")?;
    let bases = usize::try_from(row.n_random_bases).unwrap_or(0);
    let error = sd / (bases as f64).sqrt();
    let test = "Student's t over random bases";
    Ok(Estimate::around(random - floor, error, (bases, "random bases"), (n, test)))
}

pub(super) fn reference_rms(
    experiment: &Experiment<'_>,
    panel: &str,
    paper: &Reference,
    fit: &Fit,
) -> Result<Estimate, String> {
    let (pool, n) = clean_pool(experiment, panel, fit)?;
    let spectrum = pool.last_spectrum()?;
    let square = |(&x, &y): (&f64, &f64)| {
        let f = f_at(spectrum, x)
            .ok_or_else(|| format!("the paper's point at {x} lies outside the data's range"))?;
        Ok((f - y).powi(2))
    };
    let squares = paper.x.iter().zip(&paper.y).map(square).collect::<Result<Vec<_>, String>>()?;
    Estimate::number(mean(&squares).sqrt(), n)
}

/// f at a standard deviation of the data: that of the component there, or between its neighbours on a straight line.
fn f_at(spectrum: &Spectrum, x: f64) -> Option<f64> {
    const SAME: f64 = 1e-6;
    let std = spectrum.std();
    let points: Vec<_> = std.iter().copied().zip(spectrum.f.iter().copied()).collect();
    if let Some(hit) = points.iter().find(|p| (p.0 - x).abs() <= SAME * x.abs()) {
        return Some(hit.1);
    }
    points.windows(2).find_map(|pair| match *pair {
        [(x0, y0), (x1, y1)] if x0 < x && x < x1 => Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0)),
        _ => None,
    })
}

pub(super) fn sphericity(
    experiment: &Experiment<'_>,
    panel: &str,
    fit: &Fit,
) -> Result<Estimate, String> {
    let (pool, n) = clean_pool(experiment, panel, fit)?;
    let chi2 = pool.last_spectrum()?.sphericity;
    Estimate::number(chi2.ok_or("no eigenspace is repeated, or there are too few filters")?, n)
}

pub(super) fn eigenvector_span(
    experiment: &Experiment<'_>,
    panel: &str,
    (vectors, components): (u32, u32),
    fit: &Fit,
) -> Result<Estimate, String> {
    let (_, n) = clean_pool(experiment, panel, fit)?;
    let path = experiment.pool_run(panel)?.dir.join("eigenbasis.safetensors");
    let basis = Basis::read(&path).map_err(|e| e.to_string())?;
    let of = |part: &str| {
        let found = basis.vectors(part).map_err(|e| e.to_string())?;
        found.map(|v| v.rows).ok_or_else(|| format!("no eigenvectors of the {part}"))
    };
    let (weights, data) = (of("weights")?, of("data")?);
    let spans = weights.iter().take(vectors as usize).map(|w| span(w, &data, components as usize));
    let least = spans.reduce(f64::min).ok_or("no eigenvectors were asked for")?;
    Estimate::number(least, n)
}

/// Sum of the largest squared components of a unit vector along an orthonormal basis.
fn span(vector: &[f64], basis: &[Vec<f64>], components: usize) -> f64 {
    let along = |b: &Vec<f64>| vector.iter().zip(b).map(|(x, y)| x * y).sum::<f64>().powi(2);
    let mut squares: Vec<f64> = basis.iter().map(along).collect();
    squares.sort_by(|a, b| b.total_cmp(a));
    squares.iter().take(components).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_components_are_added_up() {
        let basis = [vec![1.0, 0.0, 0.0], vec![0.0, 0.8, 0.6], vec![0.0, -0.6, 0.8]];
        // Components 0.6, 0.64 and -0.48.
        let vector = [0.6, 0.8, 0.0];
        assert!((span(&vector, &basis, 1) - 0.4096).abs() < 1e-12);
        assert!((span(&vector, &basis, 2) - 0.7696).abs() < 1e-12);
        assert!((span(&vector, &basis, 9) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_peak_is_chosen_by_the_other_curves() {
        let curves = vec![vec![1.0, 5.0, 1.0], vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 4.0]];
        assert_eq!(place(Point::Peak, &curves, 0), Some(2));
        assert_eq!(place(Point::Peak, &curves, 1), Some(1));
        assert_eq!(place(Point::Last, &curves, 1), Some(2));
    }

    #[test]
    fn f_is_matched_or_interpolated_and_never_extrapolated() {
        let spectrum = Spectrum {
            eigenvalue: vec![1.0, 4.0, 9.0],
            f: vec![0.1, 0.2, 0.4],
            ..Spectrum::default()
        };
        assert_eq!(f_at(&spectrum, 2.0), Some(0.2));
        assert!((f_at(&spectrum, 2.5).unwrap() - 0.3).abs() < 1e-12);
        assert_eq!(f_at(&spectrum, 3.1), None);
    }
}
