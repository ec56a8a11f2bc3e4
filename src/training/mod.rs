//! The loop, its metrics, and what it keeps on disk.

mod checkpoint;
mod metrics;
mod model_file;
mod run;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use metrics::{MetricsError, Row, read_metrics, write_metrics};
pub use model_file::{ModelFileError, load_model, save_model};
pub use run::{Observer, Outcome, Run, RunError, files};
pub use trainer::{NonFinite, Position, Progress, Trainer};
