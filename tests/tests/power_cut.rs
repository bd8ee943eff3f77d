//! A power cut at any moment loses nothing that was acknowledged, and leaves no commit in halves.
//!
//! A writer runs with a shim (`tests/power_cut/shim.c`) that records what it does to its files. The recording is played up to
//! a random event, and the files are left as a disk may leave them there (`image.rs` has the failure model); then the
//! store is opened and compared with a model.
//!
//! `PORTCULLIS_POWER_CUTS` sets how many cuts there are, `PORTCULLIS_POWER_SEED` which, and `PORTCULLIS_POWER_TRACE` names a
//! recording to be played again: a failure tells the last two.

#[path = "power_cut/check.rs"]
mod check;
#[path = "power_cut/image.rs"]
mod image;
#[path = "power_cut/trace.rs"]
mod trace;
#[path = "power_cut/workload.rs"]
mod workload;

use std::env;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use object::{Object as _, ObjectSymbol as _};
use portcullis_tests::{Random, repository, scratch};

use check::{Broken, check};
use image::Disk;
use trace::Trace;

/// Makes `the_writer_writes_only_where_it_is_recorded` write.
const WRITER: &str = "PORTCULLIS_POWER_WRITER";
/// Makes it open a store, and close it again.
const OPENER: &str = "PORTCULLIS_POWER_OPENER";
const DEFAULT_CUTS: usize = 40;
/// While a store is opened after a cut, the power is cut at so many moments.
const SECOND_CUTS: usize = 8;
const CONTROL_CUTS: usize = 40;

/// The recording that the tests share.
static RECORDING: LazyLock<Trace> = LazyLock::new(|| {
    Trace::parse(match env::var_os("PORTCULLIS_POWER_TRACE") {
        Some(path) => fs::read(path).expect("PORTCULLIS_POWER_TRACE is readable"),
        None => {
            let root = scratch();
            record(WRITER, root.path())
        }
    })
});

#[test]
fn the_writer_writes_only_where_it_is_recorded() {
    if let Some(root) = env::var_os(WRITER) {
        workload::write(Path::new(&root));
    }
    if let Some(root) = env::var_os(OPENER) {
        workload::reopen(Path::new(&root));
    }
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged_and_halves_no_commit() {
    let cuts = number("PORTCULLIS_POWER_CUTS").unwrap_or(DEFAULT_CUTS as u64) as usize;
    let seed = number("PORTCULLIS_POWER_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let tried = cut(&RECORDING, cuts, seed, 0);
    let (broken, survived) = (&tried.broken, cuts - tried.broken.len());
    println!(
        "{survived} of {cuts} cuts survived, of which {} hit a write in flight and {} the creation; {}",
        tried.in_flight,
        tried.in_creation,
        tried.shape()
    );
    if !broken.is_empty() {
        let told: Vec<String> = broken
            .iter()
            .map(|(at, broken)| format!("event {at}: {broken}"))
            .collect();
        panic!(
            "{survived} of {cuts} cuts survived. Again: PORTCULLIS_POWER_SEED={seed} PORTCULLIS_POWER_CUTS={cuts} \
             PORTCULLIS_POWER_TRACE={}\n{}",
            keep().display(),
            told.join("\n")
        );
    }
}

/// What sled does when it is opened after a cut is in no recording of a writer.
#[test]
fn a_power_cut_while_a_store_recovers_from_another_loses_nothing_either() {
    let cuts = number("PORTCULLIS_POWER_CUTS").unwrap_or(DEFAULT_CUTS as u64) as usize;
    let seed = number("PORTCULLIS_POWER_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let mut random = Random(seed);
    let history = Arc::new(RECORDING.history());
    let mut disk = Disk::new(&RECORDING, 0);
    let (mut done, mut tried, mut broken) = (0, 0, Vec::new());
    for place in places(&RECORDING, cuts.div_ceil(SECOND_CUTS), &mut random) {
        RECORDING.events[done..place].iter().for_each(|event| disk.step(event));
        done = place;
        let image = scratch();
        disk.cut(&mut random, image.path());
        let acknowledged = RECORDING.acknowledged(place).map(|(sequence, _)| sequence).max();
        for (again, outcome) in cut_again(image.path(), &history, acknowledged.unwrap_or(0), &mut random) {
            tried += 1;
            broken.extend(
                outcome
                    .err()
                    .map(|broken| format!("event {place}, then {again}: {broken}")),
            );
        }
    }
    println!("{} of {tried} second cuts survived", tried - broken.len());
    assert!(tried >= cuts, "{tried}");
    assert!(
        broken.is_empty(),
        "again: PORTCULLIS_POWER_SEED={seed} PORTCULLIS_POWER_CUTS={cuts} PORTCULLIS_POWER_TRACE={}\n{}",
        keep().display(),
        broken.join("\n")
    );
}

/// Opens the store that a cut has left, recorded, and cuts the power at moments of that.
fn cut_again(
    image: &Path,
    history: &Arc<Vec<u64>>,
    acknowledged: u64,
    random: &mut Random,
) -> Vec<(usize, Result<(), Broken>)> {
    // Recording changes the image, and the disk begins with what it was before.
    let none = Trace::parse(Vec::new());
    let mut before = Disk::holding(&none, image);
    let trace = Trace::parse(record(OPENER, image));
    before.play(&trace);
    let mut moments: Vec<usize> = (0..SECOND_CUTS).map(|_| random.below(trace.events.len() + 1)).collect();
    moments.sort_unstable();
    let mut done = 0;
    let mut outcomes = Vec::new();
    for moment in moments {
        trace.events[done..moment].iter().for_each(|event| before.step(event));
        done = moment;
        let left = scratch();
        before.cut(random, left.path());
        let outcome = check(left.path().join("store"), Arc::clone(history), acknowledged);
        outcomes.push((moment, outcome));
    }
    outcomes
}

/// Else the tests above would prove nothing.
#[test]
fn a_disk_that_answers_syncs_before_it_does_them_does_not_keep_what_was_acknowledged() {
    let tried = cut(&RECORDING, CONTROL_CUTS, 1, 8);
    let broken = tried.broken.len();
    println!("{broken} of {CONTROL_CUTS} cuts broke a store on such a disk");
    assert!(broken > 0, "all cuts were survived");
}

/// The cuts above find this too, but seldom: the snapshot is written once for each opening.
#[test]
fn a_snapshot_that_was_cut_short_does_not_keep_the_store_closed() {
    let folder = scratch();
    let store = folder.path().join("store");
    drop(portcullis::storage::disk::open(&store, workload::CACHE_BYTES).expect("a new store"));
    fs::write(store.join("snap.00000000FFFFFFFF.generating"), [0; 512]).expect("a torn snapshot");
    let opened = check(store, Arc::new(Vec::new()), 0);
    assert!(opened.is_ok(), "{opened:?}");
}

/// The writer above is linked like the host, but not the host.
#[test]
fn the_host_has_the_functions_that_sync_for_sled() {
    let binary = fs::read(portcullis_tests::binary()).expect("the binary is there");
    let binary = object::File::parse(&*binary).expect("the binary is a program");
    let from_libc: Vec<&str> = binary
        .dynamic_symbols()
        .filter(object::ObjectSymbol::is_undefined)
        .filter_map(|symbol| symbol.name().ok())
        .collect();
    for (replaced, called) in [("sync_file_range", "fdatasync"), ("rename", "renameat")] {
        assert!(!from_libc.contains(&replaced), "{replaced} is the C library's");
        assert!(from_libc.contains(&called), "{called} is not called in its place");
    }
}

/// What became of some cuts.
#[derive(Default)]
struct Tried {
    in_flight: usize,
    in_creation: usize,
    broken: Vec<(usize, Broken)>,
}

impl Tried {
    fn shape(&self) -> String {
        let written = RECORDING.events.iter().map(|event| match event {
            trace::Event::Write { bytes, .. } => bytes.len(),
            _ => 0,
        });
        let commits = RECORDING.history().len();
        let mib = written.sum::<usize>() >> 20;
        format!("{commits} commits, {mib} MiB in {} events", RECORDING.events.len())
    }
}

/// Cuts the power at random events of the recording, and looks at what is left.
fn cut(trace: &Trace, cuts: usize, seed: u64, pretends: usize) -> Tried {
    let mut random = Random(seed);
    let history = Arc::new(trace.history());
    let places = places(trace, cuts, &mut random);
    let mut disk = Disk::new(trace, pretends);
    let mut tried = Tried::default();
    let mut done = 0;
    for place in places {
        trace.events[done..place].iter().for_each(|event| disk.step(event));
        done = place;
        let image = scratch();
        disk.cut(&mut random, image.path());
        tried.in_flight += usize::from(disk.is_written());
        tried.in_creation += usize::from(place <= trace.created());
        let acknowledged = trace.acknowledged(place).map(|(sequence, _)| sequence).max();
        if let Err(broken) = check(
            image.path().join("store"),
            Arc::clone(&history),
            acknowledged.unwrap_or(0),
        ) {
            tried.broken.push((place, broken));
        }
    }
    tried
}

/// After how many events the cuts are, in order: one in five during the creation; the others mostly right behind a write.
fn places(trace: &Trace, cuts: usize, random: &mut Random) -> Vec<usize> {
    let writes: Vec<usize> = (0..trace.events.len())
        .filter(|&index| matches!(trace.events[index], trace::Event::Write { .. }))
        .collect();
    let mut place = |index: usize| match index % 5 {
        0 => random.below(trace.created()),
        1 => random.below(trace.events.len()),
        _ => writes[random.below(writes.len())],
    };
    let mut places: Vec<usize> = (0..cuts).map(|index| place(index) + 1).collect();
    places.sort_unstable();
    places
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Runs the writer, or the opener, on a folder and under the shim.
fn record(role: &str, root: &Path) -> Vec<u8> {
    let folder = scratch();
    let shim = build_shim(folder.path());
    let writer = Command::new(env::current_exe().expect("a test knows its own path"))
        .args(["--exact", "the_writer_writes_only_where_it_is_recorded"])
        .env(role, root)
        .env("LD_PRELOAD", shim)
        .env("PORTCULLIS_TRACE_ROOT", root)
        .env("PORTCULLIS_TRACE_FILE", folder.path().join("trace"))
        .output()
        .expect("the writer starts");
    let said = String::from_utf8_lossy(&writer.stdout);
    assert!(writer.status.success(), "the writer failed: {said}");
    fs::read(folder.path().join("trace")).expect("the shim has recorded")
}

fn build_shim(folder: &Path) -> PathBuf {
    let shim = folder.join("shim.so");
    let built = Command::new("gcc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .arg(&shim)
        .arg(repository().join("tests/power_cut/shim.c"))
        .arg("-ldl")
        .output()
        .unwrap_or_else(|error| {
            panic!("gcc does not start ({error}): install it, for instance with `apt-get install gcc`")
        });
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    shim
}

/// Keeps the recording, so that a failure can be played again.
fn keep() -> PathBuf {
    let kept = env::temp_dir().join(format!("portcullis-power-cut-{}.trace", std::process::id()));
    let _ = fs::write(&kept, RECORDING.raw());
    kept
}
