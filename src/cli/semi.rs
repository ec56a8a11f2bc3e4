//! `elbo semi`: learning from few labels and many images without.

use std::{ops::ControlFlow, path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    common::{DATA_HELP, Usage, parse_positive, print, print_json, say},
    published::{few_labels, is_mnist_test},
};
use crate::{
    data::{self, Dataset, Part, View, stratified},
    distributions::{Likelihood, bernoulli::Bernoulli, pixel_variance::PixelVariance},
    generation::Generate,
    layers::{Activation, Init, Mlp},
    models::{Decoder, MlpVae},
    objectives::Elbo,
    optim::{Optimiser, Settings},
    parameters::Parameters,
    random::{self, Purpose},
    training::Trainer,
    uses::semi::{
        Classifier, Examples, Latents, M2Settings, M2Trainer, MlpM2, accuracy, fit_classifier,
    },
};

/// Learn to classify from few labels and from images without
///
/// N training images keep their labels, as many of each class; of the others only the pixels are looked at. Then
/// every test image is classified. Beside the model stands a network of the same shape that has learned from the
/// N labelled images alone.
#[derive(Debug, Args)]
#[command(after_help = REFERENCES)]
pub struct Arguments {
    /// How many training images keep their labels
    #[arg(long, value_name = "N", default_value_t = 100)]
    labels: usize,
    /// Which model
    #[arg(long, value_enum, default_value_t = Model::M2)]
    model: Model,
    /// A folder with MNIST's four IDX files (plain or .gz), .npy arrays, or PNG files
    #[arg(long, value_name = "DIR", default_value = "data/mnist", long_help = DATA_HELP)]
    data: PathBuf,
    /// Passes over the images
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Those of M1's VAE, of whose codes M1+M2 is a model [default: as many]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    m1_epochs: Option<u32>,
    /// Width of the hidden layer of each network
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..))]
    hidden: u16,
    /// Dimensions of the latent spaces
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    latent: u16,
    /// Images without a label in each step
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// α, the weight of the mean of ln q(y|x) over the labelled images, beside bounds in nats per image
    /// [default: 60 for M2, 1 for M1+M2; of Kingma et al. 0.1]
    #[arg(long, value_name = "A", value_parser = parse_positive)]
    alpha: Option<f64>,
    /// The weight of the mean bound of the labelled images, beside that of the others [default: 1 for M2, for
    /// M1+M2 their share of all images, as Kingma et al. have it]
    #[arg(long, value_name = "W", value_parser = parse_positive)]
    labelled_weight: Option<f64>,
    /// α of Adam
    #[arg(long, value_name = "A", default_value = "1e-3", value_parser = parse_positive)]
    learning_rate: f64,
    /// Seed of all randomness, the choice of labels included
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// The models of Kingma et al. 2014.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
enum Model {
    /// A VAE, and a classifier of its codes
    M1,
    /// A VAE whose latent variables include the label
    M2,
    /// M2 of the codes of M1
    M1m2,
}

const REFERENCES: &str = "\
Published, on MNIST with 100 / 600 / 1000 / 3000 labels:
  M2      error 11.97 / 4.94 / 3.60 / 3.92 %, M1+M2 3.33 / 2.59 / 2.40 / 2.18 % (Kingma et al. 2014, table 1)
  M2      accuracy .932 / .944 / .949 / .958, its classifier alone .771 / .872 / .886 / .911 (an example of Pyro)";

#[derive(Serialize)]
struct Report {
    model: Model,
    labels: usize,
    train_images: usize,
    test_images: usize,
    classes: usize,
    epochs: u32,
    alpha: f64,
    labelled_weight: Option<f64>,
    seed: u64,
    /// Of the test images.
    accuracy: f64,
    /// Of the same by a network that has seen the labelled images alone.
    baseline_accuracy: f64,
    /// Published test errors of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
}

impl Arguments {
    /// α, and the weight of the labelled images' bound where it is not their share.
    fn weights(&self) -> (f64, Option<f64>) {
        let (alpha, weight) = match self.model {
            Model::M2 => (60.0, Some(1.0)),
            Model::M1 | Model::M1m2 => (1.0, None),
        };
        (self.alpha.unwrap_or(alpha), self.labelled_weight.or(weight))
    }

    /// Refuses options of another model.
    fn refuse_unused(&self) -> Result<(), Usage> {
        let unused = match self.model {
            Model::M2 => vec![("--m1-epochs", self.m1_epochs.is_some())],
            Model::M1 => vec![
                ("--alpha", self.alpha.is_some()),
                ("--labelled-weight", self.labelled_weight.is_some()),
            ],
            Model::M1m2 => vec![],
        };
        match unused.iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((option, _)) => {
                let name = self.model.to_possible_value();
                let name = name.map_or(String::new(), |value| value.get_name().to_owned());
                Err(Usage::new(format!("{option} has no effect with --model {name}")))
            }
        }
    }
}

/// The images, and which of them keep their labels.
struct Task<'a> {
    arguments: &'a Arguments,
    train: &'a Dataset,
    test: &'a Dataset,
    labels: [&'a [u8]; 2],
    labelled: Vec<usize>,
    classes: usize,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    arguments.refuse_unused()?;
    let [train, test] =
        [data::load(&arguments.data, Part::Train)?, data::load(&arguments.data, Part::Test)?];
    let task = Task::new(arguments, &train, &test)?;
    say(format_args!(
        "{} of {} images keep their labels, of {} classes",
        task.labelled.len(),
        train.images.len(),
        task.classes
    ));
    let baseline_accuracy = task.baseline();
    say(format_args!("labels alone: test accuracy {baseline_accuracy:.4}"));
    let accuracy = match arguments.model {
        Model::M1 => task.m1()?,
        Model::M2 => {
            let views = task.views();
            task.m2(Bernoulli, train.images.pixels_per_image(), [&views[0], &views[1]])?
        }
        Model::M1m2 => {
            let [train, test] = task.codes()?;
            task.m2(PixelVariance, train.width(), [&train, &test])?
        }
    };
    let report = Report {
        model: arguments.model,
        labels: task.labelled.len(),
        train_images: train.images.len(),
        test_images: test.images.len(),
        classes: task.classes,
        epochs: arguments.epochs,
        alpha: arguments.weights().0,
        labelled_weight: arguments.weights().1,
        seed: arguments.seed,
        accuracy,
        baseline_accuracy,
        published: published(arguments.model, task.labelled.len(), &test),
    };
    if arguments.json { print_json(&report) } else { print_text(&report) }
}

/// The published test errors of a model of MNIST with so many labels, where there are any.
fn published(model: Model, labels: usize, test: &Dataset) -> Option<String> {
    let is_stacked = model == Model::M1m2;
    let is_published = model != Model::M1 && is_mnist_test(&test.images);
    is_published.then(|| few_labels(labels, is_stacked))?
}

fn print_text(report: &Report) -> Result<()> {
    let percent = |accuracy: f64| format!("{:6.2} %", 100.0 * (1.0 - accuracy));
    let published = report.published.as_ref();
    print(&format!(
        "labels                {:>8}\ntest error            {}\n  of labels alone     {}\n{}",
        report.labels,
        percent(report.accuracy),
        percent(report.baseline_accuracy),
        published.map_or(String::new(), |errors| format!("  published             {errors}\n"))
    ))
}

impl<'a> Task<'a> {
    fn new(arguments: &'a Arguments, train: &'a Dataset, test: &'a Dataset) -> Result<Self> {
        let folder = || format!("in {}", arguments.data.display());
        let labels = |data: &'a Dataset, part: Part| {
            let labels = data.labels.as_deref();
            labels.with_context(|| {
                format!("{}: the {part} images have no labels", arguments.data.display())
            })
        };
        let [of_train, of_test] = [labels(train, Part::Train)?, labels(test, Part::Test)?];
        let classes = train.classes().with_context(folder)?;
        test.check_labels(classes).with_context(folder)?;
        if (train.images.height(), train.images.width())
            != (test.images.height(), test.images.width())
        {
            bail!("{}: training and test images differ in size", arguments.data.display());
        }
        let labelled =
            stratified(of_train, arguments.labels, arguments.seed).map_err(Usage::new)?;
        if labelled.is_empty() || labelled.len() == of_train.len() {
            return Err(Usage::new(format!(
                "--labels is {}, and must leave some of the {} images without: 1 to {}",
                arguments.labels,
                of_train.len(),
                of_train.len() - 1
            ))
            .into());
        }
        Ok(Self { arguments, train, test, labels: [of_train, of_test], labelled, classes })
    }

    fn views(&self) -> [View<'a>; 2] {
        [View::new(&self.train.images, Part::Train), View::new(&self.test.images, Part::Test)]
    }

    fn optimiser<P: Parameters<f32>>(&self, model: &P) -> Optimiser<P> {
        Optimiser::new(model, &Settings::adam(self.arguments.learning_rate))
    }

    /// A fresh q(y|x) of so many inputs.
    fn classifier(&self, inputs: usize) -> Classifier<f32> {
        let rng = &mut random::rng(self.arguments.seed, Purpose::Init, 2, 0);
        let (hidden, init) = ([usize::from(self.arguments.hidden)], Init::Pytorch);
        let hidden = Mlp::new(inputs, &hidden, Activation::Softplus, init, rng);
        Decoder::new(hidden, self.classes, init, rng)
    }

    /// The test accuracy of a classifier that has learned these examples with labels, and no others.
    fn supervised(&self, inputs: usize, [train, test]: [&impl Examples<f32>; 2]) -> f64 {
        let mut classifier = self.classifier(inputs);
        let mut optimiser = self.optimiser(&classifier);
        let (batch, seed) = (usize::from(self.arguments.batch_size), self.arguments.seed);
        // As many steps as ten epochs of all images would have, but of few labels no more than a thousand.
        let steps = (10 * self.train.images.len()).div_ceil(batch).min(1000);
        let epochs = steps.div_ceil(self.labelled.len().div_ceil(batch)) as u64;
        let labels = self.labels[0];
        let (labelled, plan) = (&self.labelled, (batch, seed));
        fit_classifier(&mut classifier, train, labelled, labels, epochs, &mut optimiser, plan);
        let all: Vec<usize> = (0..self.labels[1].len()).collect();
        accuracy(&classifier, test, &all, self.labels[1])
    }

    fn baseline(&self) -> f64 {
        let views = self.views();
        self.supervised(self.train.images.pixels_per_image(), [&views[0], &views[1]])
    }

    fn m1(&self) -> Result<f64> {
        let [train, test] = self.codes()?;
        Ok(self.supervised(train.width(), [&train, &test]))
    }

    /// The codes that M1, a VAE of all training images, has of them and of the test images.
    fn codes(&self) -> Result<[Latents; 2]> {
        let Arguments { hidden, latent, batch_size, learning_rate, seed, .. } = *self.arguments;
        let pixels = self.train.images.pixels_per_image();
        let rng = &mut random::rng(seed, Purpose::Init, 1, 0);
        let (hidden, latent) = ([usize::from(hidden)], usize::from(latent));
        let (softplus, init) = (Activation::Softplus, Init::Pytorch);
        let vae = MlpVae::<f32>::mlp(pixels, &hidden, latent, softplus, init, rng);
        let [train, test] = self.views();
        let mut trainer =
            Trainer::new(vae, Elbo, train, usize::from(batch_size), learning_rate, seed);
        let epochs = self.arguments.m1_epochs.unwrap_or(self.arguments.epochs);
        for epoch in 1..=epochs {
            let started = Instant::now();
            if let Some(figures) = trainer.epoch(|_| ControlFlow::Continue(()))? {
                say(format_args!(
                    "M1 epoch {epoch:>3}/{epochs}  train elbo {:.3}   {:.1} s",
                    figures.elbo,
                    started.elapsed().as_secs_f64()
                ));
            }
        }
        let [of_train, of_test] = [train, test]
            .map(|view| trainer.model.posterior(view, &view.indices().collect::<Vec<_>>()));
        let [train, test] = [&of_train, &of_test].map(|codes| Latents::new(codes, &of_train, seed));
        if train.width() == 0 {
            bail!("the VAE uses none of its latent dimensions; more --epochs usually help");
        }
        say(format_args!("M1 uses {} of {latent} dimensions", train.width()));
        Ok([train, test])
    }

    /// The test accuracy of M2's classifier.
    fn m2<L: Likelihood<f32>>(
        &self,
        likelihood: L,
        inputs: usize,
        [train, test]: [&impl Examples<f32>; 2],
    ) -> Result<f64> {
        let Arguments { hidden, latent, batch_size, seed, epochs, .. } = *self.arguments;
        let (alpha, labelled_weight) = self.arguments.weights();
        let rng = &mut random::rng(seed, Purpose::Init, 0, 0);
        let (hidden, latent) = ([usize::from(hidden)], usize::from(latent));
        let (softplus, init) = (Activation::Softplus, Init::Pytorch);
        let sizes = [inputs, self.classes];
        let model = MlpM2::mlp_with(likelihood, sizes, &hidden, latent, softplus, init, rng)
            .hidden_layers_small(rng);
        let optimiser = self.optimiser(&model);
        let batch = usize::from(batch_size);
        let settings =
            M2Settings { unlabelled: batch, labelled: batch, alpha, labelled_weight, seed };
        let labels = (self.labels[0], &self.labelled[..]);
        let mut trainer = M2Trainer::new(model, optimiser, train, labels, settings);
        let all: Vec<usize> = (0..self.labels[1].len()).collect();
        let mut reached = 0.0;
        for epoch in 1..=epochs {
            let started = Instant::now();
            let figures = trainer.epoch(|_| ()).map_err(|step| {
                anyhow::anyhow!(
                    "the objective is no longer finite at step {step} of epoch {epoch}; a smaller \
                     --learning-rate usually helps"
                )
            })?;
            let seconds = started.elapsed().as_secs_f64();
            reached = accuracy(&trainer.model.classifier, test, &all, self.labels[1]);
            say(format_args!(
                "M2 epoch {epoch:>3}/{epochs}  objective {:>9.3}  unlabelled {:>9.3}  labelled {:>9.3}  \
                 ln q(y|x) {:>7.4}   test accuracy {reached:.4}   {seconds:.1} s",
                figures.objective, figures.unlabelled, figures.labelled, figures.log_q
            ));
        }
        Ok(reached)
    }
}
