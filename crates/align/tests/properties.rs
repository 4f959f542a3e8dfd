//! The score against its definition, its invariances and its law; and what resampling keeps.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "small test values"
)]

use faer::Mat;
use proptest::prelude::*;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use randlab_align::{
    misalignment, misalignment_floor, pooled_misalignment, random_bases, sphericity,
};
use randlab_core::{Purpose, Seed, stream};
use randlab_moments::{Eigenbasis, Filters, diagonal, haar, resample, rotated};

fn rng(index: u64) -> impl Rng {
    stream(Seed::new(1), Purpose::Gaussian, index)
}

fn gaussian(n: usize, d: usize, index: u64) -> Mat<f64> {
    let mut rng = rng(index);
    Mat::from_fn(n, d, |_, _| StandardNormal.sample(&mut rng))
}

/// A covariance with eigenvalues between .5 and a few d.
fn covariance(d: usize, index: u64) -> Mat<f64> {
    let x = gaussian(2 * d, d, index);
    x.transpose() * &x + Mat::<f64>::identity(d, d)
}

fn score(data: &Mat<f64>, weights: &Mat<f64>) -> f64 {
    misalignment(&Eigenbasis::of(data).unwrap(), weights).unwrap()
}

/// `M(A, B)` and its companions for the two matrices of the deterministic checks, in float64 by an independent program.
#[test]
fn matches_an_independent_implementation() {
    let a = Mat::from_fn(6, 6, |i, j| {
        1.0 / (i + j + 1) as f64 + if i == j { 0.5 * (i + 1) as f64 } else { 0.0 }
    });
    let b = Mat::from_fn(6, 6, |i, j| {
        let distance = i.abs_diff(j) as f64;
        (-distance / 2.0).exp() * (1.0 + 0.1 * i as f64) * (1.0 + 0.1 * j as f64)
    });
    assert!((score(&a, &b) - 1.275843731599).abs() < 1e-9);
    assert!((score(&b, &a) - 0.270096214245).abs() < 1e-9);
    assert!(score(&a, &(&a * &a)).abs() < 1e-9);
    let f = Eigenbasis::of(&a).unwrap().quadratic(&b);
    let expected =
        [1.9959172001, 1.3008707457, 1.1880891181, 1.0708238557, 0.9109913716, 0.6970832601];
    assert!(f.iter().zip(expected).all(|(v, e)| (v.sqrt() - e).abs() < 1e-9), "{f:?}");
    for (n, d, floor) in [
        (32, 27, 51.010802),
        (256, 27, 1.501121),
        (768, 27, 0.470545),
        (256, 30, 1.878799),
        (4480, 75, 0.627555),
    ] {
        assert!((misalignment_floor(n, d).unwrap() - floor).abs() < 1e-6, "{n} {d}");
    }
    assert_eq!(misalignment_floor(28, 27), None);
}

fn inverse(matrix: &Mat<f64>) -> Mat<f64> {
    use faer::linalg::solvers::DenseSolveCore;
    matrix.partial_piv_lu().inverse()
}

/// The definition: the smallest of `tr(S^-1 B + B^-1 S) / 2 - d` over S aligned with A. With equal eigenvalues of A those of S
/// must be equal too, and the rest is a minimum over each eigenvalue of S, found here by ternary search.
#[test]
fn is_the_minimum_over_aligned_matrices() {
    for (index, std) in [[3.0, 2.0, 1.5, 1.0, 0.5], [2.0, 2.0, 1.0, 1.0, 1.0]].iter().enumerate() {
        let directions = haar(5, &mut rng(7));
        let basis = Eigenbasis::population(std, &directions).unwrap();
        let b = covariance(5, index as u64);
        let (direct, inverse) = (basis.quadratic(&b), basis.quadratic(&inverse(&b)));
        let minimum: f64 = basis
            .spaces
            .iter()
            .map(|space| {
                let (b, inv): (f64, f64) =
                    (direct[space.clone()].iter().sum(), inverse[space.clone()].iter().sum());
                let cost = |ln: f64| f64::midpoint(b / ln.exp(), inv * ln.exp());
                let (mut lo, mut hi) = (-20.0, 20.0);
                for _ in 0..300 {
                    let third = (hi - lo) / 3.0;
                    if cost(lo + third) < cost(hi - third) { hi -= third } else { lo += third }
                }
                cost(lo)
            })
            .sum();
        assert!((misalignment(&basis, &b).unwrap() - (minimum - 5.0)).abs() < 1e-4);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn is_not_negative_and_invariant(index in 0u64..1000, d in 2usize..9, scale in 0.01f64..100.0) {
        let (a, b) = (covariance(d, index), covariance(d, index + 5000));
        let q = haar(d, &mut rng(index));
        let m = score(&a, &b);
        prop_assert!(m >= -1e-9);
        let scaled = Mat::from_fn(d, d, |i, j| scale * b[(i, j)]);
        prop_assert!((score(&a, &scaled) - m).abs() < 1e-8 * (1.0 + m));
        let turned = score(&rotated(&a, &q), &rotated(&b, &q));
        prop_assert!((turned - m).abs() < 1e-8 * (1.0 + m));
        prop_assert!(score(&a, &a).abs() < 1e-9);
        prop_assert!((score(&a, &inverse(&b)) - m).abs() < 1e-8 * (1.0 + m));
    }

    #[test]
    fn haar_matrices_are_orthogonal(index in 0u64..1000, d in 1usize..30) {
        let q = haar(d, &mut rng(index));
        let off = q.transpose() * &q - Mat::<f64>::identity(d, d);
        prop_assert!(off.norm_max() < 1e-12);
    }
}

#[test]
fn a_singular_covariance_is_refused() {
    let few = Filters::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.5], 3).unwrap();
    let axes = Eigenbasis::of(&Mat::<f64>::identity(3, 3)).unwrap();
    let message = misalignment(&axes, &few.covariance()).unwrap_err().to_string();
    assert!(message.contains("singular"), "{message}");
}

fn draws(std: &[f64], n: usize, index: u64) -> Filters {
    let x = gaussian(n, std.len(), index);
    let values: Vec<f32> = (0..n)
        .flat_map(|i| std.iter().enumerate().map(move |(j, s)| (i, j, s)))
        .map(|(i, j, s)| (x[(i, j)] * s) as f32)
        .collect();
    Filters::of(&values, std.len()).unwrap()
}

#[test]
fn the_floor_is_the_mean_score_of_aligned_draws() {
    let (n, d) = (60, 8);
    let std: Vec<f64> = (1..=d).map(|i| i as f64).collect();
    let basis = Eigenbasis::population(&std, &Mat::identity(d, d)).unwrap();
    let scores: Vec<f64> =
        (0..2000).map(|i| misalignment(&basis, &draws(&std, n, i).covariance()).unwrap()).collect();
    let mean = scores.iter().sum::<f64>() / 2000.0;
    let sd = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 1999.0).sqrt();
    let floor = misalignment_floor(n as u64, d).unwrap();
    assert!((mean - floor).abs() < 4.0 * sd / 2000.0_f64.sqrt(), "{mean} {floor}");
}

#[test]
fn random_bases_see_anisotropy_and_nothing_else() {
    let round = random_bases(&Mat::identity(6, 6), 50, Seed::new(0)).unwrap();
    assert!(round.mean.abs() < 1e-9);
    let long = Mat::from_fn(6, 6, |i, j| if i == j { 4f64.powi(i as i32) } else { 0.0 });
    let null = random_bases(&long, 50, Seed::new(0)).unwrap();
    assert!(null.mean > 5.0 && null.lo < null.mean && null.mean < null.hi && null.sd > 0.0);
    assert_eq!(null, random_bases(&long, 50, Seed::new(0)).unwrap());
    assert_ne!(null, random_bases(&long, 50, Seed::new(1)).unwrap());
}

#[test]
fn pooling_lowers_the_floor_and_gives_an_error() {
    let std = [3.0, 2.0, 1.0];
    let basis = Eigenbasis::population(&std, &Mat::identity(3, 3)).unwrap();
    let nets: Vec<Filters> = (0..10).map(|i| draws(&std, 40, i)).collect();
    let pooled = pooled_misalignment(&basis, &nets).unwrap();
    assert!((pooled.floor.unwrap() - misalignment_floor(400, 3).unwrap()).abs() < 1e-12);
    let se = pooled.se.unwrap();
    assert!(se > 0.0 && (pooled.misalignment - pooled.floor.unwrap()).abs() < 5.0 * se + 0.01);
    assert_eq!(pooled_misalignment(&basis, &nets[..1]).unwrap().se, None);
}

#[test]
fn sphericity_follows_chi_square_and_sees_departures() {
    let std = [1.0, 1.0, 1.0, 1.0];
    let basis = Eigenbasis::population(&std, &Mat::identity(4, 4)).unwrap();
    let statistic = |filters: &Filters| {
        sphericity(&basis, &(0..4), &filters.covariance(), filters.count() as u64).unwrap()
    };
    let values: Vec<f64> = (0..500).map(|i| statistic(&draws(&std, 50, i)).0).collect();
    let mean = values.iter().sum::<f64>() / 500.0;
    // Chi-square with 9 degrees of freedom: mean 9, sd 4.24.
    assert_eq!(statistic(&draws(&std, 50, 0)).1, 9);
    assert!((mean - 9.0).abs() < 4.0 * 4.24 / 500.0_f64.sqrt(), "{mean}");
    assert!(statistic(&draws(&[1.0, 1.0, 1.0, 2.0], 50, 0)).0 > 30.0);
    assert_eq!(sphericity(&basis, &(0..1), &Mat::identity(4, 4), 50), None);
}

#[test]
fn draws_have_the_covariance_they_are_drawn_from() {
    let s = covariance(5, 3);
    let values = resample(&s, 40_000, &mut rng(9)).unwrap();
    let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
    let found = Filters::of(&values, 5).unwrap().second_moment();
    assert!((&found - &s).norm_l2() / s.norm_l2() < 0.03);
    // A singular moment is no obstacle: that of one filter gives multiples of it.
    let flat = Mat::from_fn(3, 3, |i, j| ((i + 1) * (j + 1)) as f64);
    let line = resample(&flat, 10, &mut rng(2)).unwrap();
    assert!(line.chunks_exact(3).all(|v| (v[1] - 2.0 * v[0]).abs() < 1e-6));
    let only = diagonal(&s);
    assert!((only[(2, 2)] - s[(2, 2)]).abs() < 1e-15 && only[(2, 1)].abs() < 1e-15);
}

#[test]
fn the_mean_filter_is_measured_with_its_error() {
    let (norm, se) = draws(&[1.0; 4], 10_000, 1).mean_norm();
    assert!((se - (4.0_f64 / 10_000.0).sqrt()).abs() < 0.001);
    assert!(norm < 3.0 * se);
    let change = draws(&[1.0; 4], 10, 1);
    let zero = change.minus(&change).unwrap();
    assert!(zero.mean_norm().0.abs() < 1e-15);
    assert!(change.minus(&draws(&[1.0; 4], 11, 1)).is_err());
}
