//! Wrong input: one line that names the file or flag, and exit code 2.

use std::{fs, process::Output};

use randlab_tests::{Scratch, overwrite, text, write_cifar10};

/// One line, `PROGRAM: error: ...`, that contains all of `words`; exit code 2.
fn assert_refused(output: &Output, words: &[&str]) {
    let message = text(output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains(": error: "), "{message}");
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message}");
    }
}

fn stage(scratch: &Scratch, stage: &str, run: &str) -> Output {
    let plan = format!("runs/smoke/plan/{stage}/{run}.toml");
    let out = format!("runs/smoke/{stage}/{run}");
    scratch
        .run(&format!("randlab-{stage}"), &["--plan", &plan, "--out", &out, "--progress", "none"])
}

#[test]
fn devices_that_were_not_built_in() {
    let scratch = Scratch::new(&["alignment"]);
    for program in ["randlab-pretrain", "randlab-finetune"] {
        let args = |device| ["--plan", "a.toml", "--out", "r/s/a", "--device", device];
        let found = scratch.run(program, &args("cuda:0"));
        assert_refused(&found, &["--device cuda:0", "built without cuda", "use cpu"]);
        assert_refused(
            &scratch.run(program, &args("gpu")),
            &["--device gpu", "expected auto, cpu"],
        );
    }
}

#[test]
fn damaged_and_missing_images() {
    let scratch = Scratch::new(&["alignment"]);
    let own = "[source]\nkind = 'cifar10'\npath = 'raw'\nsubset = true\n";
    overwrite(&scratch.path("mine.toml"), own.as_bytes());
    let plan = |s: &Scratch| s.run("randlab-plan", &["--scale", "smoke", "--dataset", "mine.toml"]);
    assert!(plan(&scratch).status.success());
    let prepare = || stage(&scratch, "prepare", "alignment.mine.data.images.s0");
    assert_refused(&prepare(), &["raw: not found", "data-cifar10"]);
    write_cifar10(&scratch.path("raw"), 60);
    let file = scratch.path("raw/data_batch_3.bin");
    let good = fs::read(&file).unwrap();
    overwrite(&file, &good[..good.len() - 1]);
    assert_refused(&prepare(), &["raw/data_batch_3.bin"]);
    let mut class = good.clone();
    class[3073] = 10;
    overwrite(&file, &class);
    assert_refused(&prepare(), &["raw/data_batch_3.bin", "10"]);
    overwrite(&file, &good);
    fs::remove_file(scratch.path("raw/test_batch.bin")).unwrap();
    assert_refused(&prepare(), &["test_batch.bin"]);
    write_cifar10(&scratch.path("raw"), 20);
    assert_refused(&prepare(), &["raw", "wanted", "left"]);
}

#[test]
fn pictures_that_are_damaged_or_no_files() {
    let scratch = Scratch::new(&["alignment"]);
    let own = "[source]\nkind = 'image-folder'\npath = 'raw'\nsize = 32\n";
    overwrite(&scratch.path("mine.toml"), own.as_bytes());
    fs::create_dir_all(scratch.path("raw/cats")).unwrap();
    assert!(
        scratch
            .run("randlab-plan", &["--scale", "smoke", "--dataset", "mine.toml"])
            .status
            .success()
    );
    let prepare = || stage(&scratch, "prepare", "alignment.mine.data.images.s0");
    assert_refused(&prepare(), &["raw", "no CLASS/*.jpg"]);
    let photo = fs::read_dir(scratch.path("data/photos")).unwrap().map(|e| e.unwrap().path());
    let photo = photo.filter(|path| path.is_dir() && !path.ends_with("LICENSES")).min().unwrap();
    let photo = fs::read_dir(photo).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    let whole = fs::read(photo).unwrap();
    overwrite(&scratch.path("raw/cats/1.jpg"), &whole[..whole.len() / 2]);
    assert_refused(&prepare(), &["raw/cats/1.jpg", "cut short", "replace or remove it"]);
    std::os::unix::fs::symlink("gone.jpg", scratch.path("raw/cats/2.jpg")).unwrap();
    assert_refused(&prepare(), &["raw/cats/2.jpg", "a link to gone.jpg"]);
}

#[test]
fn recipes_that_make_no_sense() {
    let scratch = Scratch::new(&["alignment"]);
    let recipe = "pipelines/experiments/alignment.toml";
    let plan = |args: &[&str]| scratch.run("randlab-plan", args);
    assert_refused(&plan(&["--scale", "big"]), &["alignment.toml", "[scale.big]"]);
    assert_refused(&plan(&["--dataset", "nope"]), &["--dataset nope", "cifar10", "photos"]);
    assert_refused(&plan(&["--why", "nope"]), &["--why nope"]);
    assert_refused(&plan(&["--seeds", "1", "2", "1"]), &["--seeds", "duplicate seed 1"]);
    assert_refused(&plan(&["--scael", "smoke"]), &["--scael", "'--scale'"]);
    assert_refused(&plan(&["--seeds", "1;2"]), &["\"1;2\"", "--seeds"]);
    overwrite(&scratch.path("photos.toml"), b"[source]\nkind = 'image-folder'\npath = 'x'\n");
    assert_refused(&plan(&["--dataset", "photos.toml"]), &["photos.toml", "another name"]);
    overwrite(
        &scratch.path("mine.toml"),
        b"[source]\nkind = 'image-folder'\npath = 'x'\nsize = 4000000000\n",
    );
    assert_refused(&plan(&["--dataset", "mine.toml"]), &["mine.toml", "size = 4000000000", "1024"]);
    scratch.edit(recipe, "target = 0.95", "target = 0.95\ntemperature = 3");
    assert_refused(&plan(&[]), &["alignment.toml", "temperature"]);
    scratch.edit(recipe, "target = 0.95\ntemperature = 3", "target = 95");
    assert_refused(&plan(&[]), &["alignment.toml", "panel.random", "target", "0 to 1"]);
    scratch.edit(recipe, "target = 95", "target = 0.95");
    for (good, bad, word) in [
        ("lr = 0.03, by = 3.0", "lr = -0.03, by = 3.0", "lr = -0.03"),
        ("at = [0.6667] }", "at = [6667] }", "at = [6667.0]"),
        ("momentum = 0.9", "momentum = 9", "momentum = 9"),
        ("filters = 256, stride = 2", "filters = 0, stride = 2", "filters = 0"),
        (
            "filters = 256, stride = 2, padding = 0",
            "filters = 256, stride = 2, padding = 3",
            "padding = 3",
        ),
        ("odd_inputs = 1.0", "odd_inputs = -1.0", "odd_inputs = -1"),
        ("random_bases = 50", "random_bases = 1", "random_bases"),
        ("id = \"C05.floor\"", "id = \"C05\"", "duplicate claim \"C05\""),
        (
            "kind = \"random\", classes = 10",
            "kind = \"random\", classes = 4000000000",
            "2 to 65536",
        ),
    ] {
        let text = fs::read(scratch.path(recipe)).unwrap();
        scratch.edit(recipe, good, bad);
        assert_refused(&plan(&[]), &["alignment.toml", word]);
        overwrite(&scratch.path(recipe), &text);
    }
    assert!(!scratch.path("runs").exists());
    assert!(plan(&[]).status.success());
}

#[test]
fn a_mistake_is_blamed_on_the_file_it_stands_in() {
    let scratch = Scratch::new(&["init-from-data", "transfer"]);
    scratch.edit("pipelines/experiments/transfer.toml", "batch = 128, epochs = 160", "batch = -1");
    assert_refused(&scratch.run("randlab-plan", &[]), &["experiments/transfer.toml", "batch"]);
}

#[test]
fn a_folder_that_belongs_to_another_run() {
    let scratch = Scratch::new(&["alignment"]);
    scratch.make_well(&["prepare"]);
    let before = scratch.artifacts("runs");
    let plan = "runs/smoke/plan/prepare/alignment.photos.data.images.s0.toml";
    for out in
        ["prepare/alignment.photos.data.images.s1", "pretrain/alignment.photos.data.images.s0"]
    {
        let output = scratch
            .run("randlab-prepare", &["--plan", plan, "--out", &format!("runs/smoke/{out}")]);
        assert_refused(&output, &["--out", out, "prepare/alignment.photos.data.images.s0"]);
    }
    assert!(before == scratch.artifacts("runs"));
}

#[test]
fn damaged_artifacts() {
    let scratch = Scratch::new(&["transfer"]);
    scratch.make_well(&["pretrain"]);
    let parent = "runs/smoke/pretrain/transfer.photos.fast.s0/final.safetensors";
    let finetune = || stage(&scratch, "finetune", "transfer.photos.fast.real.pretrained.s0");
    let good = fs::read(scratch.path(parent)).unwrap();
    let mut flipped = good.clone();
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    for bad in [&flipped[..], &good[..good.len() / 2], b""] {
        overwrite(&scratch.path(parent), bad);
        assert_refused(&finetune(), &[parent]);
    }
    fs::remove_file(scratch.path(parent)).unwrap();
    assert_refused(&finetune(), &[parent]);
    overwrite(&scratch.path(parent), &good);
    let labels = "runs/smoke/prepare/transfer.photos.data.images.s0/labels.parquet";
    let table = fs::read(scratch.path(labels)).unwrap();
    overwrite(&scratch.path(labels), b"image_id,class\n1,2\n");
    assert_refused(&finetune(), &[labels]);
    overwrite(&scratch.path(labels), &table);
    assert!(finetune().status.success());
    let other = stage(&scratch, "pretrain", "../finetune/transfer.photos.fast.real.pretrained.s0");
    assert_refused(&other, &["use randlab-finetune"]);
    let run = "transfer.photos.fast.real.covariance.s0";
    let plan = format!("runs/smoke/plan/finetune/{run}.toml");
    scratch.edit(&plan, "batch = 32", "batch = 32\nbach = 3");
    assert_refused(&stage(&scratch, "finetune", run), &[&plan, "line", "bach"]);
}

#[test]
fn what_a_run_needs_is_named_when_it_is_not_there() {
    let scratch = Scratch::new(&["alignment"]);
    assert!(scratch.run("randlab-plan", &["--scale", "smoke"]).status.success());
    let output = stage(&scratch, "pretrain", "alignment.photos.random.s0");
    assert_refused(&output, &["prepare/alignment.photos.data.images.s0", "not done"]);
    let output = stage(&scratch, "align", "alignment.photos.random.s0");
    assert_refused(&output, &["not done"]);
    let nothing = scratch.run("randlab-pretrain", &["--plan", "nope.toml", "--out", "a/b/c"]);
    assert_refused(&nothing, &["nope.toml"]);
}
