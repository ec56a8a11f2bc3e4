//! Writes `tests/golden/model.safetensors`, the small model in f64 that `tests/golden/vae.py` opens.

use std::path::Path;

use elbo::{
    layers::{Activation, Init},
    models::MlpVae,
    recipe::Recipe,
    training::save_model,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = Recipe {
        name: "golden".into(),
        hidden: vec![7, 5],
        latent: 3,
        activation: Activation::Tanh,
        init: Init::Pytorch,
        image: Some([4, 3]),
        ..Recipe::default()
    };
    let model: MlpVae<f64> = recipe.model();
    save_model(Path::new("tests/golden/model.safetensors"), &model, &recipe)?;
    Ok(())
}
