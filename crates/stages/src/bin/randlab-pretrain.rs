//! The program of [`randlab_stages::Pretrain`].

#[global_allocator]
static HEAP: randlab_kernels::LineAligned = randlab_kernels::LineAligned;

fn main() -> std::process::ExitCode {
    randlab_stages::main::<randlab_stages::Pretrain>()
}
