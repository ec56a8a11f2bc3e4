//! The loop, its metrics, and what it keeps on disk.

mod checkpoint;
mod checksum;
mod early_stopping;
pub mod files;
mod lock;
mod metrics;
mod model_file;
mod run;
mod trainer;
mod transfer;
mod units;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use early_stopping::{Best, EarlyStopping};
pub use lock::{Lock, LockError};
pub use metrics::{MetricsError, Row, read_metrics, write_metrics};
pub use model_file::{ModelFileError, load_model, save_model};
pub use run::{Observer, Outcome, Run, RunError};
pub use trainer::{NonFinite, Plan, Position, Progress, Trainer};
pub use transfer::{OtherTensors, TransferError, copy_tensors};
pub use units::{Units, read_units, write_units};
