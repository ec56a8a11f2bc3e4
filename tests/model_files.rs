//! Model files and checkpoints: what is written comes back bit for bit, and no damage to a file
//! panics.

#[path = "support/checksum.rs"]
mod checksum;

use std::{fs, ops::ControlFlow, path::Path};

use checksum::sealed;
use elbo::{
    data::{Images, Pixels},
    models::{AnyModel, Model},
    objectives::Elbo,
    optim::Optimiser,
    parameters::Parameters,
    real::Real,
    recipe::Recipe,
    training::{Checkpoint, Position, Trainer, load_model, save_model},
};
use proptest::{prelude::*, sample::Index};
use safetensors::{Dtype, SafeTensors};

const IMAGES: usize = 7;

fn recipe() -> Recipe {
    let (hidden, image) = (vec![5, 4], Some([2, 3]));
    Recipe { hidden, image, latent: 3, batch_size: 3, ..Recipe::default() }
}

fn images() -> Images {
    let bytes = (0..IMAGES * 6).map(|i| (i * 37 % 256) as u8).collect();
    Images::new(2, 3, Pixels::Bytes(bytes)).unwrap()
}

fn bits<T: Real>(parameters: &impl Parameters<T>) -> Vec<u64> {
    let tensors = parameters.tensors();
    tensors.flat_map(|t| t.iter().map(|v| v.to_f64().to_bits()).collect::<Vec<_>>()).collect()
}

/// The weight of the encoder's first layer, (outputs, inputs).
fn first_weight<T: Real>(model: &AnyModel<T>) -> ndarray::ArrayViewD<'_, T> {
    model.tensors().next().unwrap()
}

/// The bytes of what `write` writes.
fn written(write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path);
    fs::read(&path).unwrap()
}

/// What `read` makes of a file of these bytes.
fn read<R>(bytes: &[u8], read: impl FnOnce(&Path) -> R) -> R {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, bytes).unwrap();
    read(&path)
}

fn model_bytes<T: Real>() -> Vec<u8> {
    written(|path| save_model(path, &recipe().model::<T>(), &recipe()).unwrap())
}

/// A run in its second epoch, after two of three batches.
fn checkpoint<T: Real>() -> (AnyModel<T>, Optimiser<AnyModel<T>>, Position) {
    let images = images();
    let mut trainer = Trainer::new(recipe().model::<T>(), Elbo, &images, 3, 1e-3, 0);
    trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    let mut steps = 0;
    trainer
        .epoch(|_| {
            steps += 1;
            if steps == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    (trainer.model, trainer.optimiser, trainer.position)
}

fn checkpoint_bytes<T: Real>() -> Vec<u8> {
    let (model, optimiser, position) = checkpoint::<T>();
    written(|path| {
        let data = images().fingerprint();
        Checkpoint::save(path, &recipe(), data, &model, &optimiser, position, None).unwrap()
    })
}

fn comes_back<T: Real>() {
    let (model, optimiser, position) = checkpoint::<T>();
    let bytes = written(|path| save_model(path, &model, &recipe()).unwrap());
    let (stored_recipe, stored) = read(&bytes, |path| load_model::<T>(path).unwrap());
    assert_eq!((bits(&stored), stored_recipe), (bits(&model), recipe()));

    let stored = read(&checkpoint_bytes::<T>(), |path| Checkpoint::<T>::load(path).unwrap());
    assert_eq!(bits(&stored.model), bits(&model));
    for ((prefix, stored), (expected, ours)) in stored.optimiser.state().zip(optimiser.state()) {
        assert_eq!((prefix, bits(stored)), (expected, bits(ours)));
    }
    assert_eq!((stored.optimiser.steps(), stored.position), (5, position));
    assert_eq!((stored.recipe, stored.data), (recipe(), images().fingerprint()));
}

#[test]
fn what_is_written_comes_back_bit_for_bit() {
    comes_back::<f32>();
    comes_back::<f64>();
}

/// Every tensor has a name of its own, and comes back under it.
#[test]
fn every_kind_of_model_comes_back_bit_for_bit() {
    for set in [
        &["gated=true"][..],
        &["prior=vampprior", "pseudo_inputs=3"],
        &["hidden2=[4,3]", "latent2=2"],
        &["flow_steps=3", "flow_width=7"],
    ] {
        let recipe = set.iter().fold(recipe(), |recipe, set| recipe.with(set).unwrap());
        let mut model = recipe.model::<f64>();
        let mut values = (1..).map(f64::from);
        model.tensors_mut().for_each(|mut t| t.mapv_inplace(|_| values.next().unwrap()));
        let bytes = written(|path| save_model(path, &model, &recipe).unwrap());
        let (stored_recipe, stored) = read(&bytes, |path| load_model::<f64>(path).unwrap());
        assert_eq!((bits(&stored), stored_recipe), (bits(&model), recipe));
    }
}

#[test]
fn the_bytes_of_a_file_are_a_function_of_its_content() {
    assert_eq!(model_bytes::<f32>(), model_bytes::<f32>());
    assert_eq!(checkpoint_bytes::<f32>(), checkpoint_bytes::<f32>());
}

#[test]
fn a_model_in_one_precision_is_read_in_the_other() {
    let (single, double) = (recipe().model::<f32>(), recipe().model::<f64>());
    let wide: AnyModel<f64> = read(&model_bytes::<f32>(), |path| load_model(path).unwrap().1);
    assert_eq!(bits(&wide), bits(&single));
    let narrow: AnyModel<f32> = read(&model_bytes::<f64>(), |path| load_model(path).unwrap().1);
    assert!(narrow.tensors().zip(double.tensors()).all(|(n, d)| n == d.mapv(|v| v as f32)));
}

#[test]
fn names_shapes_and_order_of_elements_are_pytorch_s() {
    let (bytes, model) = (model_bytes::<f32>(), recipe().model::<f32>());
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let linear = [
        ("encoder.hidden.0", 6, 5),
        ("encoder.hidden.1", 5, 4),
        ("encoder.mu", 4, 3),
        ("encoder.log_var", 4, 3),
        ("decoder.hidden.0", 3, 4),
        ("decoder.hidden.1", 4, 5),
        ("decoder.output", 5, 6),
    ];
    for (name, inputs, outputs) in linear {
        let weight = tensors.tensor(&format!("{name}.weight")).unwrap();
        assert_eq!((weight.shape(), weight.dtype()), (&[outputs, inputs][..], Dtype::F32));
        assert_eq!(tensors.tensor(&format!("{name}.bias")).unwrap().shape(), [outputs]);
    }
    assert_eq!(tensors.len(), 2 * linear.len());
    // Row by row of `outputs x inputs`, where the layer itself has `inputs x outputs`.
    let weight = tensors.tensor("encoder.hidden.0.weight").unwrap();
    let stored = f32::from_le_slice(&weight.data()[4 * (2 * 6 + 1)..][..4]);
    assert_eq!(stored, first_weight(&model)[[2, 1]]);
}

/// A checkpoint whose state has `from` replaced by `to`, with the header's length and the checksum put right.
fn with_state(from: &str, to: &str) -> Vec<u8> {
    let bytes = checkpoint_bytes::<f32>();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    assert_eq!(header.matches(from).count(), 1, "{header}");
    let header = header.replace(from, to);
    sealed([&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat())
}

#[test]
fn a_checkpoint_whose_counts_contradict_each_other_is_refused() {
    let load = |bytes: &[u8]| read(bytes, |path| Checkpoint::<f32>::load(path).map(|_| ()));
    assert!(load(&with_state(r#"\"step\":5"#, r#"\"step\":5"#)).is_ok());
    let big = u64::MAX.to_string();
    let faults = [
        (r#"\"step\":5"#, r#"\"step\":6"#.to_string()),
        (r#"\"step\":5"#, format!(r#"\"step\":{big}"#)),
        (r#"\"epoch\":1"#, r#"\"epoch\":2"#.to_string()),
        (r#"\"epoch\":1"#, format!(r#"\"epoch\":{big}"#)),
        (r#"\"batch\":2"#, r#"\"batch\":1"#.to_string()),
        (r#"\"batch\":2"#, format!(r#"\"batch\":{big}"#)),
        (r#"\"images\":7"#, r#"\"images\":0"#.to_string()),
        (r#"\"images\":7"#, format!(r#"\"images\":{big}"#)),
        (r#"\"totals\":{\"images\":6"#, r#"\"totals\":{\"images\":7"#.to_string()),
        (r#"\"seed\":0"#, format!(r#"\"seed\":{big}"#)),
        (r#"\"batch_size\":3"#, r#"\"batch_size\":0"#.to_string()),
    ];
    for (from, to) in faults {
        assert!(load(&with_state(from, &to)).is_err(), "{to}");
    }
}

/// As many epochs of three batches as leave no number for the step after the next.
#[test]
fn a_checkpoint_whose_next_steps_cannot_be_counted_is_refused() {
    let (epoch, step) = (u64::MAX / 3 - 1, u64::MAX / 3 * 3 - 1);
    let bytes = with_state(
        r#"\"step\":5,\"position\":{\"epoch\":1"#,
        &format!(r#"\"step\":{step},\"position\":{{\"epoch\":{epoch}"#),
    );
    assert!(read(&bytes, |path| Checkpoint::<f32>::load(path).is_err()));
}

#[test]
fn a_file_of_the_other_kind_is_told_from_a_damaged_one() {
    let model = read(&checkpoint_bytes::<f32>(), |path| load_model::<f32>(path).map(|_| ()));
    assert!(model.unwrap_err().to_string().contains("no usable `recipe`"));
    let checkpoint = read(&model_bytes::<f32>(), |path| Checkpoint::<f32>::load(path).map(|_| ()));
    assert!(checkpoint.unwrap_err().to_string().contains("no usable `checkpoint`"));
}

/// An infinite second moment freezes its parameter, and nothing in the loss says so.
#[test]
fn a_moment_that_no_checkpoint_may_hold_stops_the_run_by_name() {
    let images = images();
    let mut trainer = Trainer::new(recipe().model::<f32>(), Elbo, &images, 3, 1e-3, 0);
    let (_, moment) = trainer.optimiser.state_mut().nth(1).unwrap();
    let bias = moment.names().iter().position(|name| name == "encoder.mu.bias").unwrap();
    moment.tensors_mut().nth(bias).unwrap()[[0]] = f32::INFINITY;
    let stopped = trainer.epoch(|_| ControlFlow::Break(())).unwrap_err();
    assert_eq!((stopped.tensor.as_str(), stopped.step), ("adam.v.encoder.mu.bias", 1));
}

#[test]
fn a_weight_that_is_not_finite_is_refused_by_name() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut model = recipe().model::<f32>();
        model.tensors_mut().next().unwrap().fill(value);
        let bytes = written(|path| save_model(path, &model, &recipe()).unwrap());
        let refused = read(&bytes, |path| load_model::<f32>(path).map(|_| ())).unwrap_err();
        let expected = "`encoder.hidden.0.weight` is not finite at element 0";
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

/// Loads as both kinds; what loads must be fit for use.
fn use_if_it_loads(path: &Path) {
    if let Ok((recipe, model)) = load_model::<f32>(path) {
        assert!(bits(&model).into_iter().all(|b| f64::from_bits(b).is_finite()));
        assert_eq!(Some(model.parameter_count()), recipe.parameter_count());
        recipe.to_toml();
    }
    let images = images();
    if let Ok(Checkpoint { recipe, model, optimiser, position, data, .. }) = Checkpoint::load(path)
        && data == images.fingerprint()
        && model.pixels() == 6
    {
        recipe.to_toml();
        let Recipe { batch_size, learning_rate, seed, .. } = recipe;
        let mut trainer: Trainer<'_, f32, _, _> =
            Trainer::new(model, Elbo, &images, batch_size, learning_rate, seed);
        (trainer.optimiser, trainer.position) = (optimiser, position);
        // Damaged weights may well run away, which is an error and no panic.
        let _ = trainer.epoch(|_| ControlFlow::Continue(()));
    }
}

proptest! {
    #[test]
    fn a_file_cut_anywhere_or_grown_is_refused(at: Index, more in 1..9usize) {
        for bytes in [model_bytes::<f32>(), checkpoint_bytes::<f32>()] {
            let grown = [&bytes[..], &vec![0; more]].concat();
            for bytes in [&bytes[..at.index(bytes.len())], &grown] {
                let sealed = sealed(bytes.to_vec());
                prop_assert!(read(bytes, |path| load_model::<f32>(path).is_err()));
                prop_assert!(read(bytes, |path| Checkpoint::<f32>::load(path).is_err()));
                prop_assert!(read(&sealed, |path| Checkpoint::<f32>::load(path).is_err()));
            }
        }
    }

    #[test]
    fn flipped_bits_never_panic_and_what_loads_is_fit_for_use(
        flips in prop::collection::vec((any::<Index>(), 0..8u32), 1..4),
        in_header: bool,
    ) {
        for mut bytes in [model_bytes::<f32>(), checkpoint_bytes::<f32>()] {
            let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let range = if in_header { header } else { bytes.len() };
            flips.iter().for_each(|(at, bit)| bytes[at.index(range)] ^= 1 << bit);
            read(&bytes, use_if_it_loads);
            read(&sealed(bytes), use_if_it_loads);
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_checkpoint_is_noticed_and_the_file_named(at: Index, bit in 0..8u32) {
        let mut bytes = checkpoint_bytes::<f32>();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let error = read(&bytes, |path| {
            let error = Checkpoint::<f32>::load(path).map(|_| ()).unwrap_err();
            (error.to_string(), path.display().to_string())
        });
        prop_assert!(error.0.contains(&error.1), "{}", error.0);
    }

    #[test]
    fn any_bytes_at_all_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes, use_if_it_loads);
    }
}
