//! The models that the benchmarks train, and one step of their training.

use std::path::Path;

use elbo::{
    data::{self, Images, Part},
    layers::{Activation, Mlp},
    models::{Decoder, MlpVae, Workspace},
    objectives::{Elbo, Figures},
    optim::Adam,
    parameters::Parameters,
    random::{self, Purpose},
    recipe::Recipe,
};

type MlpWorkspace = Workspace<f32, Mlp<f32>, Decoder<f32, Mlp<f32>>>;

/// Nats per image of a decoder that knows nothing: every pixel is a fair coin.
pub const KNOWS_NOTHING: f64 = -784.0 * std::f64::consts::LN_2;

/// The training images of MNIST.
pub fn mnist() -> Images {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist");
    data::load(&folder, Part::Train).expect("MNIST is in data/mnist").images
}

/// The built-in recipes, and a deeper network with small batches.
pub fn workloads() -> [Recipe; 3] {
    let built_in = |name| Recipe::find(name).expect("it is built in");
    let tanh = Recipe {
        name: "tanh".into(),
        hidden: vec![200, 200],
        latent: 50,
        activation: Activation::Tanh,
        batch_size: 20,
        ..Recipe::default()
    };
    [built_in("tutorial"), built_in("pytorch-example"), tanh].map(on_mnist)
}

/// One hidden layer, 20 latent dimensions.
pub fn one_layer(hidden: usize, batch_size: usize) -> Recipe {
    let name = format!("hidden {hidden}");
    on_mnist(Recipe { name, hidden: vec![hidden], latent: 20, batch_size, ..Recipe::default() })
}

fn on_mnist(recipe: Recipe) -> Recipe {
    Recipe { image: Some([28, 28]), ..recipe }
}

/// `784-400-20`.
pub fn network(recipe: &Recipe) -> String {
    let hidden: String = recipe.hidden.iter().map(|width| format!("{width}-")).collect();
    format!("{}-{hidden}{}", recipe.pixel_count().unwrap_or(0), recipe.latent)
}

/// A model in training, as the library's trainer has it, one step at a time.
pub struct Training<'a> {
    images: &'a Images,
    order: Vec<usize>,
    batch_size: usize,
    start: usize,
    seed: u64,
    /// The model.
    pub vae: MlpVae<f32>,
    adam: Adam<MlpVae<f32>>,
    gradient: MlpVae<f32>,
    workspace: MlpWorkspace,
}

impl<'a> Training<'a> {
    pub fn new(recipe: &Recipe, images: &'a Images) -> Self {
        let vae = recipe.mlp_vae();
        let mut order = vec![0; images.len()];
        random::shuffle(&mut order, recipe.seed, 1);
        Self {
            images,
            order,
            batch_size: recipe.batch_size,
            start: 0,
            seed: recipe.seed,
            adam: Adam::new(&vae, recipe.learning_rate),
            gradient: vae.zeros_like(),
            workspace: vae.workspace(recipe.batch_size),
            vae,
        }
    }

    /// Bytes -> floats, noise, forward, backward, Adam.
    pub fn step(&mut self) -> Figures {
        let indices = &self.order[self.start..self.start + self.batch_size];
        let (w, d) = (&mut self.workspace, &mut self.gradient);
        self.images.gather(indices, &mut w.signals.x);
        let noise = indices.iter().copied();
        random::fill_normal(&mut w.signals.eps, self.seed, Purpose::TrainNoise, 1, noise);
        let figures = self.vae.gradient(&Elbo, w, d);
        self.adam.step(&mut self.vae, d);
        let next = self.start + self.batch_size;
        self.start = if next + self.batch_size > self.order.len() { 0 } else { next };
        figures
    }

    /// Multiply-adds in the matrix products of a step.
    pub fn multiply_adds(&self) -> usize {
        self.batch_size * self.vae.multiply_adds_per_image()
    }
}
