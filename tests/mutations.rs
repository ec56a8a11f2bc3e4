//! The list of planted faults fits the sources, and the table in `docs/mutations.md` the list.
//! `examples/mutation` plants them.

#[path = "../examples/mutation/list.rs"]
mod list;

use std::{collections::HashSet, fs};

use list::Mutation;

#[test]
fn every_mutation_has_its_one_place_in_the_sources_and_changes_it() {
    for mutation in Mutation::all() {
        let source = fs::read_to_string(&mutation.file).unwrap();
        let planted = mutation.plant(&source);
        assert!(planted.is_some_and(|planted| planted != source), "{mutation:?}");
    }
}

#[test]
fn every_room_with_a_gradient_and_every_reader_of_files_has_faults_planted() {
    let all = Mutation::all();
    assert!(all.len() >= 170, "{}", all.len());
    for room in [
        "src/layers/dense.rs",
        "src/layers/activations.rs",
        "src/layers/mlp.rs",
        "src/layers/gated.rs",
        "src/layers/masked.rs",
        "src/distributions/",
        "src/objectives/",
        "src/models/encoder.rs",
        "src/models/decoder.rs",
        "src/models/vae.rs",
        "src/models/two_layer.rs",
        "src/models/iaf.rs",
        "src/models/autoregressive.rs",
        "src/models/vamp.rs",
        "src/models/conditional.rs",
        "src/models/completion.rs",
        "src/uses/completion/",
        "src/uses/repair/",
        "src/uses/semi/",
        "src/optim/",
        "kernels/src/adam.rs",
        "kernels/src/passes/",
        "src/data/formats/source.rs",
        "src/data/formats/npy",
        "src/data/formats/png_folder.rs",
        "src/training/run/model_file.rs",
        "src/training/run/checkpoint.rs",
        "src/training/run/checksum.rs",
        "src/uses/anomaly/calibration.rs",
    ] {
        assert!(all.iter().any(|mutation| mutation.file.starts_with(room)), "{room}");
    }
}

#[test]
fn the_table_has_a_row_for_every_mutation_and_all_are_caught() {
    let table = fs::read_to_string("docs/mutations.md").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let all = Mutation::all();
    assert_eq!(rows.len(), all.len());
    for (row, Mutation { name, file, breaks, first, .. }) in rows.iter().zip(all) {
        let start = format!("| `{name}` | {file} | {breaks} | ");
        let caught_by = row.strip_prefix(&start).expect(&start);
        assert!(caught_by.contains("tests/") || caught_by.starts_with("src"), "{row}");
        assert!(first.is_none_or(|first| caught_by.starts_with(&first)), "{row}");
    }
}

#[test]
fn no_two_mutations_share_a_name() {
    let names: HashSet<String> =
        Mutation::all().into_iter().map(|mutation| mutation.name).collect();
    assert_eq!(names.len(), Mutation::all().len());
}
