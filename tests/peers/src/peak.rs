//! Peak of the machine: a loop of multiplications and additions on registers.

use std::{
    hint::black_box,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

/// Independent sums: more than the latency of an instruction times the instructions per cycle.
const SUMS: usize = 16;

/// Numbers in a register of the widest kind.
const WIDTH: usize = 16;

const TURNS: u32 = 1 << 20;

/// Repetitions of `TURNS`, of which the shortest counts: at first threads often share a core, until the system moves one.
const STRETCHES: usize = 16;

/// f32 operations a second of `threads` threads at once, in units of 1e9; measured at each call, so that other load shows.
pub fn gflops(threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    let shortest = AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..STRETCHES {
                    let start = Instant::now();
                    // All threads begin and end a repetition together.
                    let last = barrier.wait().is_leader();
                    run();
                    barrier.wait();
                    if last {
                        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                        shortest.fetch_min(nanos, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let operations = f64::from(TURNS) * (2 * SUMS * WIDTH * threads) as f64;
    operations / shortest.into_inner() as f64
}

fn run() {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            #[expect(unsafe_code, reason = "the compiler does not know what the processor has")]
            // SAFETY: the condition has detected the instructions.
            unsafe {
                return avx512();
            }
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[expect(unsafe_code, reason = "the compiler does not know what the processor has")]
            // SAFETY: the condition has detected the instructions.
            unsafe {
                return avx2();
            }
        }
    }
    plain();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512() {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps};
    let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
    let mut sums = [a; SUMS];
    for _ in 0..TURNS {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, a, b);
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2() {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps};
    let (a, b) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(1.0)));
    // Half the registers (there are 16) of half the width: four times the turns.
    let mut sums = [a; SUMS / 2];
    for _ in 0..4 * TURNS {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, a, b);
        }
    }
    black_box(sums);
}

fn plain() {
    let (a, b) = (black_box(0.5_f32), black_box(1.0_f32));
    let mut sums = [[a; WIDTH]; SUMS];
    for _ in 0..TURNS {
        for sum in sums.as_flattened_mut() {
            *sum = *sum * a + b;
        }
    }
    black_box(sums);
}
