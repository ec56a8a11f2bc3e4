//! The list of mutations, `tests/mutations.toml`.

use serde::Deserialize;

/// A fault to plant: in `file`, the one place of `find` becomes `replace`.
#[derive(Debug, Deserialize)]
pub struct Mutation {
    pub name: String,
    pub file: String,
    pub find: String,
    pub replace: String,
    /// What is wrong then.
    pub breaks: String,
    /// The tests that are asked before all others, where those are far down the list.
    pub first: Option<String>,
}

#[derive(Deserialize)]
struct List {
    mutation: Vec<Mutation>,
}

impl Mutation {
    /// The whole list, in its order.
    pub fn all() -> Vec<Mutation> {
        let list: List = toml::from_str(include_str!("../../tests/mutations.toml"))
            .expect("tests/mutations.toml is a list of mutations");
        list.mutation
    }

    /// `source` with the fault planted, or nothing if `find` is not in exactly one place.
    pub fn plant(&self, source: &str) -> Option<String> {
        let places = source.matches(&self.find).count();
        (places == 1).then(|| source.replacen(&self.find, &self.replace, 1))
    }
}
