//! Arguments every stage program takes.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use clap::{
    Arg, ArgMatches, Args, Command, FromArgMatches, Parser, ValueEnum,
    error::{ContextKind, ContextValue},
    value_parser,
};
use clap_complete::Shell;

use crate::{Stage, exit::print};

/// What `--help` of every stage says at its end.
const EXIT_CODES: &str = "Exit codes: 0 done or already done, 1 the run failed, 2 bad usage, configuration or input data, \
3 disk, permission, lock or threads, 128+N stopped by signal N; the same command resumes the run.";

/// What a stage program needs to know.
#[derive(Debug, Clone, Args)]
pub struct StageArgs {
    /// Resolved configuration of the run, as randlab-plan writes it
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// Folder of the run, ROOT/STAGE/RUN; the runs it reads are looked for in ROOT
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Check the configuration, print what the run would do, and exit
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

/// Parses the command line of a program; `completions SHELL` prints a completion script instead, and exits.
pub fn parse<A: Parser>() -> A {
    let matches = matches(A::command());
    A::from_arg_matches(&matches).unwrap_or_else(|error| refuse(&error))
}

/// Parses the command line of the program of stage `T`: the common arguments, and its own options by name.
pub(crate) fn parse_stage<T: Stage>() -> (StageArgs, BTreeMap<&'static str, String>) {
    let name = program_name::<T>();
    let mut command = Command::new(T::NAME)
        .display_name(name.clone())
        .bin_name(name)
        .about(T::ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXIT_CODES);
    for option in T::OPTIONS {
        let arg = Arg::new(option.name).long(option.name).value_name(option.value_name);
        command = command.arg(arg.default_value(option.default).help(option.help));
    }
    let matches = matches(StageArgs::augment_args(command));
    let value =
        |name: &'static str| (name, matches.get_one::<String>(name).cloned().unwrap_or_default());
    let options = T::OPTIONS.iter().map(|option| value(option.name)).collect();
    let args = StageArgs::from_arg_matches(&matches).unwrap_or_else(|error| refuse(&error));
    (args, options)
}

/// Name of the program of stage `T`.
pub(crate) fn program_name<T: Stage>() -> String {
    format!("randlab-{}", T::NAME)
}

fn matches(command: Command) -> ArgMatches {
    let mut command = with_completions(command);
    let matches = command
        .try_get_matches_from_mut(std::env::args_os())
        .unwrap_or_else(|error| refuse(&error));
    if let Some(("completions", sub)) = matches.subcommand() {
        let shell = sub.get_one::<Shell>("shell").copied();
        std::process::exit(i32::from(completions(&mut command, shell)));
    }
    matches
}

/// Prints the completion script for `shell`; gives the exit code.
fn completions(command: &mut Command, shell: Option<Shell>) -> u8 {
    let Some(shell) = shell else { return crate::BAD_INPUT };
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    print(&String::from_utf8_lossy(&script)).map_or(crate::ENVIRONMENT, |()| crate::DONE)
}

/// Says in one line what is wrong with the command line, and exits; prints what was asked for with `--help` and the like.
fn refuse(error: &clap::Error) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().unwrap_or_default().to_owned();
    eprintln!("{}: error: {}; see --help", program.display(), problem(error));
    std::process::exit(i32::from(crate::BAD_INPUT));
}

/// `FLAG: what is wrong; what to do` of an error of the command line.
fn problem(error: &clap::Error) -> String {
    let context = |kind| error.get(kind).map(shown).filter(|text| !text.is_empty());
    let mut text = context(ContextKind::InvalidArg)
        .or_else(|| context(ContextKind::InvalidSubcommand))
        .map_or_else(String::new, |arg| format!("{arg}: "));
    if let Some(value) = context(ContextKind::InvalidValue) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{value:?}: ");
    }
    let source = std::error::Error::source(error).map(ToString::to_string);
    text += &source.unwrap_or_else(|| error.kind().as_str().unwrap_or("wrong usage").to_owned());
    if let Some(other) = context(ContextKind::PriorArg) {
        let _ = write!(text, " with {other}");
    }
    if let Some(valid) = context(ContextKind::ValidValue) {
        let _ = write!(text, "; want one of {valid}");
    }
    let suggested = context(ContextKind::SuggestedArg)
        .or_else(|| context(ContextKind::SuggestedSubcommand))
        .or_else(|| context(ContextKind::SuggestedValue));
    if let Some(name) = suggested {
        let _ = write!(text, "; did you mean '{name}'?");
    }
    text
}

fn shown(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(list) => list.join(", "),
        ContextValue::Number(number) => number.to_string(),
        other => other.to_string(),
    }
}

fn with_completions(command: Command) -> Command {
    let shell = Arg::new("shell").required(true).value_parser(value_parser!(Shell));
    let about = "Print a completion script for bash, zsh, fish, elvish or powershell";
    command
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(Command::new("completions").about(about).arg(shell))
}

/// The command line as typed, for the record.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(args: &[&str]) -> String {
        let command = StageArgs::augment_args(Command::new("p"));
        problem(&command.try_get_matches_from(args).unwrap_err())
    }

    #[test]
    fn a_wrong_command_line_is_one_line_that_names_the_flag() {
        let whole = ["p", "--plan", "a", "--out", "b"];
        let slip = said(&[&whole[..], &["--dry-rnu"]].concat());
        assert_eq!(slip, "--dry-rnu: unexpected argument found; did you mean '--dry-run'?");
        let value = said(&[&whole[..], &["--progress", "auot"]].concat());
        assert!(value.starts_with("--progress <HOW>: \"auot\": "), "{value}");
        assert!(value.contains("want one of auto, lines, none; did you mean 'auto'?"), "{value}");
        let none = said(&["p"]);
        assert!(none.starts_with("--plan <FILE>, --out <DIR>: "), "{none}");
        assert!([slip, value, none].iter().all(|line| !line.contains('\n')));
    }
}
