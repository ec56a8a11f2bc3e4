//! Writes the small models in f64 that `tests/golden/vae.py` opens.

use std::path::Path;

use elbo::{
    layers::{Activation, Init},
    models::MlpVae,
    recipe::Recipe,
    training::save_model,
};

/// Name, hidden layers, latent dimensions, activation, batch: no hidden layer to three, each
/// activation, one latent dimension and one image, and widths that all differ.
const MODELS: [(&str, &[usize], usize, Activation, usize); 6] = [
    ("linear", &[], 1, Activation::Relu, 1),
    ("relu", &[9], 2, Activation::Relu, 5),
    ("sigmoid", &[7], 3, Activation::Sigmoid, 4),
    ("tanh", &[7, 5], 3, Activation::Tanh, 5),
    ("softplus", &[8, 6, 5], 2, Activation::Softplus, 3),
    ("deep-relu", &[11, 9, 8], 5, Activation::Relu, 17),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (name, hidden, latent, activation, batch_size) in MODELS {
        let recipe = Recipe {
            name: name.into(),
            hidden: hidden.to_vec(),
            latent,
            activation,
            batch_size,
            init: Init::Pytorch,
            image: Some([4, 3]),
            ..Recipe::default()
        };
        let mut model: MlpVae<f64> = recipe.mlp_vae();
        if name == "relu" {
            // One latent dimension beyond the bound on log σ².
            model.encoder.log_var.bias[0] = -25.0;
        }
        save_model(Path::new(&format!("tests/golden/{name}.safetensors")), &model, &recipe)?;
    }
    Ok(())
}
