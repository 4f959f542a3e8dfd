//! Stages of the tests' own: nothing here depends on those of the project.

use std::{collections::BTreeMap, path::Path};

use randlab_core::{Digest, RunId};
use randlab_store::{
    InputRef, RunDir, Status, publish, table,
    table::{TableInfo, TimingRow},
};
use serde::{Deserialize, Serialize};

use crate::{
    AnyStage, DONE, Done, Host, Job, Of, Place, Plan, RunRef, Stage, StageArgs, State, Survey,
    Work, args::ProgressMode, dag, job::execute, list, makefile, refused, tables, why,
};

/// Copies a number from a file outside.
#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Draw {
    id: RunId,
    path: String,
}

/// Adds a number to that of another run.
#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Add {
    id: RunId,
    to: RunId,
    number: u32,
}

table! { "numbers" "1" "one number" => NumberRow {
    key stage: String, "1", "stage";
}}

table! { "files" "1" "one file" => FileRow {
    key stage: String, "1", "stage";
}}

table! { "sums" "1" "one sum" => SumRow {
    key stage: String, "1", "stage";
}}

const HOST: Host = Host { known: |_| None, facts: BTreeMap::new };
const STAGES: &[&dyn AnyStage] = &[&Of::<Draw>::stage(), &Of::<Add>::stage()];

fn done(job: &Job<'_>, number: u32) -> anyhow::Result<Work> {
    publish(&job.dir.path("number"), number.to_string().as_bytes())?;
    Ok(Work::Done(Done {
        files: vec!["number".to_owned()],
        status: Status::Ok,
        notes: BTreeMap::new(),
        trained: None,
        message: "done".to_owned(),
    }))
}

fn number(path: &Path) -> anyhow::Result<u32> {
    let text = std::fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| refused!("{}: no number", path.display()))
}

fn place(panel: &str) -> Place {
    Place { experiment: "toy".to_owned(), panel: panel.to_owned(), arm: String::new() }
}

impl Stage for Draw {
    const NAME: &'static str = "draw";
    const VERSION: u32 = 1;
    const ABOUT: &'static str = "Copy a number";
    const TABLES: &'static [TableInfo] =
        &[TableInfo::of::<NumberRow>(), TableInfo::of::<FileRow>()];

    fn id(&self) -> &RunId {
        &self.id
    }

    fn place(&self) -> Place {
        place("numbers")
    }

    fn needs(&self) -> Vec<RunRef> {
        Vec::new()
    }

    fn raw(&self, _cache: &Path) -> anyhow::Result<Vec<InputRef>> {
        let digest = Digest::of(&std::fs::read(&self.path)?);
        Ok(vec![InputRef { name: self.path.clone(), digest }])
    }

    fn describe(&self, _root: &Path) -> anyhow::Result<String> {
        Ok(String::new())
    }

    fn work(&self, job: &mut Job<'_>) -> anyhow::Result<Work> {
        done(job, number(Path::new(&self.path))?)
    }
}

impl Stage for Add {
    const NAME: &'static str = "add";
    const VERSION: u32 = 1;
    const ABOUT: &'static str = "Add a number";
    const TABLES: &'static [TableInfo] = &[TableInfo::of::<SumRow>(), TableInfo::of::<NumberRow>()];

    fn id(&self) -> &RunId {
        &self.id
    }

    fn place(&self) -> Place {
        place("sums")
    }

    fn needs(&self) -> Vec<RunRef> {
        vec![RunRef::of::<Draw>(&self.to)]
    }

    fn describe(&self, _root: &Path) -> anyhow::Result<String> {
        Ok(String::new())
    }

    fn work(&self, job: &mut Job<'_>) -> anyhow::Result<Work> {
        let from = job.input(&RunRef::of::<Draw>(&self.to), |_| true)?;
        done(job, number(&from.join("number"))? + self.number)
    }
}

fn id(name: &str) -> RunId {
    RunId::try_from(name.to_owned()).unwrap()
}

/// A folder with a number, and a plan of two runs in it.
struct World {
    dir: tempfile::TempDir,
    draw: Draw,
    add: Add,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("raw").display().to_string();
        let world = Self {
            dir,
            draw: Draw { id: id("toy.one"), path },
            add: Add { id: id("toy.two"), to: id("toy.one"), number: 3 },
        };
        world.write("4");
        world
    }

    fn write(&self, number: &str) {
        publish(Path::new(&self.draw.path), number.as_bytes()).unwrap();
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::new(STAGES);
        plan.add(&self.draw).unwrap();
        plan.add(&self.add).unwrap();
        plan.goals.insert("toy".to_owned(), vec![RunRef::of::<Add>(&self.add.id)]);
        plan
    }

    /// States of both runs.
    fn states(&self) -> [State; 2] {
        let survey = Survey::of(&self.plan(), self.dir.path());
        [RunRef::of::<Draw>(&self.draw.id), RunRef::of::<Add>(&self.add.id)]
            .map(|run| survey.state(&run).clone())
    }

    fn folder<T: Stage>(&self, config: &T) -> std::path::PathBuf {
        self.dir.path().join(T::NAME).join(config.id().as_str())
    }

    fn execute<T: Stage>(&self, config: &T) {
        let plan = self.dir.path().join(format!("{}.toml", T::NAME));
        publish(&plan, toml::to_string(config).unwrap().as_bytes()).unwrap();
        let out = self.folder(config);
        let args = StageArgs { plan, out, dry_run: false, progress: ProgressMode::None };
        assert_eq!(execute::<T>(&HOST, &args, &BTreeMap::new()).unwrap(), DONE);
    }
}

#[test]
fn states_follow_content_along_the_edges() {
    let mut world = World::new();
    assert_eq!(world.states(), [State::Missing, State::Missing]);
    world.execute(&world.draw);
    world.execute(&world.add);
    assert_eq!(number(&world.folder(&world.add).join("number")).unwrap(), 7);
    assert_eq!(world.states(), [State::Done, State::Done]);
    // The same bytes written again are the same.
    world.write("4");
    assert_eq!(world.states(), [State::Done, State::Done]);
    world.write("5");
    let path = &world.draw.path;
    let read = "it reads draw/toy.one, which is stale".to_owned();
    let changed = format!("{path} has changed");
    assert_eq!(world.states(), [State::Stale(vec![changed]), State::Stale(vec![read])]);
    world.execute(&world.draw);
    let read = "draw/toy.one has changed".to_owned();
    assert_eq!(world.states(), [State::Done, State::Stale(vec![read])]);
    world.execute(&world.add);
    world.add.number = 9;
    let changed = "number went from 3 to 9".to_owned();
    assert_eq!(world.states(), [State::Done, State::Stale(vec![changed])]);
}

#[test]
fn a_folder_that_is_locked_is_running_and_not_partial() {
    let world = World::new();
    let dir = RunDir::open(&world.folder(&world.draw)).unwrap();
    assert_eq!(world.states()[0], State::Running);
    drop(dir);
    assert_eq!(world.states()[0], State::Partial);
}

#[test]
fn make_is_told_what_is_to_be_made_and_nothing_else() {
    let world = World::new();
    let include = |world: &World| {
        let plan = world.plan();
        makefile(&plan, &Survey::of(&plan, world.dir.path()))
    };
    let text = include(&world);
    assert!(text.contains("STAGES := \\\n  draw \\\n  add\n"), "{text}");
    assert!(text.contains("GOAL_toy := \\\n  add/toy.two\n"), "{text}");
    let edge = "$(R)/add/toy.two/run.json: \\\n  $(R)/draw/toy.one/run.json\n";
    assert!(text.contains(edge), "{text}");
    world.execute(&world.draw);
    let text = include(&world);
    assert!(text.contains("AGAIN_draw :=\n") && text.contains("AGAIN_add := \\\n  toy.two\n"));
    assert!(text.contains("$(R)/add/toy.two/run.json:\n"), "{text}");
    world.execute(&world.add);
    assert!(!include(&world).contains("run.json"));
}

#[test]
fn questions_take_the_beginning_of_names() {
    let world = World::new();
    world.execute(&world.draw);
    let plan = world.plan();
    let survey = Survey::of(&plan, world.dir.path());
    let all = list(&plan, &survey, "toy").unwrap();
    assert_eq!(all, "done     draw      toy.one\nmissing  add       toy.two\n");
    assert_eq!(list(&plan, &survey, "toy.one").unwrap().lines().count(), 1);
    assert_eq!(
        why(&plan, &survey, "toy.t").unwrap(),
        "add toy.two: missing\n  it has not been made\n"
    );
    assert!(why(&plan, &survey, "other").is_none());
    assert_eq!(dag(&plan, None).unwrap().lines().count(), 4);
    assert!(dag(&plan, Some("toy")).unwrap().contains("\"add toy sums (1)\""));
}

#[test]
fn tables_follow_from_the_stages_each_once_with_that_of_all_runs_last() {
    let names: Vec<_> = tables(STAGES.iter().copied()).iter().map(|t| t.name).collect();
    assert_eq!(names, ["numbers", "files", "sums", TableInfo::of::<TimingRow>().name]);
}
