//! Writes the small models in f64 that `tests/golden/vae.py` opens.

use std::path::Path;

use elbo::{
    layers::{Activation, Init},
    models::MlpVae,
    recipe::Recipe,
    training::save_model,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (hidden, latent, activation) in
        [(vec![7, 5], 3, Activation::Tanh), (vec![9], 2, Activation::Relu)]
    {
        let name = format!("{activation:?}").to_lowercase();
        let recipe = Recipe {
            name: name.clone(),
            hidden,
            latent,
            activation,
            init: Init::Pytorch,
            image: Some([4, 3]),
            ..Recipe::default()
        };
        let mut model: MlpVae<f64> = recipe.model();
        if activation == Activation::Relu {
            // One latent dimension beyond the bound on log σ².
            model.encoder.log_var.bias[0] = -25.0;
        }
        save_model(Path::new(&format!("tests/golden/{name}.safetensors")), &model, &recipe)?;
    }
    Ok(())
}
