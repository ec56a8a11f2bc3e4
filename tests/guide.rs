//! The guide in `docs/`: that its chapters are whole, and that its links lead somewhere. Its code is
//! run as documentation tests of `elbo::guide`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use regex::Regex;

/// What every chapter has, in this order.
const SECTIONS: [&str; 9] = [
    "The question",
    "Derivation",
    "Shapes",
    "In the code",
    "An example",
    "A numeric check",
    "Pitfalls",
    "Sources",
    "Exercises",
];

/// Where a link by reference leads.
const DEFINITION: &str = r"(?m)^\[(`[^`\]]+`|chapter \d+)\]: (\S+)$";

struct Chapter {
    file: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

fn chapters() -> Vec<Chapter> {
    let names = fs::read_dir(root().join("docs")).unwrap();
    let mut files: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md") && name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    files.sort();
    files.into_iter().map(|file| Chapter { text: read(&format!("docs/{file}")), file }).collect()
}

fn index() -> Chapter {
    Chapter { file: "README.md".into(), text: read("docs/README.md") }
}

/// The groups that `pattern` finds in `text`.
fn find<'a>(pattern: &str, text: &'a str) -> Vec<Vec<&'a str>> {
    let pattern = Regex::new(pattern).unwrap();
    let groups = |found: regex::Captures<'a>| {
        found.iter().skip(1).map(|group| group.map_or("", |group| group.as_str())).collect()
    };
    pattern.captures_iter(text).map(groups).collect()
}

#[test]
fn chapters_are_numbered_as_they_are_named_and_all_are_rendered() {
    let (chapters, index, module) = (chapters(), read("docs/README.md"), read("src/guide/mod.rs"));
    assert_eq!(chapters.len(), 21);
    for (Chapter { file, text }, number) in chapters.iter().zip(1..) {
        assert!(file.starts_with(&format!("{number:02}-")), "{file}");
        assert!(text.starts_with(&format!("# {number}. ")), "{file}");
        let link = format!("[chapter {number}]: {file}\n");
        assert!(index.contains(&link), "docs/README.md does not lead to {file}");
        assert!(module.contains(file), "elbo::guide does not have {file}");
    }
}

#[test]
fn every_chapter_has_all_its_sections_and_answers_to_its_exercises() {
    for Chapter { file, text } in chapters() {
        let headings: Vec<&str> = find(r"(?m)^## (.*)$", &text).concat();
        assert_eq!(headings, SECTIONS, "{file}");
        let (_, exercises) = text.split_once("## Exercises").unwrap();
        let questions = find(r"(?m)^(\d)\. ", exercises).len();
        let answers = find("(<details><summary>Answer</summary>)", exercises).len();
        assert!(
            (2..=4).contains(&questions) && answers == questions,
            "{file}: {questions} {answers}"
        );
    }
}

#[test]
fn every_code_block_is_run_and_asserts_something() {
    for Chapter { file, text } in chapters() {
        let blocks = find(r"(?s)```(\w*)([^\n]*)\n(.*?)```", &text);
        assert!(blocks.iter().filter(|block| block[0] == "rust").count() >= 2, "{file}");
        for block in blocks {
            assert!(["rust", "math", "sh", "text"].contains(&block[0]), "{file}: {block:?}");
            assert_eq!(block[1], "", "{file}: a block that is not simply run");
            assert!(block[0] != "rust" || block[2].contains("assert"), "{file}: {}", block[2]);
        }
    }
}

/// Links are written by reference: `[`gaussian::kl`]`, `[chapter 2]`, `[title][chapter 2]`. In `docs/`
/// the definitions at the end of a chapter lead to the file that defines the item, in the rendered
/// guide those of `src/guide/links.md` to the item itself, which rustdoc checks.
#[test]
fn every_link_by_reference_is_defined_and_used_and_leads_to_what_it_names() {
    let links = read("src/guide/links.md");
    let rendered = definitions(&links);
    let definition = Regex::new(DEFINITION).unwrap();
    for Chapter { file, text } in chapters().into_iter().chain([index()]) {
        let defined = definitions(&text);
        let body = definition.replace_all(&text, "");
        let used = find(r"\[(`[^`\]]+`|chapter \d+)\](?:[^(\[]|$)", &body).concat();
        let used: BTreeSet<_> = used.into_iter().collect();
        let names: BTreeSet<_> = defined.keys().copied().collect();
        assert_eq!(used, names, "{file}: the links it uses and those it defines");
        for (name, path) in defined {
            assert!(rendered.contains_key(name), "{file}: src/guide/links.md lacks {name}");
            let chapter = name.strip_prefix("chapter ").map(|n| format!("{n:0>2}-"));
            let right = match chapter {
                Some(number) => path.starts_with(&number) && exists(path),
                None => defines(path, name.trim_matches('`')),
            };
            assert!(right, "{file}: {path} is not {name}");
        }
    }
}

/// The targets of a text's link definitions by name.
fn definitions(text: &str) -> BTreeMap<&str, &str> {
    let links = find(DEFINITION, text);
    links.into_iter().map(|link| (link[0], link[1])).collect()
}

/// Whether the source file at `path`, from `docs/`, defines the item whose path `name` ends it.
fn defines(path: &str, name: &str) -> bool {
    let item = name.rsplit("::").next().unwrap();
    let keyword = r"(?:fn|struct|enum|trait|mod|type|const|macro_rules!)";
    let definition = Regex::new(&format!(r"(?m){keyword} {}\b", regex::escape(item))).unwrap();
    let file = Path::new(path);
    let module =
        file.with_extension("").ends_with(item) || file.ends_with(format!("{item}/mod.rs"));
    exists(path) && (module || definition.is_match(&read(&format!("docs/{path}"))))
}

/// Whether there is a file at `path`, from `docs/`.
fn exists(path: &str) -> bool {
    root().join("docs").join(path).is_file()
}

/// Where the links of a text lead, but for the web and other places of the text itself.
fn paths(text: &str) -> Vec<&str> {
    let links = find(r"\]\(([^)\s]+)\)", text).concat().into_iter();
    let paths = links.filter(|path| !path.starts_with("https://") && !path.starts_with('#'));
    paths.map(|path| path.split('#').next().unwrap()).collect()
}

#[test]
fn every_other_link_and_figure_exists() {
    for Chapter { file, text } in chapters().into_iter().chain([index()]) {
        for path in paths(&text) {
            assert!(exists(path), "{file}: no {path}");
        }
    }
}

#[test]
fn the_links_of_every_readme_lead_somewhere() {
    for file in ["README.md", "docs/gallery.md", "recipes/README.md", "recipes/results/README.md"] {
        let (text, folder) = (read(file), root().join(file).parent().unwrap().to_owned());
        assert!(!paths(&text).is_empty());
        for path in paths(&text) {
            assert!(folder.join(path).exists(), "{file}: no {path}");
        }
    }
}

/// A lone dollar would pair with the next one; see `docs/README.md` on how mathematics is written.
#[test]
fn mathematics_is_written_between_dollars_with_backticks() {
    let written = Regex::new(r"(?s)```.*?```|\$`[^`]+`\$").unwrap();
    for Chapter { file, text } in chapters() {
        let prose = written.replace_all(&text, "");
        assert!(!prose.contains('$'), "{file}: {:?}", find(r"(.{0,30}\$.{0,30})", &prose));
    }
}
