//! Recipes: TOML in and out, overrides, and faults.

use elbo::{
    data::Treatment,
    distributions::bernoulli::Bernoulli,
    generation::Manifold,
    layers::{Activation, Init},
    models::{Given, MlpTwoLayer, Model},
    objectives::{Estimator, WarmUp},
    optim::{Schedule, Stage},
    parameters::{ModelPart, Parameters},
    random::{self, Purpose},
    recipe::{
        BUILT_IN, Bound, MAX_CLASSES, MAX_FLOW_STEPS, MAX_HIDDEN_LAYERS, MAX_WIDTH, Origin,
        OutputBias, Prior, Recipe, RecipeError,
    },
};
use proptest::prelude::*;

/// What TOML makes of a recipe and back.
fn through_toml(recipe: &Recipe) -> Recipe {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, recipe.to_toml()).unwrap();
    Recipe::find(path.to_str().unwrap()).unwrap()
}

fn faults(recipe: &Recipe) -> Vec<String> {
    match recipe.validate() {
        Ok(()) => vec![],
        Err(RecipeError::Invalid { faults }) => faults,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_built_in_recipe_is_valid_named_as_it_is_found_and_survives_toml() {
    for (name, _) in BUILT_IN {
        let recipe = Recipe::find(name).unwrap();
        assert_eq!(recipe.name, name);
        assert_eq!(faults(&recipe), [""; 0]);
        assert_eq!(through_toml(&recipe), recipe);
    }
    assert_eq!(Recipe::find("tutorial").unwrap(), Recipe::default());
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let activation = prop_oneof![
        Just(Activation::Relu),
        Just(Activation::Tanh),
        Just(Activation::Sigmoid),
        Just(Activation::Softplus)
    ];
    let init =
        prop_oneof![Just(Init::Glorot), Just(Init::He), Just(Init::Small), Just(Init::Pytorch)];
    let network = (prop::collection::vec(1..20usize, 0..4), 1..9usize, activation, init);
    let training = (1..1000u64, 1..1000usize, 1e-9..1.0, 0..=i64::MAX as u64);
    let manifold = prop_oneof![Just(Manifold::Quantiles), Just(Manifold::Square)];
    let image = prop::option::of([1..9usize, 1..9]);
    let name = "[a-z \"'#=é]{1,9}";
    let plain = (name, network, training, manifold, image, objective(), optimisation()).prop_map(
        |(name, (hidden, latent, activation, init), training, manifold, image, bound, by)| {
            let (epochs, batch_size, learning_rate, seed) = training;
            let (objective, samples, beta, warm_up, free_bits, estimator, pixels) = bound;
            let (schedule, epsilon, second_moment, clip_norm, validation, output_bias) = by;
            Recipe {
                objective,
                samples,
                beta,
                warm_up,
                free_bits,
                estimator,
                pixels,
                schedule,
                epsilon,
                second_moment,
                clip_norm,
                validation,
                patience: validation as u64 / 2,
                output_bias,
                name,
                hidden,
                latent,
                activation,
                init,
                epochs,
                batch_size,
                learning_rate,
                seed,
                manifold,
                image,
                ..Recipe::default()
            }
        },
    );
    (plain, extension()).prop_map(|(recipe, extension)| match extension {
        Extension::None { gated } => Recipe { gated, ..recipe },
        Extension::VampPrior { gated, pseudo_inputs } => {
            Recipe { gated, prior: Prior::VampPrior, pseudo_inputs, ..sampled(recipe) }
        }
        Extension::TwoLayers { gated, hidden2, latent2 } => {
            Recipe { gated, hidden2, latent2, ..sampled(recipe) }
        }
        Extension::Flow { gated, flow_steps, flow_width } => {
            let flow_width = flow_width.max(recipe.latent);
            Recipe { gated, flow_steps, flow_width, ..sampled(recipe) }
        }
        Extension::Labels { gated, classes } => {
            Recipe { gated, conditional: true, classes, ..recipe }
        }
        Extension::Given { gated, given } => {
            let image = recipe.image.filter(|&image| given.sizes(image).is_ok());
            Recipe { gated, given, image, ..recipe }
        }
    })
}

/// What makes another model of a VAE.
#[derive(Clone, Debug)]
enum Extension {
    None { gated: bool },
    VampPrior { gated: bool, pseudo_inputs: usize },
    TwoLayers { gated: bool, hidden2: Vec<usize>, latent2: usize },
    Flow { gated: bool, flow_steps: usize, flow_width: usize },
    Labels { gated: bool, classes: Option<usize> },
    Given { gated: bool, given: Given },
}

fn extension() -> impl Strategy<Value = Extension> {
    let hidden2 = prop::collection::vec(1..9usize, 0..3);
    prop_oneof![
        any::<bool>().prop_map(|gated| Extension::None { gated }),
        (any::<bool>(), 1..9usize)
            .prop_map(|(gated, pseudo_inputs)| Extension::VampPrior { gated, pseudo_inputs }),
        (any::<bool>(), hidden2, 1..9usize).prop_map(|(gated, hidden2, latent2)| {
            Extension::TwoLayers { gated, hidden2, latent2 }
        }),
        (any::<bool>(), 1..=MAX_FLOW_STEPS, 1..9usize).prop_map(
            |(gated, flow_steps, flow_width)| Extension::Flow { gated, flow_steps, flow_width }
        ),
        (any::<bool>(), prop::option::of(1..=MAX_CLASSES))
            .prop_map(|(gated, classes)| Extension::Labels { gated, classes }),
        (
            any::<bool>(),
            prop_oneof![(1..4u8).prop_map(Given::Quadrants), (2..5u8).prop_map(Given::Pooled)]
        )
            .prop_map(|(gated, given)| Extension::Given { gated, given }),
    ]
}

/// Without what needs the divergence in closed form, or the score of a Gaussian.
fn sampled(recipe: Recipe) -> Recipe {
    Recipe { free_bits: 0.0, estimator: Estimator::Total, ..recipe }
}

type Objective = (Bound, usize, f64, WarmUp, f64, Estimator, Treatment);

fn objective() -> impl Strategy<Value = Objective> {
    let pixels =
        prop_oneof![Just(Treatment::Grey), Just(Treatment::Binarised), Just(Treatment::Fixed)];
    let warm_up =
        prop_oneof![Just(WarmUp::None), (1..99u64).prop_map(|epochs| WarmUp::Linear { epochs })];
    let elbo = (0.0..9.0, warm_up, 0.0..2.0).prop_map(|(beta, warm_up, free_bits)| {
        (Bound::Elbo, beta, warm_up, free_bits, Estimator::Total)
    });
    let estimator =
        prop_oneof![Just(Estimator::Total), Just(Estimator::Stl), Just(Estimator::Dreg)];
    let iwae = estimator.prop_map(|estimator| (Bound::Iwae, 1.0, WarmUp::None, 0.0, estimator));
    (prop_oneof![elbo, iwae], 1..50usize, pixels).prop_map(
        |((objective, beta, warm_up, free_bits, estimator), samples, pixels)| {
            (objective, samples, beta, warm_up, free_bits, estimator, pixels)
        },
    )
}

type Optimisation = (Schedule, f64, f64, f64, usize, OutputBias);

fn optimisation() -> impl Strategy<Value = Optimisation> {
    let schedule = prop_oneof![
        Just(Schedule::Constant),
        (1..9u64, 0.1..1.0)
            .prop_map(|(at, factor)| Schedule::Milestones { at: vec![at, at + 3], factor }),
        (1..9u64, 1e-6..1.0).prop_map(|(epochs, learning_rate)| {
            let last = Stage { epochs: 1000, learning_rate: learning_rate / 3.0 };
            Schedule::Stages(vec![Stage { epochs, learning_rate }, last])
        }),
    ];
    let bias = prop_oneof![Just(OutputBias::Init), Just(OutputBias::Data)];
    (schedule, 1e-9..1.0, 0.0..1.0, 0.0..5.0, 0..99usize, bias)
}

type Transfer = (ModelPart, usize, Option<Origin>);

fn transfer() -> impl Strategy<Value = Transfer> {
    use ModelPart::{All, Decoder, Encoder, None};
    let freeze = prop::sample::select(vec![None, Encoder, Decoder]);
    let part = prop::sample::select(vec![Encoder, Decoder, All]);
    let origin = ("[a-z /\\\\\"'.]{1,9}", part, prop::option::of(any::<u32>()));
    let origin = origin.prop_map(|(model, part, crc32)| Origin { model, part, crc32 });
    (freeze, prop_oneof![Just(0), 100..999usize], prop::option::of(origin))
}

proptest! {
    #[test]
    fn any_recipe_survives_toml(recipe in recipe(), transfer in transfer()) {
        let (freeze, train_images, init_from) = transfer;
        let recipe = Recipe { freeze, train_images, init_from, ..recipe };
        prop_assert_eq!(faults(&recipe), [""; 0]);
        prop_assert_eq!(through_toml(&recipe), recipe);
    }

    #[test]
    fn an_override_changes_its_field_and_no_other(recipe in recipe(), latent in 1..99usize) {
        let ours = |assignment: &str| recipe.with(assignment).unwrap();
        let old = recipe.clone();
        prop_assert_eq!(ours(&format!("latent={latent}")), Recipe { latent, ..old.clone() });
        prop_assert_eq!(
            ours("hidden = [400, 200]"),
            Recipe { hidden: vec![400, 200], ..old.clone() }
        );
        prop_assert_eq!(
            ours("activation=softplus"),
            Recipe { activation: Activation::Softplus, ..old.clone() }
        );
        prop_assert_eq!(ours("init=he"), Recipe { init: Init::He, ..old.clone() });
        prop_assert_eq!(
            ours("learning_rate=1e-4"),
            Recipe { learning_rate: 1e-4, ..old.clone() }
        );
        prop_assert_eq!(ours("name=my run"), Recipe { name: "my run".into(), ..old.clone() });
        prop_assert_eq!(ours("image=[3, 5]"), Recipe { image: Some([3, 5]), ..old });
    }

    #[test]
    fn the_number_of_parameters_is_that_of_the_model(recipe in recipe()) {
        let known = recipe.image.and(recipe.class_count());
        let count = known.map(|_| recipe.model::<f32>().parameter_count());
        prop_assert_eq!(recipe.parameter_count(), count);
    }

    #[test]
    fn the_objective_is_one_that_the_model_can_have(recipe in recipe()) {
        let objective = recipe.objective();
        let sampled = elbo::objectives::Objective::<f32>::sampled(&objective);
        if recipe.image.and(recipe.class_count()).is_some() {
            prop_assert!(sampled || recipe.model::<f32>().has_exact_kl());
        }
    }
}

#[test]
fn an_override_of_no_field_or_another_type_is_refused_and_quoted() {
    for assignment in
        ["latent", "latents=2", "=", "latent=two", "hidden=4", "seed=-1", "epochs=1.5"]
    {
        let error = Recipe::default().with(assignment).unwrap_err();
        assert!(error.to_string().contains(&format!("`{assignment}`")), "{error}");
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let broken = Recipe {
        name: "a/b".into(),
        hidden: vec![0; MAX_HIDDEN_LAYERS + 1],
        latent: 0,
        epochs: 0,
        batch_size: 0,
        learning_rate: f64::NAN,
        seed: u64::MAX,
        missing: 1.0,
        image: Some([0, MAX_WIDTH + 1]),
        ..Recipe::default()
    };
    let faults = faults(&broken);
    for field in [
        "name",
        "hidden has",
        "hidden is",
        "latent",
        "epochs",
        "batch_size",
        "learning_rate",
        "seed",
        "missing",
    ] {
        assert_eq!(
            faults.iter().filter(|f| f.starts_with(field)).count(),
            1,
            "{field}: {faults:?}"
        );
    }
    assert!(faults.iter().any(|f| f.starts_with("image")), "{faults:?}");
}

/// What the library builds by hand is what a recipe builds.
#[test]
fn a_recipe_s_two_layers_start_as_those_of_the_library() {
    let recipe = Recipe { hidden: vec![6, 5], latent: 4, image: Some([3, 3]), ..Recipe::default() };
    let recipe = Recipe { hidden2: vec![7, 3], latent2: 2, init: Init::Glorot, ..recipe };
    let rng = &mut random::rng(recipe.seed, Purpose::Init, 0, 0);
    let layers = [(&[6, 5][..], 4), (&[7, 3][..], 2)];
    let (relu, glorot) = (Activation::Relu, Init::Glorot);
    let ours = MlpTwoLayer::<f64>::mlp_with(Bernoulli, 9, layers, relu, glorot, rng);
    let model = recipe.model::<f64>();
    assert_eq!(model.names(), ours.names());
    assert!(model.tensors().eq(ours.tensors()));
}

#[test]
fn a_model_beyond_all_memory_is_a_fault_and_not_an_attempt() {
    let huge = Recipe {
        hidden: vec![MAX_WIDTH; MAX_HIDDEN_LAYERS],
        image: Some([MAX_WIDTH, MAX_WIDTH]),
        ..Recipe::default()
    };
    assert_eq!(faults(&huge).len(), 1);
    let image = Some([1, 1]);
    let (flow_steps, hidden2) = (MAX_FLOW_STEPS, vec![MAX_WIDTH; 2]);
    let flow = Recipe { flow_steps, flow_width: MAX_WIDTH, latent: 99, image, ..Recipe::default() };
    let two_layers = Recipe { hidden2, latent2: 1, image, ..Recipe::default() };
    for huge in [flow, two_layers] {
        let faults = faults(&huge);
        assert!(faults.len() == 1 && faults[0].contains("parameters"), "{faults:?}");
    }
    let overflowing = Recipe { image: Some([usize::MAX, usize::MAX]), ..Recipe::default() };
    assert_eq!(overflowing.parameter_count(), None);
    assert!(!faults(&overflowing).is_empty());
}

#[test]
fn a_file_of_megabytes_is_refused_by_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.toml");
    std::fs::write(&path, "# x\n".repeat(300_000)).unwrap();
    let message = Recipe::find(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(message.contains("1200000 bytes are too many"), "{message}");
}

/// TOML's integers end at 2⁶³ - 1, so a recipe beyond could not be written down.
#[test]
fn an_integer_that_toml_cannot_hold_is_a_fault() {
    let edge = i64::MAX as u64;
    let at = |seed, epochs| Recipe { seed, epochs, ..Recipe::default() };
    assert_eq!(through_toml(&at(edge, edge)), at(edge, edge));
    assert_eq!(faults(&at(edge, edge)), [""; 0]);
    assert_eq!(faults(&at(edge + 1, edge + 1)).len(), 2);
    assert!(at(edge + 1, 1).with("latent=3").is_err());
    assert!(Recipe::default().with("seed=9223372036854775808").is_err());
}
