//! Plants the faults of `tests/mutations.toml` one at a time, and shows which test catches each.
//!
//! ```text
//! cargo run --release --example mutation > docs/mutations.md
//! cargo run --release --example mutation -- adam kl     # those whose names contain one of these
//! ```
//!
//! A copy of the tree in `target/mutation/` is tested as it is, which must pass, then with each
//! fault. The tests are asked one file after the other until one fails. Standard output is the
//! table in Markdown; the exit status is 1 if a fault survived or did not compile.

mod list;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use list::Mutation;

/// The tests of one file, and how cargo is asked for them.
struct Suite {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// In the order in which they are asked, but for those that a fault says are to be first. The first here is
/// for faults in the kernels alone.
const SUITES: [Suite; 11] = [
    Suite { name: "kernels/tests/passes", arguments: &["-p", "elbo-kernels", "--test", "passes"] },
    Suite { name: "tests/gradients", arguments: &["--test", "gradients"] },
    Suite { name: "tests/golden", arguments: &["--test", "golden"] },
    Suite { name: "tests/layers", arguments: &["--test", "layers"] },
    Suite { name: "tests/likelihoods", arguments: &["--test", "likelihoods"] },
    Suite { name: "tests/truths", arguments: &["--test", "truths"] },
    Suite { name: "src", arguments: &["--lib"] },
    Suite { name: "tests/hostile_files", arguments: &["--test", "hostile_files"] },
    Suite { name: "tests/model_files", arguments: &["--test", "model_files"] },
    Suite { name: "tests/data_formats", arguments: &["--test", "data_formats"] },
    Suite { name: "tests/allocation", arguments: &["--test", "allocation", "claims"] },
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let wanted: Vec<String> = env::args().skip(1).collect();
    let copy = Copy::new()?;
    for suite in &SUITES {
        eprintln!("without a fault: {}", suite.name);
        let verdict = copy.run(suite)?;
        if verdict != Verdict::Passed {
            return Err(format!("without a fault, {}: {verdict:?}", suite.name).into());
        }
    }

    println!("{}", HEAD.trim_start());
    let mut missed = 0;
    for mutation in Mutation::all() {
        if !wanted.is_empty() && !wanted.iter().any(|part| mutation.name.contains(part)) {
            continue;
        }
        let end = copy.test(&mutation)?;
        missed += usize::from(!matches!(end, End::Caught { .. }));
        let Mutation { name, file, breaks, .. } = mutation;
        println!("| `{name}` | {file} | {breaks} | {end} |");
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const HEAD: &str = "
# Planted faults

Each row is a fault that was planted in a copy of the sources, alone, and the test that caught it.
The tests were asked one file after the other until one failed: for a fault in the kernels their own
tests first, then the gradient checks, PyTorch's numbers, the layers, the likelihoods, the truths, the
unit tests, and those of files. Where the list names tests for a fault, these were asked before all
others.
Written by

```text
cargo run --release --example mutation > docs/mutations.md
```

which takes its list from [tests/mutations.toml](../tests/mutations.toml) and fails if a fault
survives. `cargo test` holds that the list fits the sources.

| fault | in | what is wrong then | caught by |
| --- | --- | --- | --- |";

/// What became of a fault.
enum End {
    Caught { suite: &'static str, tests: Vec<String> },
    DidNotCompile,
    Survived,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Caught { suite, tests } => match tests.split_first() {
                Some((first, [])) => write!(f, "{suite}: {first}"),
                Some((first, others)) => write!(f, "{suite}: {first}, and {} more", others.len()),
                None => write!(f, "{suite}: stopped by a panic"),
            },
            End::DidNotCompile => write!(f, "DID NOT COMPILE"),
            End::Survived => write!(f, "SURVIVED"),
        }
    }
}

/// What a suite says.
#[derive(Debug, PartialEq)]
enum Verdict {
    Passed,
    DidNotCompile,
    /// The tests that failed, in their order.
    Caught(Vec<String>),
}

/// The copy of the sources that faults are planted in. It has a target folder of its own, so that
/// no build of a fault is ever found where a right one is expected.
struct Copy {
    folder: PathBuf,
}

impl Copy {
    fn new() -> Result<Self, Box<dyn Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/mutation/tree");
        mirror(root, &folder)?;
        Ok(Self { folder })
    }

    /// Plants the fault, asks the suites, and takes it out again.
    fn test(&self, mutation: &Mutation) -> Result<End, Box<dyn Error>> {
        let path = self.folder.join(&mutation.file);
        let source = fs::read_to_string(&path)?;
        let planted = mutation.plant(&source).ok_or_else(|| format!("no place: {mutation:?}"))?;
        eprintln!("{}", mutation.name);
        fs::write(&path, planted)?;
        let end = self.ask(mutation);
        fs::write(&path, source)?;
        end
    }

    fn ask(&self, Mutation { file, first, .. }: &Mutation) -> Result<End, Box<dyn Error>> {
        let suites = &SUITES[usize::from(!file.starts_with("kernels/"))..];
        let is_first = |suite: &&Suite| first.as_deref() == Some(suite.name);
        let others = suites.iter().filter(|suite| !is_first(suite));
        for suite in suites.iter().filter(is_first).chain(others) {
            match self.run(suite)? {
                Verdict::Passed => {}
                Verdict::DidNotCompile => return Ok(End::DidNotCompile),
                Verdict::Caught(tests) => return Ok(End::Caught { suite: suite.name, tests }),
            }
        }
        Ok(End::Survived)
    }

    fn run(&self, suite: &Suite) -> Result<Verdict, Box<dyn Error>> {
        let cargo = env::var("CARGO").unwrap_or("cargo".into());
        let features: &[&str] = match suite.name.starts_with("kernels/") {
            true => &[],
            false => &["--features", "files"],
        };
        let output = Command::new(cargo)
            .args(["test", "--locked", "--no-default-features", "--target-dir", "../target"])
            .args(features)
            .args(suite.arguments)
            .args(["--", "--test-threads", "1"])
            .current_dir(&self.folder)
            .output()?;
        if output.status.success() {
            return Ok(Verdict::Passed);
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        if messages.contains("could not compile") {
            return Ok(Verdict::DidNotCompile);
        }
        if !messages.contains("error: test failed") {
            return Err(format!("cargo test did not come to a verdict: {messages}").into());
        }
        let report = String::from_utf8_lossy(&output.stdout);
        Ok(Verdict::Caught(report.lines().filter_map(failed).collect()))
    }
}

/// The name in a line such as `test [2e-9] name ... FAILED`.
fn failed(line: &str) -> Option<String> {
    let name = line.strip_prefix("test ")?.strip_suffix("FAILED")?.trim_end_matches([' ', '.']);
    let without_kind = name.strip_prefix('[').and_then(|name| name.split_once(']'));
    Some(without_kind.map_or(name, |(_, name)| name).trim().to_owned())
}

/// Makes `to` a copy of the sources in `from`, without what was built and without hidden files. A
/// file that is the same already is not touched, so that cargo need not compile it again; one that is no
/// longer in `from` is removed.
fn mirror(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for copy in fs::read_dir(to)? {
        let (copy, name) = copy.map(|copy| (copy.path(), copy.file_name()))?;
        match (from.join(&name).exists(), copy.is_dir()) {
            (true, _) => {}
            (false, true) => fs::remove_dir_all(copy)?,
            (false, false) => fs::remove_file(copy)?,
        }
    }
    for entry in fs::read_dir(from)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let copy = to.join(&name);
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.is_dir() {
            mirror(&entry, &copy)?;
        } else if !copy.exists() || fs::read(&entry)? != fs::read(&copy)? {
            fs::copy(&entry, &copy)?;
        }
    }
    Ok(())
}
