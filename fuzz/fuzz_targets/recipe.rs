//! Recipes: files, and a line of them at a time as an override. What is valid has a TOML of its own, which is
//! read back, and a small one has a model.
#![no_main]

use std::fs;

use elbo::{parameters::Parameters, recipe::Recipe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let name = format!("elbo-fuzz-{}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    let read = |text: &str| {
        fs::write(&path, text).expect("a temporary folder that can be written");
        Recipe::find(path.to_str().expect("a path of this machine"))
    };
    if let Ok(recipe) = read(text)
        && recipe.validate().is_ok()
    {
        assert_eq!(read(&recipe.to_toml()).expect("what was written"), recipe);
        let count = recipe.parameter_count();
        let is_small = recipe.image.is_some_and(|[height, width]| height * width < 10_000)
            && recipe.class_count().is_some();
        if let Some(count) = count.filter(|&count| is_small && count < 100_000) {
            assert_eq!(recipe.model::<f32>().parameter_count(), count);
        }
        recipe.objective();
    }
    let _ = text.lines().take(8).try_fold(Recipe::default(), |recipe, line| recipe.with(line));
});
