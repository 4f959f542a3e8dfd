//! The program of [`randlab_stages::Finetune`].

#[global_allocator]
static HEAP: randlab_kernels::LineAligned = randlab_kernels::LineAligned;

fn main() -> std::process::ExitCode {
    randlab_stages::main::<randlab_stages::Finetune>()
}
