//! The program of [`randlab_stages::Align`].

fn main() -> std::process::ExitCode {
    randlab_stages::main::<randlab_stages::Align>()
}
