//! The tables of the benchmarks. Columns as in the tables of the pipeline: unit, then meaning.

use randlab_store::table;

table! { "peers" "1" "one training framework with one net, batch size and number of threads" => PeerRow {
    key net: String, "1", "the net, as in docs/performance.md";
    key batch_size: i32, "image", "images per step";
    key threads: i32, "1", "threads of the process";
    key peer: String, "1", "randlab, pytorch (channels_last, freed memory kept), pytorch-default (as installed), pytorch-bf16 (as pytorch, autocast to bf16), burn or candle";
    col version: String, "1", "version of the framework";
    col n_parameters: i64, "1", "trainable parameters, the same for all peers";
    col n_rounds: i32, "1", "turns taken, in alternation with the other peers";
    col steps_per_round: i32, "step", "training steps in a turn";
    col seconds_per_step: f64, "s", "median over turns";
    col seconds_lo: f64, "s", "shortest";
    col seconds_hi: f64, "s", "longest";
    col ratio: f64, "1", "seconds per step over those of randlab in the same round: median over rounds";
    col ratio_lo: f64, "1", "smallest";
    col ratio_hi: f64, "1", "largest";
    col peak_rss_mb: Option<f64>, "MB", "peak memory of the process; null where the system does not tell";
    col gflop_per_step: f64, "Gflop", "floating-point operations of convolutions and linear layers, counted as a direct convolution does them";
    col peak_gflops: f64, "Gflop/s", "the most that the machine did in a loop of f32 multiplications and additions on as many threads in the same minutes";
    col share_of_peak: f64, "1", "gflop_per_step / seconds_per_step / peak_gflops";
    col cpu: String, "1", "model of the processor";
    col instruction_set: String, "1", "vector instructions of randlab's kernels: avx512, avx2 or portable";
    col cores: i32, "1", "cores of the machine";
}}

table! { "scaling" "1" "one point of a series in which one size grows" => ScalingRow {
    key part: String, "1", "step (of training), covariance (of patches) or eigen (basis of it)";
    key series: String, "1", "net with what is fixed; the fixed size of covariance and eigen";
    key size_name: String, "1", "what grows: batch, filters, width, images or kernel";
    key size: f64, "by size_name", "how far it has grown";
    key threads: i32, "1", "threads of the process";
    col images: i32, "image", "images in one go; 0 for eigen";
    col n_rounds: i32, "1", "turns taken, in alternation with the other points of the series";
    col seconds: f64, "s", "of one go: median over turns";
    col seconds_lo: f64, "s", "shortest";
    col seconds_hi: f64, "s", "longest";
    col peak_rss_mb: Option<f64>, "MB", "peak memory of the process; null where the system does not tell";
    col cpu: String, "1", "model of the processor";
    col instruction_set: String, "1", "vector instructions of randlab's kernels: avx512, avx2 or portable";
    col cores: i32, "1", "cores of the machine";
}}
