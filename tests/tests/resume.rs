//! Runs that are stopped, killed or crowded end as if nothing had happened.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use randlab_tests::{Scratch, bin, text};

/// A training run long enough to be stopped on its way.
const RUN: &str = "alignment.photos.random.s0";

fn scratch() -> Scratch {
    let scratch = Scratch::new(&["alignment"]);
    let smoke = "default.pretrain = { batch = 32, epochs = 4 }";
    scratch.edit(
        "pipelines/experiments/alignment.toml",
        smoke,
        "default.pretrain = { batch = 32, epochs = 400 }",
    );
    scratch.make_well(&["prepare"]);
    scratch
}

fn pretrain(scratch: &Scratch) -> Command {
    let mut command = Command::new(bin("randlab-pretrain"));
    let plan = format!("runs/smoke/plan/pretrain/{RUN}.toml");
    let out = format!("runs/smoke/pretrain/{RUN}");
    command.current_dir(scratch.path("")).args(["--plan", &plan, "--out", &out]);
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn signal(child: &Child, signal: i32) {
    let status = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_mins(5), "{what}");
        sleep(Duration::from_millis(2));
    }
}

/// Waits until the run has been begun `times` times; from then on it listens to signals.
fn wait_for_start(log: &Path, times: usize) {
    let starts =
        || fs::read_to_string(log).map_or(0, |t| t.matches(r#""message":"start""#).count());
    wait_until("start", || starts() == times);
}

#[test]
fn a_run_that_is_stopped_and_killed_ends_with_the_same_bytes() {
    let (whole, broken) = (scratch(), scratch());
    let folder = format!("runs/smoke/pretrain/{RUN}");
    assert!(pretrain(&whole).output().unwrap().status.success());
    for (times, number, code) in [(1, 15, 143), (2, 2, 130), (3, 1, 129)] {
        let child = pretrain(&broken).spawn().unwrap();
        wait_for_start(&broken.path(&folder).join("log.jsonl"), times);
        sleep(Duration::from_millis(30));
        signal(&child, number);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains("stopped at step"), "{}", text(&output));
        assert!(!broken.path(&folder).join("run.json").exists());
    }
    let mut child = pretrain(&broken).spawn().unwrap();
    wait_for_start(&broken.path(&folder).join("log.jsonl"), 4);
    sleep(Duration::from_millis(30));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(pretrain(&broken).output().unwrap().status.success());
    let (a, b) = (whole.artifacts(&folder), broken.artifacts(&folder));
    assert!(a == b, "{:?} {:?}", a.keys(), b.keys());
    assert!(text(&pretrain(&broken).output().unwrap()).contains("already done"));
}

#[test]
fn a_signal_that_is_to_be_ignored_is() {
    let scratch = scratch();
    let program = pretrain(&scratch);
    let words = [program.get_program()].into_iter().chain(program.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    // What nohup does.
    let script = format!("trap '' HUP; exec {}", words.join(" "));
    let mut command = Command::new("sh");
    command.current_dir(scratch.path("")).args(["-c", &script]).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for_start(&scratch.path(&format!("runs/smoke/pretrain/{RUN}")).join("log.jsonl"), 1);
    signal(&child, 1);
    sleep(Duration::from_millis(30));
    signal(&child, 15);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", text(&output));
}

#[test]
fn a_pipeline_killed_at_any_time_ends_with_the_same_bytes() {
    let (whole, broken) = (Scratch::new(&["alignment"]), Scratch::new(&["alignment"]));
    whole.make_well(&["all"]);
    for delay in [30, 90, 170, 300, 500, 800, 1200] {
        let mut command = broken.command(&["all", "-j2"]);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        // The whole group, as a power cut would. It may be done already.
        let _ = Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).output();
        child.wait().unwrap();
    }
    broken.make_well(&["all"]);
    let (a, b) = (whole.artifacts("runs"), broken.artifacts("runs"));
    let extra: Vec<_> = b.keys().filter(|name| !a.contains_key(*name)).collect();
    assert!(extra.is_empty() && a.len() == b.len(), "left over: {extra:?}");
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{name} differs");
    }
}

#[test]
fn a_folder_has_one_writer() {
    let scratch = scratch();
    let mut first = pretrain(&scratch).spawn().unwrap();
    wait_for_start(&scratch.path(&format!("runs/smoke/pretrain/{RUN}/log.jsonl")), 1);
    let second = pretrain(&scratch).output().unwrap();
    assert_eq!(second.status.code(), Some(3), "{}", text(&second));
    assert!(text(&second).contains("locked by another process"));
    first.kill().unwrap();
    first.wait().unwrap();
}
