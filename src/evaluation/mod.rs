//! What a trained model is worth, and what its latent space looks like.

pub mod pca;
