//! The same nets in all peers.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use randlab_store::table::write_table;

use crate::{
    nets::{NAMES, Net},
    peak,
    process::{Machine, Worker, this},
    rounds::{Entry, Spread, limit, take_turns},
    tables::PeerRow,
};

/// Settings of glibc's allocator that keep freed memory in the process, as randlab sets for itself.
const KEEP: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "8589934592"),
    ("MALLOC_TOP_PAD_", "268435456"),
];

/// Compare training steps of randlab and its peers
#[derive(Args)]
pub struct Compare {
    /// Nets, separated by spaces
    #[arg(long, value_delimiter = ' ', default_values = NAMES)]
    nets: Vec<String>,
    /// Images per step
    #[arg(long, value_delimiter = ' ', default_values_t = [128, 256], value_parser = clap::value_parser!(u32).range(1..))]
    batch: Vec<u32>,
    /// Threads
    #[arg(long, value_delimiter = ' ', default_values_t = [1, 2], value_parser = clap::value_parser!(u32).range(1..))]
    threads: Vec<u32>,
    /// Peers next to randlab
    #[arg(long, value_delimiter = ' ', default_values_t = [Peer::Pytorch, Peer::PytorchDefault, Peer::Burn, Peer::Candle])]
    peers: Vec<Peer>,
    /// Turns of each peer
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Approximate seconds for all peers with one net, batch and number of threads; slow peers get fewer turns
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Python interpreter with torch installed
    #[arg(long)]
    python: PathBuf,
    /// Path of torch_step.py
    #[arg(long)]
    script: PathBuf,
    /// Folder of the table
    #[arg(long)]
    out: PathBuf,
}

/// The frameworks compared.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    Randlab,
    /// `channels_last` where there are convolutions, freed memory kept.
    Pytorch,
    /// As installed.
    PytorchDefault,
    /// As `pytorch`, with forward pass and loss under autocast to bf16: other arithmetic, so not in the default list.
    #[value(name = "pytorch-bf16")]
    PytorchBf16,
    Burn,
    Candle,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Randlab => "randlab",
            Self::Pytorch => "pytorch",
            Self::PytorchDefault => "pytorch-default",
            Self::PytorchBf16 => "pytorch-bf16",
            Self::Burn => "burn",
            Self::Candle => "candle",
        })
    }
}

/// One net, batch size and number of threads.
struct Cell<'a> {
    name: &'a str,
    net: &'a Net,
    batch: u32,
    threads: u32,
}

impl Compare {
    /// Measures all, writes the table and prints it.
    pub fn run(&self) -> Result<()> {
        // Reject a wrong name before the first measurement.
        let nets = self.nets.iter().map(|name| Ok((name, Net::new(name)?)));
        let nets = nets.collect::<Result<Vec<_>>>()?;
        let machine = Machine::here();
        let mut rows = Vec::new();
        for (name, net) in &nets {
            for &batch in &self.batch {
                for &threads in &self.threads {
                    eprintln!("{name}, batch {batch}, {threads} threads");
                    rows.extend(self.cell(&Cell { name, net, batch, threads }, &machine)?);
                    // Keep what has been measured if a later net fails.
                    write_table(&self.out.join("peers.parquet"), rows.clone())?;
                }
            }
        }
        print(&rows, &machine);
        Ok(())
    }

    fn cell(&self, cell: &Cell<'_>, machine: &Machine) -> Result<Vec<PeerRow>> {
        let peers: Vec<Peer> = [Peer::Randlab]
            .into_iter()
            .chain(self.peers.iter().copied().filter(|&p| p != Peer::Randlab))
            .collect();
        let rounds = self.rounds as usize;
        let share = f64::from(self.seconds) / peers.len() as f64;
        let mut entries: Vec<Entry> = Vec::new();
        for peer in peers {
            let command = self.command(peer, cell)?;
            let worker = Worker::start(command, cell.threads as usize, limit(share));
            match worker.and_then(|w| Entry::new(peer.to_string(), w, rounds, share)) {
                Ok(entry) => entries.push(entry),
                Err(e) => eprintln!("  {peer}: left out: {e:#}"),
            }
        }
        let sizes: Vec<usize> = entries.iter().map(|e| e.worker.size).collect();
        let same = sizes.windows(2).all(|pair| pair[0] == pair[1]);
        ensure!(same, "{}: peers have nets of {sizes:?} parameters", cell.name);
        let mut peaks = Vec::new();
        take_turns(&mut entries, rounds, share, || peaks.push(peak::gflops(cell.threads as usize)));
        // Other load makes a round slower, never faster.
        let peak = Spread::of(peaks.into_iter()).hi;
        let ours = entries.iter().find(|e| e.name == Peer::Randlab.to_string());
        let ours = ours.context("randlab itself was left out")?.seconds.clone();
        entries.iter().map(|entry| row(cell, entry, &ours, peak, machine)).collect()
    }

    fn command(&self, peer: Peer, cell: &Cell<'_>) -> Result<Command> {
        let mut command = match peer {
            Peer::Pytorch | Peer::PytorchDefault | Peer::PytorchBf16 => {
                let last = peer != Peer::PytorchDefault && cell.net.maps;
                let layout = if last { "channels_last" } else { "contiguous" };
                let dtype = if peer == Peer::PytorchBf16 { "bf16" } else { "f32" };
                let net = serde_json::json!({"input": cell.net.input, "layers": cell.net.layers});
                let batch = cell.batch.to_string();
                let mut command = Command::new(&self.python);
                command.arg(&self.script).args([&net.to_string(), &batch, layout, dtype]);
                command
            }
            Peer::Randlab | Peer::Burn | Peer::Candle => {
                this(&[peer.to_string(), cell.name.to_owned(), cell.batch.to_string()])?
            }
        };
        // pytorch-default runs as installed, and randlab sets its allocator itself.
        if !matches!(peer, Peer::PytorchDefault | Peer::Randlab) {
            command.envs(KEEP);
        }
        Ok(command)
    }
}

fn row(
    cell: &Cell<'_>,
    entry: &Entry,
    ours: &[f64],
    peak: f64,
    machine: &Machine,
) -> Result<PeerRow> {
    let seconds = Spread::of(entry.seconds.iter().copied());
    let ratio = Spread::of(entry.seconds.iter().zip(ours).map(|(theirs, ours)| theirs / ours));
    let gflop = cell.net.flop * f64::from(cell.batch) / 1e9;
    let row = PeerRow {
        net: cell.name.to_owned(),
        batch_size: i32::try_from(cell.batch)?,
        threads: i32::try_from(cell.threads)?,
        peer: entry.name.clone(),
        version: entry.worker.version.clone(),
        n_parameters: i64::try_from(entry.worker.size)?,
        n_rounds: i32::try_from(entry.seconds.len())?,
        steps_per_round: i32::try_from(entry.steps)?,
        seconds_per_step: seconds.median,
        seconds_lo: seconds.lo,
        seconds_hi: seconds.hi,
        ratio: ratio.median,
        ratio_lo: ratio.lo,
        ratio_hi: ratio.hi,
        peak_rss_mb: entry.worker.peak_memory(),
        gflop_per_step: gflop,
        peak_gflops: peak,
        share_of_peak: gflop / seconds.median / peak,
        cpu: machine.cpu.clone(),
        instruction_set: machine.instruction_set.to_owned(),
        cores: machine.cores,
    };
    eprintln!(
        "  {:16} {:9.2} ms a step, {:5.2} times randlab's [{:.2}, {:.2}], {} x {} steps, {:.0} MB, {:.0} % of peak",
        row.peer,
        1e3 * row.seconds_per_step,
        row.ratio,
        row.ratio_lo,
        row.ratio_hi,
        row.n_rounds,
        row.steps_per_round,
        row.peak_rss_mb.unwrap_or(f64::NAN),
        100.0 * row.share_of_peak,
    );
    Ok(row)
}

/// A Markdown table with a line per cell.
fn print(rows: &[PeerRow], machine: &Machine) {
    let first = |r: &PeerRow| (r.peer.clone(), r.version.clone());
    let mut peers: Vec<_> = rows.iter().map(first).collect();
    peers.sort();
    peers.dedup();
    peers.retain(|(peer, _)| *peer != Peer::Randlab.to_string());
    println!("{}, {} cores, {}", machine.cpu, machine.cores, machine.instruction_set);
    println!(
        "\nTime of a peer over that of randlab: median [range] over rounds, shortest over shortest; peak memory in MB.\n"
    );
    let titles: Vec<_> =
        peers.iter().map(|(peer, version)| format!(" {peer} {version} |")).collect();
    let titles = titles.concat();
    println!("| net | batch | threads | randlab, ms | images/s | % of peak | MB |{titles}");
    println!("|---|---|---|---|---|---|---|{}", "---|".repeat(peers.len()));
    let cell = |r: &PeerRow| (r.net.clone(), r.batch_size, r.threads);
    for rows in rows.chunk_by(|a, b| cell(a) == cell(b)) {
        let of = |peer: &str| rows.iter().find(|r| r.peer == peer);
        let Some(ours) = of("randlab") else { continue };
        let ratios: String = peers.iter().map(|(peer, _)| ratio(of(peer), ours)).collect();
        println!(
            "| {} | {} | {} | {:.2} | {:.0} | {:.0} | {:.0} |{ratios}",
            ours.net,
            ours.batch_size,
            ours.threads,
            1e3 * ours.seconds_per_step,
            f64::from(ours.batch_size) / ours.seconds_per_step,
            100.0 * ours.share_of_peak,
            ours.peak_rss_mb.unwrap_or(f64::NAN),
        );
    }
}

fn ratio(row: Option<&PeerRow>, ours: &PeerRow) -> String {
    row.map_or(" - |".to_owned(), |r| {
        let (best, memory) = (r.seconds_lo / ours.seconds_lo, r.peak_rss_mb.unwrap_or(f64::NAN));
        format!(" {:.2} [{:.2}, {:.2}], {best:.2}, {memory:.0} |", r.ratio, r.ratio_lo, r.ratio_hi)
    })
}
