//! Model files and checkpoints. The input is the header's JSON up to a zero byte, and then the tensors: the
//! header's length and the checkpoint's checksum are made right, so that what lies behind them is reached.
//! Without a zero byte it is the file as it is.
#![no_main]

#[path = "../../tests/support/checksum.rs"]
mod checksum;

use checksum::sealed;
use elbo::{
    parameters::Parameters,
    training::{Checkpoint, load_model},
};
use elbo_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let file = match data.iter().position(|&b| b == 0) {
        Some(end) => {
            let length = (end as u64).to_le_bytes();
            sealed([&length[..], &data[..end], &data[end + 1..]].concat())
        }
        None => data.to_vec(),
    };
    if let Ok((recipe, model)) = with_file(&file, load_model::<f32>) {
        assert_eq!(Some(model.parameter_count()), recipe.parameter_count());
        recipe.to_toml();
    }
    if let Ok(checkpoint) = with_file(&file, Checkpoint::<f64>::load) {
        checkpoint.recipe.to_toml();
        checkpoint.is_finished();
    }
});
