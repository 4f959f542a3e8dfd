//! The program of [`randlab_stages::Report`].

fn main() -> std::process::ExitCode {
    randlab_stages::main::<randlab_stages::Report>()
}
