//! Weights from one model into another.

use crate::{parameters::Parameters, real::Real};

/// Tensors that cannot be copied, the first that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherTensors {
    /// It is in the target alone.
    #[error("it has no tensor `{name}`")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// It is in the source alone.
    #[error("it has a tensor `{name}` too many")]
    Surplus {
        /// The tensor.
        name: String,
    },
    /// It is in both, and not of one shape.
    #[error("its `{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// In the source.
        found: Vec<usize>,
        /// In the target.
        expected: Vec<usize>,
    },
}

/// Copies all tensors whose names are chosen. Source and target must have the same ones; either may have
/// others besides.
///
/// # Errors
///
/// If they have not. Then nothing is copied.
pub fn copy_tensors<T: Real>(
    source: &impl Parameters<T>,
    target: &mut impl Parameters<T>,
    is_chosen: impl Fn(&str) -> bool,
) -> Result<(), OtherTensors> {
    let chosen = |names: Vec<String>| {
        let places = names.into_iter().enumerate().filter(|(_, name)| is_chosen(name));
        places.collect::<Vec<_>>()
    };
    let sources: Vec<_> = source.tensors().collect();
    let shapes: Vec<_> = target.tensors().map(|t| t.shape().to_vec()).collect();
    let (there, here) = (chosen(source.names()), chosen(target.names()));
    if let Some((_, name)) = there.iter().find(|(_, name)| here.iter().all(|(_, n)| n != name)) {
        return Err(OtherTensors::Surplus { name: name.clone() });
    }
    let mut from = vec![None; shapes.len()];
    for (place, name) in here {
        let Some((index, _)) = there.iter().find(|(_, n)| *n == name) else {
            return Err(OtherTensors::Missing { name });
        };
        let (found, expected) = (sources[*index].shape().to_vec(), shapes[place].clone());
        if found != expected {
            return Err(OtherTensors::Shape { name, found, expected });
        }
        from[place] = Some(*index);
    }
    for (mut tensor, index) in target.tensors_mut().zip(from) {
        if let Some(index) = index {
            tensor.assign(&sources[index]);
        }
    }
    Ok(())
}
