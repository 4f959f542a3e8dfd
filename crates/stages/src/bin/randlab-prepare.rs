//! The program of [`randlab_stages::Prepare`].

fn main() -> std::process::ExitCode {
    randlab_stages::main::<randlab_stages::Prepare>()
}
