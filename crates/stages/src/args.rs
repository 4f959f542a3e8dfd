//! Arguments every stage program takes.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, Command, Parser, ValueEnum, value_parser};
use clap_complete::Shell;

use crate::exit::print;

/// What a stage program needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct StageArgs {
    /// Resolved configuration of the run, as randlab-plan writes it
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// Folder of the run, ROOT/STAGE/RUN; the runs it reads are looked for in ROOT
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Check the configuration, say what the run would do, and leave
    #[arg(long)]
    pub dry_run: bool,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto, value_name = "HOW")]
    pub progress: ProgressMode,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, lines elsewhere
    Auto,
    /// A line every ten seconds
    Lines,
    /// Nothing but errors
    None,
}

/// Parses the command line; `completions SHELL` prints a completion script instead, and leaves.
pub fn parse<A: Parser>() -> A {
    let matches = with_completions::<A>().try_get_matches().unwrap_or_else(|error| refuse(&error));
    if let Some(("completions", sub)) = matches.subcommand() {
        if let Some(&shell) = sub.get_one::<Shell>("shell") {
            let mut command = A::command();
            let name = command.get_name().to_owned();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, name, &mut script);
            if let Err(error) = print(&String::from_utf8_lossy(&script)) {
                eprintln!("{}: error: {error}", A::command().get_name());
                std::process::exit(i32::from(crate::ENVIRONMENT));
            }
        }
        std::process::exit(i32::from(crate::DONE));
    }
    A::from_arg_matches(&matches).unwrap_or_else(|error| refuse(&error))
}

/// Says in one line what is wrong with the command line, and leaves; prints what was asked for with `--help` and the like.
fn refuse(error: &clap::Error) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    // What follows the mistake and a hint is how the program is used.
    let what = ["\n\nUsage:", "\n\nFor more"]
        .into_iter()
        .fold(&text[..], |text, end| text.split(end).next().unwrap_or_default());
    let what: Vec<&str> = what.split_whitespace().collect();
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().unwrap_or_default().to_owned();
    eprintln!("{}: {}; see --help", program.display(), what.join(" "));
    std::process::exit(i32::from(crate::BAD_INPUT));
}

fn with_completions<A: Parser>() -> Command {
    let shell = Arg::new("shell").required(true).value_parser(value_parser!(Shell));
    let about = "Print a completion script for bash, zsh, fish, elvish or powershell";
    A::command()
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(Command::new("completions").about(about).arg(shell))
}

/// The command line as typed, for the record.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().map(|word: OsString| word.to_string_lossy().into_owned());
    words.collect::<Vec<_>>().join(" ")
}
