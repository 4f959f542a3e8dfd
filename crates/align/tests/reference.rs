//! Against numbers of `tests/reference/align_reference.py` (numpy 2), which repeats the inputs.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "small test values"
)]

use faer::Mat;
use randlab_align::{energy_profile, fit_closed_form, misalignment, transfer_variances};
use randlab_moments::{Eigenbasis, Filters, Moments, PatchShape, patch_energies};

/// Entry k is `s sin(a k^2 + b)`, as f32.
fn wave(count: u32, a: f64, b: f64, s: f64) -> Vec<f32> {
    (0..count).map(f64::from).map(|k| (s * (a * k * k + b).sin()) as f32).collect()
}

fn close(found: impl IntoIterator<Item = f64>, expected: &[f64]) {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6;
    assert!(found.iter().zip(expected).all(near), "{found:?}");
}

fn images() -> Vec<f32> {
    let offset = |(i, v): (usize, f32)| v + if i / 20 % 2 == 0 { 0.5 } else { -0.2 };
    wave(80, 0.83, 0.2, 1.3).into_iter().enumerate().map(offset).collect()
}

fn filters() -> Filters {
    let scale = [2.0, 1.0, 0.7, 0.5];
    let values = wave(48, 1.7, 0.4, 0.5).into_iter().enumerate().map(|(i, v)| v * scale[i % 4]);
    Filters::of(&values.collect::<Vec<f32>>(), 4).unwrap()
}

#[test]
fn patch_moments_are_channel_major_and_match() {
    let shape = PatchShape { channels: 2, height: 4, width: 5, kernel: 2 };
    let moments = Moments::of_patches(&images(), shape).unwrap();
    assert_eq!(moments.count(), 24);
    let row = |m: &Mat<f64>| (0..8).map(|j| m[(1, j)]).collect::<Vec<_>>();
    close(
        row(&moments.covariance()),
        &[
            -0.137133424255,
            0.871176188697,
            0.141025521618,
            -0.108651311040,
            -0.308324786431,
            -0.145137168222,
            0.093258029451,
            0.179313634938,
        ],
    );
    close(
        row(&moments.second_moment()),
        &[
            0.528973549656,
            1.368780345953,
            0.632224811163,
            0.307635750465,
            -0.486056281923,
            -0.255877019474,
            -0.073048493544,
            -0.008069622761,
        ],
    );
    let basis = Eigenbasis::of(&moments.covariance()).unwrap();
    close(
        basis.values.clone(),
        &[
            1.564131765900,
            1.196643527008,
            1.125891598507,
            0.838203544459,
            0.748371474032,
            0.553368195082,
            0.467897181595,
            0.283190563184,
        ],
    );
    close(
        (0..8).map(|i| basis.vectors[(i, 0)]),
        &[
            -0.194836560675,
            -0.256002368145,
            -0.125863902503,
            0.638665643641,
            0.383709730383,
            -0.076657281372,
            0.477395554069,
            -0.302902566489,
        ],
    );
}

#[test]
fn moments_of_parts_add_up() {
    let shape = PatchShape { channels: 2, height: 4, width: 5, kernel: 2 };
    let images = images();
    let whole = Moments::of_patches(&images, shape).unwrap();
    let mut parts = Moments::of_patches(&images[..40], shape).unwrap();
    parts.merge(&Moments::of_patches(&images[40..], shape).unwrap());
    assert_eq!(parts.count(), whole.count());
    let difference = parts.covariance() - whole.covariance();
    assert!(difference.norm_max() < 1e-14);
}

#[test]
fn energies_of_images_average_to_the_eigenvalue() {
    let shape = PatchShape { channels: 2, height: 4, width: 5, kernel: 2 };
    let images = images();
    let basis =
        Eigenbasis::of(&Moments::of_patches(&images, shape).unwrap().second_moment()).unwrap();
    for component in 0..basis.dim() {
        let direction: Vec<f64> = (0..basis.dim()).map(|i| basis.vectors[(i, component)]).collect();
        let energies = patch_energies(&images, shape, &direction).unwrap();
        assert_eq!(energies.len(), images.len() / 40);
        close([energies.iter().sum::<f64>() / energies.len() as f64], &[basis.values[component]]);
    }
}

#[test]
fn scores_of_filters_match() {
    let axes = Mat::<f64>::identity(4, 4);
    let basis = Eigenbasis::population(&[4.0, 3.0, 2.0, 1.0], &axes).unwrap();
    let filters = filters();
    let weights = filters.covariance();
    close(
        transfer_variances(&basis, &weights).iter().map(|v| v.sqrt()),
        &[0.686578107015, 0.385042857352, 0.256171305964, 0.196897374334],
    );
    close([misalignment(&basis, &weights).unwrap()], &[0.039528677806]);
    close(
        energy_profile(&basis, &filters),
        &[0.489165982808, 0.137360943231, 0.063260565265, 0.035560646797],
    );
    let planes = Eigenbasis::population(&[2.0, 2.0, 1.0, 1.0], &axes).unwrap();
    assert_eq!(planes.spaces, [0..2, 2..4]);
    close([misalignment(&planes, &weights).unwrap()], &[0.455937280093]);
}

#[test]
fn the_closed_form_is_fitted_as_by_exhaustive_search() {
    let eigenvalues = [20.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1];
    let profile: Vec<f64> = eigenvalues
        .iter()
        .enumerate()
        .map(|(i, &l): (usize, &f64)| {
            let form = (1.0 - (-0.8 * l).exp()) / l.sqrt();
            (form * (1.0 + 0.1 * (i as f64).sin())).powi(2)
        })
        .collect();
    let fit = fit_closed_form(&eigenvalues, &profile).unwrap();
    assert!((fit.correlation - 0.994457352714).abs() < 1e-9);
    assert!((fit.rate / 0.682059088008 - 1.0).abs() < 1e-4);
    assert!(fit_closed_form(&eigenvalues, &[1.0; 7]).is_none());
}
