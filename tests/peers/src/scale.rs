//! How time and memory grow.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use randlab_store::{publish, table::write_table};

use crate::{
    chart::{Sample, chart},
    process::{Machine, Worker, this},
    rounds::{Entry, Spread, limit, take_turns},
    tables::ScalingRow,
};

/// Measure how training steps and alignment grow with their sizes
#[derive(Args)]
pub struct Scale {
    /// Threads of training steps
    #[arg(long, value_delimiter = ' ', default_values_t = [1, 2], value_parser = clap::value_parser!(u32).range(1..))]
    threads: Vec<u32>,
    /// Turns of each point
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Approximate seconds for all points of one series
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Folder for the table and the figure
    #[arg(long)]
    out: PathBuf,
}

/// Points along which one size grows.
struct Sweep {
    part: &'static str,
    series: String,
    size_name: &'static str,
    threads: u32,
    points: Vec<Point>,
}

struct Point {
    size: f64,
    images: u32,
    /// Arguments of its worker.
    work: [String; 3],
}

impl Scale {
    /// Measures all, and writes table and figure.
    pub fn run(&self) -> Result<()> {
        let machine = Machine::here();
        let mut rows = Vec::new();
        for sweep in self.sweeps() {
            let of = (sweep.series.as_str(), sweep.size_name, sweep.threads);
            eprintln!("{}, {} by {}, {} threads", sweep.part, of.0, of.1, of.2);
            rows.extend(self.measure(&sweep, &machine)?);
            write_table(&self.out.join("scaling.parquet"), rows.clone())?;
        }
        let svg = chart(&curves(&rows))?;
        publish(&self.out.join("scaling.svg"), svg.as_bytes())?;
        println!("{}", self.out.join("scaling.svg").display());
        Ok(())
    }

    fn sweeps(&self) -> Vec<Sweep> {
        let mut all = Vec::new();
        for &threads in &self.threads {
            let step = |series: &str, size_name, points| Sweep {
                part: "step",
                series: series.to_owned(),
                size_name,
                threads,
                points,
            };
            for net in ["S2", "vgg16x0.25"] {
                let at = |batch: u32| train(net, f64::from(batch), batch);
                let points = [8, 16, 32, 64, 128, 256, 512].map(at).into();
                all.push(step(net, "batch", points));
            }
            let at = |filters: u32| train(&format!("S{filters}"), f64::from(filters), 128);
            all.push(step("S<filters>", "filters", [16, 32, 64, 128, 256].map(at).into()));
            let at = |width: f64| train(&format!("vgg16x{width}"), width, 128);
            all.push(step("vgg16x<width>", "width", [0.125, 0.25, 0.5, 1.0].map(at).into()));
        }
        // A run of the pipeline uses one thread.
        let threads = 1;
        let kernels = [3, 5, 7, 9, 11_u32];
        let covariance = |images: u32, kernel: u32, size: u32| Point {
            size: f64::from(size),
            images,
            work: ["covariance".to_owned(), images.to_string(), kernel.to_string()],
        };
        for kernel in [3, 5] {
            let points = [250, 500, 1000, 2000, 4000].map(|n| covariance(n, kernel, n)).into();
            let series = format!("kernel {kernel}");
            all.push(Sweep { part: "covariance", series, size_name: "images", threads, points });
        }
        let points = kernels.map(|k| covariance(500, k, k)).into();
        let (series, size_name) = ("500 images".to_owned(), "kernel");
        all.push(Sweep { part: "covariance", series, size_name, threads, points });
        let eigen = |k: u32| Point {
            size: f64::from(k),
            images: 0,
            work: ["eigen".to_owned(), k.to_string(), String::new()],
        };
        let (series, points) = ("all patches".to_owned(), kernels.map(eigen).into());
        all.push(Sweep { part: "eigen", series, size_name, threads, points });
        all
    }

    fn measure(&self, sweep: &Sweep, machine: &Machine) -> Result<Vec<ScalingRow>> {
        let (rounds, n) = (self.rounds as usize, sweep.points.len());
        let share = f64::from(self.seconds) / n as f64;
        let mut entries = Vec::new();
        for point in &sweep.points {
            let words: Vec<_> = point.work.iter().filter(|w| !w.is_empty()).cloned().collect();
            let worker = Worker::start(this(&words)?, sweep.threads as usize, limit(share))?;
            entries.push(Entry::new(point.size.to_string(), worker, rounds, share)?);
        }
        take_turns(&mut entries, rounds, share, || ());
        ensure!(entries.len() == n, "{}: a point is missing", sweep.series);
        let row = |(point, entry): (&Point, &Entry)| row(sweep, point, entry, machine);
        sweep.points.iter().zip(&entries).map(row).collect()
    }
}

fn train(net: &str, size: f64, batch: u32) -> Point {
    Point { size, images: batch, work: ["randlab".to_owned(), net.to_owned(), batch.to_string()] }
}

fn row(sweep: &Sweep, point: &Point, entry: &Entry, machine: &Machine) -> Result<ScalingRow> {
    let seconds = Spread::of(entry.seconds.iter().copied());
    let row = ScalingRow {
        part: sweep.part.to_owned(),
        series: sweep.series.clone(),
        size_name: sweep.size_name.to_owned(),
        size: point.size,
        threads: i32::try_from(sweep.threads)?,
        images: i32::try_from(point.images)?,
        n_rounds: i32::try_from(entry.seconds.len())?,
        seconds: seconds.median,
        seconds_lo: seconds.lo,
        seconds_hi: seconds.hi,
        peak_rss_mb: entry.worker.peak_memory(),
        cpu: machine.cpu.clone(),
        instruction_set: machine.instruction_set.to_owned(),
        cores: machine.cores,
    };
    eprintln!(
        "  {:8} {:10.3} ms [{:.3}, {:.3}], {:5.0} MB",
        row.size,
        1e3 * row.seconds,
        1e3 * row.seconds_lo,
        1e3 * row.seconds_hi,
        row.peak_rss_mb.unwrap_or(f64::NAN),
    );
    Ok(row)
}

/// Time and memory of every sweep as curves, plots of one kind together. Speeds and times are medians over turns with the
/// smallest and the largest; memory is the peak of a process.
fn curves(rows: &[ScalingRow]) -> Vec<Sample> {
    let mut curves: Vec<Sample> = rows.iter().flat_map(|r| [time(r), memory(r)]).collect();
    curves.sort_by(|a, b| (&a.panel, &a.series).cmp(&(&b.panel, &b.series)));
    curves
}

fn time(r: &ScalingRow) -> Sample {
    if r.part == "step" {
        let speed = |seconds: f64| f64::from(r.images) / seconds;
        let range = Some((speed(r.seconds_hi), speed(r.seconds_lo)));
        sample(r, "speed", "images/s", speed(r.seconds), range)
    } else {
        sample(r, "time", "seconds", r.seconds, Some((r.seconds_lo, r.seconds_hi)))
    }
}

fn memory(r: &ScalingRow) -> Sample {
    sample(r, "memory", "peak memory, MB", r.peak_rss_mb.unwrap_or(f64::NAN), None)
}

fn sample(r: &ScalingRow, what: &str, y_name: &str, y: f64, range: Option<(f64, f64)>) -> Sample {
    let plural = if r.threads == 1 { "thread" } else { "threads" };
    Sample {
        panel: format!("{} by {}: {what}", r.part, r.size_name),
        series: format!("{}, {} {plural}", r.series, r.threads),
        x_name: r.size_name.clone(),
        y_name: y_name.to_owned(),
        x: r.size,
        y,
        range,
    }
}
