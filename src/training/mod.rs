//! The loop, its metrics, and what it keeps on disk.

mod copying;
mod early_stopping;
#[cfg(feature = "files")]
mod run;
mod trainer;

pub use copying::{OtherTensors, copy_tensors};
pub use early_stopping::{Best, EarlyStopping};
#[cfg(feature = "files")]
pub use run::{
    Checkpoint, CheckpointError, Lock, LockError, MetricsError, ModelFileError, Observer, Outcome,
    Row, Run, RunError, TransferError, Units, files, load_model, read_metrics, read_units,
    save_model, write_metrics, write_units,
};
pub use trainer::{NonFinite, Plan, Position, Progress, Trainer};
