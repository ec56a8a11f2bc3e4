//! Why a recipe cannot be used.

use std::path::PathBuf;

use super::BUILT_IN;

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Neither a built-in name nor a file.
    #[error(
        "there is no recipe `{name}`: built in are {}; a recipe of your own is a path that ends in \
         .toml",
        built_in_names()
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file could not be read.
    #[error("cannot read the recipe {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not TOML.
    #[error("the recipe {origin} is not valid: {message}")]
    Syntax {
        /// A file or a built-in name.
        origin: String,
        /// Where and what.
        message: String,
    },
    /// Unknown keys, values of another type, and with them all other faults of the file.
    #[error("the recipe {origin} is not valid: {}", faults.join("; "))]
    Parse {
        /// A file or a built-in name.
        origin: String,
        /// One sentence each.
        faults: Vec<String>,
    },
    /// An override that is no `key=value` of a recipe.
    #[error("`{assignment}` does not set a field of the recipe: {message}")]
    Override {
        /// What was given.
        assignment: String,
        /// What is wrong with it.
        message: String,
    },
    /// Values that make no sense, all of them.
    #[error("the recipe cannot be run: {}", faults.join("; "))]
    Invalid {
        /// One sentence each.
        faults: Vec<String>,
    },
}

fn built_in_names() -> String {
    BUILT_IN.map(|(name, _)| name).join(", ")
}
