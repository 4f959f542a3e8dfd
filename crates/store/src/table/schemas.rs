//! Tables that crates on both sides of the training loop read or write. All others stand with the crate that writes them.
//!
//! Long and tidy: a row is one measurement, wide only where every column is always there. Facts about a run stand in
//! `runs` alone, and every table of runs joins it on `stage` and `run_id`. What differs from machine to machine stands in
//! `timing` alone.

use crate::table;

table! { "runs" "1.1" "one run of one stage" => RunRow {
    key stage: String, "1", "prepare, pretrain, finetune or align";
    key run_id: String, "1", "readable name, unique within scale and stage";
    col run_uid: String, "1", "run_id, a dash and the first ten digits of config_digest: the same on every machine";
    col experiment: String, "1", "experiment file";
    col panel: String, "1", "part of the experiment: one data set, net and recipe";
    col arm: Option<String>, "1", "variant within the panel";
    col scale: String, "1", "smoke, laptop or paper";
    col dataset: String, "1", "source of the images or vectors";
    col seed: i64, "1", "root seed of data, labels, weights and order; paired runs share it";
    col stream_seed: i64, "1", "seed this run draws from: its own for each phase, so that a fresh head owes nothing to the upstream one";
    col arch: Option<String>, "1", "mlp, cnn2, cnn, vgg, resnet or wrn";
    col model: Option<String>, "1", "the net, as canonical JSON";
    col n_parameters: Option<i64>, "1", "trainable parameters";
    col n_train: Option<i64>, "image", "images trained on";
    col n_holdout: Option<i64>, "image", "images trained on in no phase";
    col n_classes: Option<i32>, "1", "outputs of the head";
    col label_kind: Option<String>, "1", "kind of the label scheme, as in the configuration";
    col n_random_classes: Option<i32>, "1", "classes random labels are drawn from; null unless random";
    col label_noise_kind: Option<String>, "1", "kind of label noise: symmetric (true class excluded), uniform (over all classes) or another scheme's own; null without noise";
    col noise_ratio: Option<f64>, "1", "share of labels redrawn, in the sense of label_noise_kind; null without noise";
    col init: Option<String>, "1", "law of the initial weights: he, lecun or truncated-normal";
    col init_scale: Option<f64>, "1", "factor on the standard deviation of the first layer's initial weights (paper: init_scale)";
    col transfer: Option<String>, "1", "none, copy, covariance, zero-mean-covariance, independent-covariance, rotated-covariance, diagonal-covariance, shuffled, fresh, data-covariance or closed-form";
    col n_layers_transferred: Option<i32>, "1", "weight layers replaced, counted from the input; 0 for none";
    col norm: Option<String>, "1", "size of transferred tensors: l2 norm of the fresh or of the trained tensor, of all fresh tensors together (fresh-total), or output of the fresh net (fresh-output) or of the copy (copy-output); null for none";
    col n_layers_frozen: Option<i32>, "1", "weight layers not trained, counted from the input; null for prepare and align";
    col parent_run_id: Option<String>, "1", "pretrain run the weights came from";
    col optimizer: Option<String>, "1", "sgd or adam";
    col lr: Option<f64>, "1", "learning rate at the start";
    col lr_schedule: Option<String>, "1", "the schedule, as canonical JSON";
    col momentum: Option<f64>, "1", "SGD momentum";
    col weight_decay: Option<f64>, "1", "on weights only";
    col batch_size: Option<i32>, "image", "images per step";
    col epochs: Option<f64>, "epoch", "epochs done";
    col steps: Option<i64>, "step", "optimiser steps done";
    col status: String, "1", "ok or not_converged";
    col target_train_accuracy: Option<f64>, "1", "accuracy on the training labels the run had to reach; null if none";
    col final_train_accuracy: Option<f64>, "1", "reached, full pass at the end, on the labels trained with";
    col config_digest: String, "1", "blake3 of the canonical configuration";
    col fingerprint: String, "1", "blake3 over stage, stage version, configuration and inputs";
    col stage_version: i32, "1", "raised when the stage's numbers change";
}}

table! { "metrics" "1" "one number of one run at one step" => MetricRow {
    key stage: String, "1", "pretrain or finetune";
    key run_id: String, "1", "the run";
    key step: i64, "step", "optimiser steps done when measured; 0 is before training";
    key split: String, "1", "images measured on";
    key labels: String, "1", "assigned (those trained with) or real";
    key pass: String, "1", "batch (this step's minibatch, before the update), epoch (all minibatches of the epoch ending here) or full (the whole split)";
    key metric: String, "1", "loss (nat), accuracy, lr, grad_norm, update_norm";
    col epoch: f64, "epoch", "step in epochs";
    col value: f64, "by metric", "sum / count where both are given";
    col sum: Option<f64>, "by metric", "sum over images; null for what is no average";
    col count: Option<i64>, "image", "images behind the value; null for what is no average";
}}

table! { "layers" "1" "one number of one layer at one step" => LayerRow {
    key stage: String, "1", "pretrain or finetune";
    key run_id: String, "1", "the run";
    key step: i64, "step", "optimiser steps done when measured";
    key layer: String, "1", "tensor name without .weight";
    key metric: String, "1", "weight_norm (l2), weight_norm_ratio (to step 0), grad_norm, update_norm (l2, of the step just done); of hidden layers on held-out images active_fraction (units and images above 0 after ReLU), dead_fraction (units active on no image), output_rms";
    col layer_index: i32, "1", "depth; 0 is first";
    col value: f64, "by metric", "the number";
}}

table! { "activity" "1" "the units of one hidden layer that are active on equally many held-out images" => ActivityRow {
    key stage: String, "1", "pretrain or finetune";
    key run_id: String, "1", "training run";
    key step: i64, "step", "optimiser steps done: 0 or the last";
    key layer: String, "1", "tensor path without .weight";
    key active_on: i32, "image", "held-out images on which a unit is active (above 0 after ReLU)";
    col layer_index: i32, "1", "depth; 0 is nearest to the input";
    col n_images: i32, "image", "held-out images looked at";
    col n_units: i64, "1", "units (channel and position) that are active on that many";
}}

table! { "alignment" "2" "the alignment of the first layer of one run or pool at one step" => AlignmentRow {
    key stage: String, "1", "align";
    key run_id: String, "1", "the align run";
    key step: i64, "step", "checkpoint; -1 for a pool, whose runs may have stopped at different steps";
    col layer: String, "1", "tensor name without .weight";
    col dim: i32, "1", "inputs per filter, d";
    col n_runs: i32, "1", "runs pooled";
    col n_filters: i64, "1", "filters pooled, n";
    col n_patches: Option<i64>, "1", "patches behind the data covariance; null where the population covariance is known";
    col misalignment: Option<f64>, "1", "M(Sigma_x, Sigma_w), eigenspace form, centred (paper, Definition 2); null if n <= d + 1";
    col floor: Option<f64>, "1", "its expected value for perfectly aligned Gaussian filters; null if n <= d + 1";
    col misalignment_se: Option<f64>, "1", "standard error of misalignment minus floor, jackknife over the pooled runs; null for a single run";
    col random_mean: Option<f64>, "1", "mean of the same score over Haar-random bases";
    col random_sd: Option<f64>, "1", "standard deviation over them";
    col random_lo: Option<f64>, "1", "their 10 % point";
    col random_hi: Option<f64>, "1", "their 90 % point";
    col n_random_bases: i32, "1", "number of bases, the same at all steps";
    col mean_weight_norm: f64, "1", "norm of the mean filter";
    col mean_weight_se: f64, "1", "its standard error";
    col profile_fit_rate: Option<f64>, "1", "s in the closed form (1 - exp(-s l)) / sqrt(l) of Chowers and Weiss that fits best; null at step 0 and for pools";
    col profile_fit_correlation: Option<f64>, "1", "Pearson correlation of that form with the energy profile of the weight change; null as above";
    col profile_init_correlation: Option<f64>, "1", "the same, fitted to the profile of the initial weights; null as above";
}}

table! { "spectra" "2" "one principal component of the data, for one run or pool at one step" => SpectrumRow {
    key stage: String, "1", "align";
    key run_id: String, "1", "the align run";
    key step: i64, "step", "as in alignment";
    key component: i32, "1", "0 is the largest data eigenvalue";
    col layer: String, "1", "tensor name without .weight";
    col data_eigenvalue: f64, "1", "variance of the inputs along the component (standardised inputs), sigma^2";
    col eigenspace: i32, "1", "number of the eigenspace it belongs to";
    col multiplicity: i32, "1", "dimension of that eigenspace";
    col sphericity_chi2: Option<f64>, "1", "likelihood-ratio statistic of equal weight variance inside the eigenspace; null if multiplicity is 1 or n <= d";
    col sphericity_dof: Option<i32>, "1", "its degrees of freedom";
    col weight_variance: f64, "1", "variance of the filters along it; the transfer function f is its square root (paper, Definition 3)";
    col weight_moment: f64, "1", "mean square of the filters along it, mean not removed";
    col delta_energy: Option<f64>, "1", "mean square of the weight change along the same component of the uncentred data basis; null at step 0 and for pools";
}}

table! { "timing" "1" "the cost of one run" => TimingRow {
    key stage: String, "1", "stage";
    key run_id: String, "1", "the run";
    col seconds: f64, "s", "wall time, summed over resumed pieces";
    col images_per_s: Option<f64>, "image/s", "training images through forward, backward and update; null where it makes no sense";
    col peak_rss_mb: Option<f64>, "MB", "peak memory of the process; null where the system does not tell";
    col threads: i32, "1", "worker threads";
}}
